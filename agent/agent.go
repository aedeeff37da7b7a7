// Package agent is the device's program: it builds the parts out of the
// configuration, joins them, and runs them until it is told to end.
//
//	streams ─► alarm ─┐
//	streams, clock, ──┴─► journal ─┐
//	stats                          ├─► spool ─► uplink ─► broker ─► centre
//	kiosk   ───────────────────────┘              │
//	   ▲──────────────── receipts ────────────────┤
//	alarm, streams ◄── command ◄── orders ────────┘
//
// The parts do not know each other; what one needs of another is an interface
// of its own, handed in here.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"kentongan/agent/checkpoint"
	"kentongan/agent/command"
	"kentongan/agent/config"
	"kentongan/agent/kiosk"
	"kentongan/agent/kiosk/screen"
	"kentongan/agent/report"
	"kentongan/agent/sensor"
	"kentongan/agent/spool"
	"kentongan/agent/stream"
	"kentongan/agent/update"
	"kentongan/agent/uplink"
	"kentongan/hal"
)

// Options are what the program knows and the configuration does not.
type Options struct {
	Version string
	Log     *slog.Logger
	Level   *slog.LevelVar  // of Log, to change it while the agent runs; may be nil
	RunDir  string          // in memory, for who asks on the device; "" is none
	Reload  <-chan struct{} // somebody asks for a look at the configuration; may be nil

	Ring      *LogRing // the newest of Log; nil where nobody asks for it
	NewEpochs int      // runs of this process that ended with ErrNewEpoch
	Bench     Bench
}

// Bench is what a test lays below the agent in the place of the machine. What is
// nil is the machine's own.
type Bench struct {
	Board func() (hal.Board, error)
	Disk  spool.FS // of the spool; small files stay where they are
	// Dial opens connections to brokers and to the streams of cameras.
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Stamp func() report.Stamp
	// Looks has the configuration's file looked at each minute: a goroutine that
	// waits for the kernel's events stops a fake clock.
	Looks bool
}

// Agent is one device. Run may be called once.
type Agent struct {
	cfg       *config.Config                // what the agent started with
	now       atomic.Pointer[config.Config] // what it runs with: see current
	o         Options
	clock     *clock
	known     *knownTime // for a clock that is not set
	recordKey string     // public; "" when there is none
	since     time.Time

	spool   *spool.Spool
	uplink  *uplink.Uplink
	board   hal.Board
	kiosk   atomic.Pointer[kiosk.Kiosk]   // nil when the configuration has none
	screen  atomic.Pointer[screen.Screen] // the same
	estate  atomic.Pointer[kiosk.Estate]  // of a kiosk that another takes the place of; nil if none
	sensors atomic.Pointer[sensor.Watch]  // the same
	journal *journal
	orders  *command.Runner                   // nil where no centre can order anything
	signer  note.Signer                       // nil when the record key can't be read or kept
	notary  atomic.Pointer[checkpoint.Notary] // the same
	site    *stream.Site
	eye     *stream.Eye // used by who makes units
	relays  []*relay    // the same
	parts   []part      // that stay
	crew    *crew       // those that come and go with the configuration
	reload  *reloading
	updater *update.Updater // nil when no update directory is configured
	bootSeq uint64          // of this start's boot event; 0 when it was not kept
	beating []beating       // parts with several loops, for the watchdog
	keys    *keyring
	ordered *orderedConfig
	again   chan struct{}          // the agent is to start anew; holds one
	living  context.Context        // ends with Run's parts
	blinks  sync.WaitGroup         // LEDs that show somebody this device
	reached atomic.Bool            // the centre has signed for something since the start
	forks   chan uplink.AckRefused // receipts that tell of another history

	mu       sync.RWMutex               // guards watchers
	watchers map[string]*stream.Watcher // by the stream's name
}

// part is one loop. It ends with its context, and never by itself.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// New makes an agent. It starts nothing and opens nothing.
func New(cfg *config.Config, o Options) (*Agent, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	if o.Bench.Stamp != nil {
		c = &clock{o.Bench.Stamp().Boot, o.Bench.Stamp}
	}
	a := &Agent{
		cfg: cfg, o: o, clock: c, watchers: map[string]*stream.Watcher{}, again: make(chan struct{}, 1), forks: make(chan uplink.AckRefused, 4),
		crew: newCrew(), site: stream.NewSite(),
	}
	a.now.Store(cfg)
	return a, nil
}

// current is the configuration that the agent runs with. What needs a restart to
// change is in cfg as it started.
func (a *Agent) current() *config.Config { return a.now.Load() }

// Run opens the spool and the board, runs every part until ctx ends, and closes
// what it opened. A part that heals itself (a camera, a broker, a line) does not
// end it; an error means that the agent can't do its work.
func (a *Agent) Run(ctx context.Context) (err error) {
	a.since = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.living = ctx
	if err := notErasing(a.cfg.Data); err != nil {
		return err
	}
	a.spool, err = spool.Open(filepath.Join(a.cfg.Data, "spool"), a.spoolOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.spool.Close()) }()
	if err := notErasing(a.cfg.Data); err != nil { // marked before the spool was ours
		return err
	}
	if a.board, err = a.openBoard(); err != nil {
		return err
	}
	defer func() {
		cancel()
		a.blinks.Wait() // each gives its LED back, dark
		err = errors.Join(err, a.board.Close())
	}()
	units, err := a.build()
	if err != nil {
		return err
	}
	a.sayBoot(ctx)

	kept := make(chan struct{})
	go func() {
		defer close(kept)
		a.journal.run()
	}()
	defer func() {
		a.journal.close()
		<-kept
	}()
	return a.runParts(ctx, units)
}

// runParts runs every part and unit. The first that fails ends the others.
func (a *Agent) runParts(ctx context.Context, units []*unit) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, u := range units {
		a.crew.start(ctx, u)
	}
	a.o.Log.Info("agent started", "part", "agent", "device", a.cfg.Device, "version", a.o.Version,
		"epoch", a.spool.Epoch().String(), "streams", len(a.cfg.Streams), "board", a.board.Name())
	g.Go(func() error { return a.crew.run(ctx) })
	for _, p := range a.parts {
		g.Go(func() error {
			err := p.run(ctx)
			if err == nil && ctx.Err() == nil {
				return fmt.Errorf("%s: ended by itself", p.name)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	err := g.Wait()
	a.crew.stopAll() // what a change of the configuration began in the last moment
	a.settleEstate(ctx)
	return err
}

// settleEstate keeps what a kiosk has left that ended for a change of the
// configuration which the agent's end cut short: another one takes its lines, decides
// what is undecided, and ends as at any end. ctx has ended.
func (a *Agent) settleEstate(ctx context.Context) {
	if a.estate.Load() == nil {
		return
	}
	u, err := a.newKiosk(a.current().Kiosk)
	if err != nil {
		a.o.Log.Error("presses within a change not kept", "part", "agent", "err", err)
		return
	}
	a.crew.start(ctx, u)
	a.crew.stopAll()
}

// build makes the parts, each with what it needs of the others, and the units of
// the configuration.
func (a *Agent) build() (units []*unit, err error) {
	a.known = newKnownTime(filepath.Join(a.cfg.Data, "time"), a.clock.stamp, a.o.Log)
	a.openKeys()
	up, err := a.uplinkConfig(a.cfg)
	if err != nil {
		return nil, err
	}
	if a.uplink, err = uplink.New(up, a.spool, a.o.Log); err != nil {
		return nil, err
	}
	a.journal = newJournal(a.cfg.Device, a.spool, a.uplink, a.o.Log.With("part", "journal"))
	a.journal.alarms = a.newAlarms(a.cfg)
	a.ordered = newOrderedConfig(a)
	if a.orders, err = a.newCommands(); err != nil {
		return nil, err
	}
	a.reload = newReloading(a)
	a.parts = []part{
		{"uplink", a.uplink.Run},
		{"alarm", a.journal.alarms.Run},
		{"clock", a.watchClock},
		{"time", a.known.run},
		{"epoch", a.watchEpoch},
		{"restart", a.watchRestart},
		{"configuration", a.reload.run},
	}
	a.beating = append(a.beating, a.reload)
	if a.orders != nil {
		a.parts = append(a.parts, part{"command", a.orders.Run})
	}
	a.parts = append(a.parts, part{"config", a.ordered.Run})
	a.beating = append(a.beating, a.ordered)
	a.openRecordKey()
	a.buildEnrolment()
	if units, err = a.makeUnits(); err != nil {
		return nil, err
	}
	if err := a.buildUpdate(); err != nil {
		return nil, err
	}
	a.buildFigures()
	a.buildWatchdog() // the last two ask all others
	a.buildSystemd()
	return units, nil
}

// sayBoot keeps that the agent started. A store that can't take it is no reason
// not to run: the parts say what they can't do.
func (a *Agent) sayBoot(ctx context.Context) {
	var err error
	a.bootSeq, err = a.spool.Append(ctx, report.Event, report.KindBoot, report.Boot{
		Version: a.o.Version, Go: runtime.Version(), Arch: runtime.GOARCH, Board: a.board.Name(),
		Epoch: a.spool.Epoch(), Clean: a.spool.Status().Clean,
	})
	if err != nil {
		a.o.Log.Error("boot not kept", "part", "agent", "err", err)
	}
}

func (a *Agent) watchClock(ctx context.Context) error {
	a.clock.watch(ctx, func(s report.ClockSet) {
		a.o.Log.Info("clock set", "part", "clock", "step", time.Duration(s.StepMS)*time.Millisecond, "clock", s.Clock)
		a.journal.add(report.Event, report.KindClock, s)
	})
	return nil
}

// makeStats makes the part that keeps the device's own figures.
func (a *Agent) makeStats(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		return &unit{parts: []part{{"stats", func(ctx context.Context) error { return a.measure(ctx, c.StatsEvery) }}}}, nil
	}
}

func (a *Agent) measure(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.journal.add(report.Telemetry, report.KindDeviceStats, a.deviceStats())
		}
	}
}

func (a *Agent) deviceStats() report.DeviceStats {
	up := a.uplink.Status()
	s := report.DeviceStats{
		RSSBytes:     residentBytes(),
		Goroutines:   runtime.NumGoroutine(),
		DiskFree:     diskFree(a.cfg.Data),
		Backlog:      map[report.Lane]int64{},
		LoadAvg1:     load1(),
		TempMilliC:   hottest(),
		UplinkUp:     up.Connected,
		UplinkSentB:  up.SentBytes,
		UplinkRecvB:  up.ReceivedBytes,
		UplinkEpochs: up.Connections,
	}
	counts, _ := a.journal.alarms.Status()
	s.Alarms = &counts
	for _, lane := range report.Lanes() {
		s.Backlog[lane] = int64(a.spool.Head(lane).Backlog())
	}
	for _, l := range a.spool.Status().Lanes {
		s.SpoolBytes += l.Files
	}
	return s
}

// birth is what the device says of itself at each connection.
func (a *Agent) birth(session string) report.DeviceState {
	c := a.current()
	s := report.DeviceState{
		V: report.Version, State: report.Online, Session: session, Since: a.since.UTC().Truncate(time.Millisecond),
		Version: a.o.Version, Boot: a.clock.boot, Epoch: a.spool.Epoch(),
		Site: c.Site.Name, Lat: c.Site.Lat, Lon: c.Site.Lon, RecordKey: a.recordKey, CentreKeys: a.keys.ids(),
	}
	s.Firmware = a.firmwareState()
	s.Streams = c.WatchedStreams()
	if len(c.Kiosk.Buttons) > 0 {
		s.Capabilities = append(s.Capabilities, "kiosk")
		for _, b := range c.Kiosk.Buttons {
			s.Lines = append(s.Lines, b.Name)
		}
	}
	if len(c.Streams) > 0 {
		s.Capabilities = append(s.Capabilities, "streams")
	}
	if len(c.Sensors)+len(c.Lines) > 0 {
		s.Capabilities = append(s.Capabilities, "sensors")
	}
	if s.Apps = appNames(c.Apps); len(s.Apps) > 0 {
		s.Capabilities = append(s.Capabilities, "apps")
	}
	for _, lane := range report.Lanes() {
		s.Heads = append(s.Heads, a.spool.Head(lane))
	}
	return s
}
