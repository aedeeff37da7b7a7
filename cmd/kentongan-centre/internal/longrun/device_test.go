package longrun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// The device's name, its buttons and what it watches.
const deviceID = "pos-1"

var (
	lines   = map[string]string{"road": "GPIO5", "light": "GPIO6"}
	cameras = map[string]string{"gate": "10.0.0.11:554", "yard": "10.0.0.12:554"}
)

const brokerAddr = "broker.test:1883"

// configuration of the device; every is stats_every, which an ordered
// configuration changes.
func configuration(centreKey, every string) string {
	text := fmt.Sprintf(`device: %s
data: data
spool: {complaint: 2MiB, event: 4MiB, telemetry: 4MiB}
uplink:
  brokers: [{url: "mqtt://%s", username: %s, password: secret}]
  centre_key: %s
board: {driver: sim, socket: board.sock}
pictures: {ffmpeg: "off"}
kiosk:
  number: 7
  buttons:
    - {name: road, line: GPIO5, service_code: jalan-rusak, category: infrastruktur, label: {id: Jalan rusak, en: Damaged road}}
    - {name: light, line: GPIO6, service_code: lampu-jalan, category: infrastruktur, label: {id: Lampu jalan, en: Street light}}
  lamps: {saved: {line: GPIO22}, received: {line: GPIO23}, fault: {line: GPIO24}}
  self_test: 05:30
sensors:
  - {name: cabinet, driver: bme280, every: 60s, too_hot: 60}
lines:
  - {name: mains, kind: mains, line: GPIO7}
  - {name: door, kind: door, line: GPIO8}
watchdog: {device: /dev/watchdog0, timeout: 60s}
stats_every: %s
streams:
`, deviceID, brokerAddr, deviceID, centreKey, every)
	for _, name := range []string{"gate", "yard"} {
		text += fmt.Sprintf("  - {name: %s, url: \"rtsp://%s/live\", transport: tcp, silent_after: 30s, picture: {check: true, every: 5m}}\n", name, cameras[name])
	}
	return text
}

// device is a board with a disk, through all its lives.
type device struct {
	t   *testing.T
	net *network
	dir string // of the small files

	wall    func() time.Time
	synced  func() bool
	resets  chan struct{} // the watchdog was not fed
	ended   func(error)   // the agent ended by itself
	retries func(part string, d time.Duration)

	disk *memdisk.Disk
	cut  *memdisk.Cut
	life *life
	num  int

	mu     sync.Mutex // guards what follows
	board  *sim.Board
	kept   map[string]int // presses by ticket, as the agent's log says after the disk has them
	count  int            // presses in kept
	dials  map[string]int // by address
	worse  map[string]int // the log's messages above Info, for who looks at a failure
	hungry string         // why the watchdog was not fed, when it was told last
}

// life is from one time that the power came until it went.
type life struct {
	boot   string
	at     time.Time
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	dead  bool
	conns []net.Conn
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func newDevice(t *testing.T, n *network, centreKey string) *device {
	d := &device{
		t: t, net: n, dir: filepath.Join(t.TempDir(), "device"), disk: memdisk.New(),
		resets: make(chan struct{}, 1), kept: map[string]int{}, worse: map[string]int{}, dials: map[string]int{},
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.file(), []byte(configuration(centreKey, "10m")), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *device) file() string { return filepath.Join(d.dir, "kentongan.yaml") }

// powerOn begins a life.
func (d *device) powerOn() {
	d.num++
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{boot: fmt.Sprintf("%08x", d.num), at: time.Now(), cancel: cancel, done: make(chan struct{})}
	d.life, d.cut = l, memdisk.NewCut(d.disk)
	d.disk.Mu.Lock()
	d.disk.Trace = d.cut.Step
	d.disk.Mu.Unlock()
	go func() {
		defer close(l.done)
		d.live(ctx, l)
	}()
}

// live runs the agent as cmd/kentongan and a service manager do.
func (d *device) live(ctx context.Context, l *life) {
	ring := &agent.LogRing{}
	o := agent.Options{
		Version: "longrun", Ring: ring, Log: slog.New(ring.Handler(logs{d, l}, slog.LevelInfo)),
		Bench: agent.Bench{Board: func() (hal.Board, error) { return d.openBoard(l) }, Disk: d.disk, Dial: d.dialer(l), Stamp: d.stamper(l), Looks: true},
	}
	for ctx.Err() == nil {
		cfg, err := config.Load(d.file())
		if err != nil {
			d.t.Errorf("configuration: %v", err)
			return
		}
		if cfg, err = agent.Ordered(cfg); err != nil {
			d.t.Errorf("ordered configuration: %v", err)
		}
		a, err := agent.New(cfg, o)
		if err == nil {
			err = a.Run(ctx)
		}
		switch {
		case ctx.Err() != nil || l.over():
			return
		case errors.Is(err, agent.ErrNewEpoch):
			o.NewEpochs++
		case errors.Is(err, agent.ErrRestart):
		default:
			d.ended(err)
			time.Sleep(2 * time.Second)
		}
	}
}

// openBoard makes the board that the agent plays with now.
func (d *device) openBoard(l *life) (hal.Board, error) {
	b, err := sim.Open(sim.Options{
		Now: func() time.Duration { return time.Since(l.at) },
		Reset: func() {
			if l.over() {
				return // the board of a life whose power went
			}
			select {
			case d.resets <- struct{}{}:
			default:
			}
		},
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.board = b
	return b, err
}

func (d *device) lines() *sim.Board {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.board
}

func (d *device) stamper(l *life) func() report.Stamp {
	return func() report.Stamp {
		up := time.Since(l.at)
		if !d.synced() {
			return report.Stamp{Time: time.Unix(0, 0).Add(up), Clock: report.ClockUnset, Boot: l.boot, Uptime: up}
		}
		return report.Stamp{Time: d.wall(), Clock: report.ClockSynced, Boot: l.boot, Uptime: up}
	}
}

// dialer is the network of a machine, until its power goes.
func (d *device) dialer(l *life) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if l.over() {
			return nil, syscall.ENETDOWN
		}
		d.mu.Lock()
		d.dials[addr]++
		d.mu.Unlock()
		c, err := d.net.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.dead {
			c.(*half).vanish()
			return nil, syscall.ENETDOWN
		}
		if l.conns = append(l.conns, c); len(l.conns) > 64 {
			l.conns = slices.Clone(l.conns[32:]) // the old ones have ended
		}
		return c, nil
	}
}

// reason is why the watchdog was not fed, as the agent told last.
func (d *device) reason() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hungry
}

// powerOff takes the power away at this moment: the disk keeps what was flushed
// and by chance some of the rest, the network is told nothing. What the agent
// says after it counts for nothing.
func (d *device) powerOff(rng *rand.Rand) {
	l := d.life
	l.mu.Lock()
	l.dead = true
	for _, c := range l.conns {
		c.(*half).vanish()
	}
	l.mu.Unlock()
	old := d.disk
	old.Mu.Lock()
	d.disk = d.cut.Image(rng)
	for dir := range old.Dirs { // made weeks ago, so that no cut takes them
		if d.disk.Dirs[dir] == nil {
			d.disk.Dirs[dir] = map[string]*memdisk.Node{}
		}
	}
	old.Trace = nil
	old.SyncTime = 0
	old.Fault = func(string, string, int64) error { return syscall.EIO }
	old.Mu.Unlock()
	now := d.dir + ".now" // the small files as they stand: each is written whole, or not at all
	err := os.CopyFS(now, os.DirFS(d.dir))
	d.end(l)
	err = errors.Join(err, os.RemoveAll(d.dir), os.Rename(now, d.dir))
	if err != nil {
		d.t.Error(err)
	}
}

// end waits until the agent of a life has ended, which must take no minute.
func (d *device) end(l *life) {
	l.cancel()
	select {
	case <-l.done:
	case <-time.After(5 * time.Minute):
		d.t.Error("the agent does not end within 5 minutes")
		<-l.done
	}
}

// copies of the logger's handlers share what they count.
type logs struct {
	d *device
	l *life
}

func (h logs) Enabled(context.Context, slog.Level) bool { return true }
func (h logs) WithAttrs(a []slog.Attr) slog.Handler     { return h }
func (h logs) WithGroup(string) slog.Handler            { return h }

// Handle takes tickets and pauses out of the log, and counts what is worse.
func (h logs) Handle(_ context.Context, r slog.Record) error {
	if h.l.over() {
		return nil
	}
	var ticket string
	var presses int
	var retry time.Duration
	var why string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "ticket":
			ticket = a.Value.String()
		case "presses":
			presses = int(a.Value.Int64())
		case "why":
			why = a.Value.String()
		case "retry_in":
			retry, _ = a.Value.Any().(time.Duration)
		}
		return true
	})
	if retry > 0 {
		h.d.retries(r.Message, retry)
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if r.Message == "watchdog not fed" {
		h.d.hungry = time.Now().Format("2006-01-02 15:04:05 ") + why
	}
	if r.Message == "press kept" {
		h.d.kept[ticket] += presses
		h.d.count += presses
	}
	if r.Level >= slog.LevelWarn {
		h.d.worse[r.Message]++
	}
	return nil
}
