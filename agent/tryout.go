package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/agent/kiosk"
	"kentongan/agent/kiosk/printer"
	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/hal"
	"kentongan/hal/sim"
	hwatchdog "kentongan/hal/watchdog"
)

// What is connected, tried one by one by a technician. Nothing here needs an
// agent, and nothing is written to the spool.

// ErrHeld is a line that the running agent has, and which this process can't try.
var ErrHeld = errors.New("the running agent has the lines")

// input is a line to be tried.
type input struct {
	hal.LineConfig
	kind string // "button", "cancel" or the kind of a contact
	hold time.Duration
}

// inputs are the configured lines of these names; no name is all.
func inputs(c *config.Config, names []string) ([]input, error) {
	var all []input
	for _, b := range kioskConfig(c.Kiosk).Buttons {
		if b.Line.Line != "" {
			kind := "button"
			if b.Cancel {
				kind = "cancel"
			}
			all = append(all, input{b.Line, kind, b.Hold})
		}
	}
	for _, l := range sensorConfig(c).Lines {
		all = append(all, input{l.LineConfig, l.Kind, 0})
	}
	return pickNamed(all, names, "button or line", func(i input) string { return i.Name })
}

// pickNamed leaves those of these names; no name is all.
func pickNamed[T any](all []T, names []string, what string, of func(T) string) ([]T, error) {
	var known []string
	for _, x := range all {
		known = append(known, of(x))
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("no %s %q in the configuration; there is %s", what, n, orNone(known))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no %s in the configuration", what)
	}
	return slices.DeleteFunc(all, func(x T) bool { return len(names) > 0 && !slices.Contains(names, of(x)) }), nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Touch is one edge of a line on trial; Verdict is "" of its level at the begin.
type Touch struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	Line    string        `json:"line"`
	Active  bool          `json:"active"`
	Verdict kiosk.Verdict `json:"verdict"`
	AtMS    float64       `json:"at_ms"` // since the trial began
	HeldMS  float64       `json:"held_ms,omitempty"`
	Via     string        `json:"via"` // ViaLine, ViaSim, ViaAgent
}

// Where a touch was seen.
const (
	ViaLine  = "line"  // by this process
	ViaSim   = "sim"   // on the board that the running agent plays
	ViaAgent = "agent" // by the running agent, which debounced it
)

// monotonic is the clock of an edge.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // Linux always has this clock
	}
	return time.Duration(ts.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TryInputs follows lines until ctx ends. each is called from one goroutine, first
// with each line's level. Lines that the running agent has are followed through
// its page, or its simulated board; ErrHeld is that there is neither.
func TryInputs(ctx context.Context, c *config.Config, names []string, each func(Touch)) error {
	all, err := inputs(c, names)
	if err != nil {
		return err
	}
	if c.Board.Driver == config.DriverSim && c.Board.Socket != "" {
		if served, err := followSim(ctx, c.Board.Socket, all, each); served {
			return err
		}
	}
	board, err := openBoard(c.Board)
	if err != nil {
		return err
	}
	defer board.Close()
	return tryLines(ctx, c, board, all, each)
}

func tryLines(ctx context.Context, c *config.Config, board hal.Board, all []input, each func(Touch)) error {
	opened := make([]hal.Input, len(all))
	for i, in := range all {
		raw := in.LineConfig
		raw.Debounce = 0 // so that bounces are seen
		var err error
		if opened[i], err = board.OpenInput(raw); err != nil {
			if heldByAgent(err) {
				return followPage(ctx, c, all, each)
			}
			return err
		}
	}
	levels := make([]bool, len(all))
	for i, in := range opened {
		var err error
		if levels[i], err = in.Active(); err != nil {
			return err
		}
	}
	edges := make(chan tried)
	for i, in := range opened {
		go func() {
			send := func(e tried) {
				select {
				case edges <- e:
				case <-ctx.Done():
				}
			}
			send(tried{i, true, hal.Edge{Active: levels[i], At: monotonic()}})
			for e := range in.Edges() { // closed with the board
				send(tried{i, false, e})
			}
		}()
	}
	newTryout(all, ViaLine, each).run(ctx, edges)
	return nil
}

// heldByAgent tells whether the line is one of a running agent.
func heldByAgent(err error) bool {
	l, ok := errors.AsType[*hal.LineError](err)
	return ok && l.Problem == hal.Busy && strings.Contains(l.Detail, "kentongan")
}

// tried is an edge of one of the lines on trial.
type tried struct {
	line  int
	first bool // no edge, the level at the begin
	hal.Edge
}

// tryout judges the edges of several lines; one goroutine.
type tryout struct {
	all    []input
	via    string
	each   func(Touch)
	judges []kiosk.Judge
	began  time.Duration
	due    map[int]time.Duration // when a line's newest edge stands
}

func newTryout(all []input, via string, each func(Touch)) *tryout {
	t := &tryout{all: all, via: via, each: each, began: monotonic(), due: map[int]time.Duration{}}
	for _, in := range all {
		t.judges = append(t.judges, kiosk.Judge{Quiet: in.Debounce, Hold: in.hold})
	}
	return t
}

func (t *tryout) tell(line int, j kiosk.Judged) {
	in := t.all[line]
	t.each(Touch{
		Name: in.Name, Kind: in.kind, Line: strings.TrimSpace(in.Chip + " " + in.Line), Active: j.Active, Verdict: j.Verdict,
		AtMS: milliseconds(max(j.At-t.began, 0)), HeldMS: milliseconds(j.Held), Via: t.via,
	})
}

// run judges until ctx ends.
func (t *tryout) run(ctx context.Context, edges <-chan tried) {
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	for {
		select {
		case e := <-edges:
			if e.first {
				t.judges[e.line].Begin(e.Active, e.At)
				t.tell(e.line, kiosk.Judged{Edge: e.Edge})
				continue
			}
			if j, ok := t.judges[e.line].Edge(e.Edge); ok {
				t.tell(e.line, j)
			}
			t.due[e.line] = monotonic() + t.all[e.line].Debounce
		case <-settle.C:
			for line, at := range t.due {
				if at <= monotonic() {
					delete(t.due, line)
					if j, ok := t.judges[line].Settle(); ok {
						t.tell(line, j)
					}
				}
			}
		case <-ctx.Done():
			return
		}
		next := time.Hour
		for _, at := range t.due {
			next = min(next, max(at-monotonic(), 0))
		}
		settle.Reset(next)
	}
}

// followSim follows the lines of a board that another process plays; served is
// false when nobody does.
func followSim(ctx context.Context, socket string, all []input, each func(Touch)) (served bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	edges, over := make(chan tried), make(chan error, 1)
	go func() {
		defer cancel()
		over <- sim.Follow(ctx, socket, func(c sim.Change, first bool) {
			for i, in := range all {
				if in.Line != c.Line {
					continue
				}
				select {
				case edges <- tried{i, first, hal.Edge{Active: c.Active, At: monotonic()}}:
				case <-ctx.Done():
				}
			}
		})
	}()
	newTryout(all, ViaSim, each).run(ctx, edges)
	err = <-over
	return !errors.Is(err, sim.ErrNobody), err
}

// TriedLamp is a lamp on trial.
type TriedLamp struct {
	Name string `json:"name"`
	Line string `json:"line"`

	out   hal.Output
	sense hal.Input // nil is none
}

// Times of a blink: as long as people need to see it.
const (
	blinkLit  = 400 * time.Millisecond
	blinkDark = 300 * time.Millisecond
)

// Blink lights the lamp n times. seen is what its sense line saw; nil where it
// has none.
func (l *TriedLamp) Blink(ctx context.Context, n int) (seen *bool, err error) {
	defer func() { err = errors.Join(err, l.out.Out(gpio.Low)) }()
	for range n {
		var dark, lit bool
		if err := l.sensed(&dark); err != nil {
			return nil, err
		}
		if err := l.out.Out(gpio.High); err != nil {
			return nil, fmt.Errorf("light %s: %w", l.Name, err)
		}
		if !pause(ctx, blinkLit) {
			return nil, ctx.Err()
		}
		if err := l.sensed(&lit); err != nil {
			return nil, err
		}
		if err := l.out.Out(gpio.Low); err != nil {
			return nil, fmt.Errorf("put %s out: %w", l.Name, err)
		}
		if !pause(ctx, blinkDark) {
			return nil, ctx.Err()
		}
		if l.sense != nil {
			changed := lit != dark // which level means current does not matter
			seen = &changed
		}
	}
	return seen, nil
}

func (l *TriedLamp) sensed(to *bool) (err error) {
	if l.sense == nil {
		return nil
	}
	if *to, err = l.sense.Active(); err != nil {
		return fmt.Errorf("read the sense line of %s: %w", l.Name, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// TryLamps opens the lamps of these names, no name is all, and calls do with each.
// ErrHeld is that the running agent has them.
func TryLamps(c *config.Config, names []string, do func(*TriedLamp) error) error {
	k := kioskConfig(c.Kiosk)
	var all []*kiosk.Lamp
	for _, l := range []*kiosk.Lamp{k.Lamps.Saved, k.Lamps.Received, k.Lamps.Fault, k.Lamps.Alive, k.Lamps.Buzzer} {
		if l != nil {
			all = append(all, l)
		}
	}
	all, err := pickNamed(all, names, "lamp", func(l *kiosk.Lamp) string { return l.Name })
	if err != nil {
		return err
	}
	board, err := openBoard(c.Board)
	if errors.Is(err, sim.ErrPlayed) {
		return fmt.Errorf("%w: %w", ErrHeld, err)
	}
	if err != nil {
		return err
	}
	defer board.Close()
	return tryLamps(board, all, do)
}

func tryLamps(board hal.Board, all []*kiosk.Lamp, do func(*TriedLamp) error) error {
	for _, l := range all {
		t := &TriedLamp{Name: l.Name, Line: strings.TrimSpace(l.Chip + " " + l.Line)}
		if l.LED != "" {
			t.Line = "led:" + l.LED
		}
		var err error
		if t.out, err = board.OpenOutput(l.LineConfig); err == nil && l.Sense != nil {
			sense := *l.Sense
			sense.Name = l.Name + " sense"
			t.sense, err = board.OpenInput(sense)
		}
		if heldByAgent(err) {
			return fmt.Errorf("%w: %w", ErrHeld, err)
		}
		if err == nil {
			err = do(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TryStream plays a camera until ctx ends, and gives its watcher to run beside.
// name may be "" where there is one camera only.
func TryStream(ctx context.Context, c *config.Config, name string, beside func(context.Context, *stream.Watcher)) error {
	var known []string
	var found *config.Stream
	for _, s := range c.Streams {
		known = append(known, s.Name)
		if s.Name == name || name == "" && len(c.Streams) == 1 {
			found = &s
		}
	}
	switch {
	case found == nil && name == "" && len(known) > 1:
		return fmt.Errorf("which camera? There is %s", orNone(known))
	case found == nil && name == "":
		return errors.New("no camera in the configuration; kentongan discover finds them")
	case found == nil:
		return fmt.Errorf("no camera %q in the configuration; there is %s", name, orNone(known))
	}
	cfg, sub, err := baseStreams(*found)
	if found.Watch == config.WatchSub {
		cfg = sub
	}
	cfg.Picture.Off = true
	if err != nil {
		return fmt.Errorf("camera %s: %w", found.Name, err)
	}
	w, err := stream.New(cfg, slog.New(slog.DiscardHandler), unheard{})
	if err != nil {
		return fmt.Errorf("camera %s: %w", found.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- w.Run(ctx) }()
	beside(ctx, w)
	cancel()
	return <-over
}

// unheard is an Output for who asks the watcher itself.
type unheard struct{}

func (unheard) StreamChanged(report.StreamState)   {}
func (unheard) StreamMeasured(report.StreamStats)  {}
func (unheard) StreamFound(string, stream.Finding) {}

// TryPrinter prints a slip that says that it is a test.
func TryPrinter(c *config.Config) (report.PrinterState, error) {
	p := c.Kiosk.Printer
	if p.Device == "" {
		return report.PrinterState{}, errors.New("no printer in the configuration; write kiosk.printer.device: /dev/usb/lp0")
	}
	on := printer.New(printer.Config{Device: p.Device, Baud: int(p.Baud), Width: int(p.Width), Title: p.Title, Log: slog.New(slog.DiscardHandler)})
	now := time.Now()
	return on.Try(printer.Slip{
		Ticket: "TEST", Label: report.Text{ID: "UJI CETAK - bukan pengaduan", EN: "TEST - not a complaint"},
		At: now, Set: clockKnown(),
	})
}

// WatchdogFacts are what the driver tells of the board's watchdog, without
// starting it.
func WatchdogFacts(c *config.Config) (hwatchdog.Facts, error) {
	if c.Board.Driver == config.DriverSim {
		return hwatchdog.Facts{Device: c.Watchdog.Device, Identity: sim.WatchdogName}, nil
	}
	return hwatchdog.Machine{}.Look(watchdogDevice(c))
}

func watchdogDevice(c *config.Config) string {
	if c.Watchdog.Device == "" {
		return "/dev/watchdog0"
	}
	return c.Watchdog.Device
}

// TryWatchdog starts the watchdog and does not feed it, so that the board is reset
// within its timeout. When ctx ends before, it is stopped. left is called each
// second. A return without an error after the timeout is of a simulated board.
func TryWatchdog(ctx context.Context, c *config.Config, left func(time.Duration)) error {
	var dogs hal.Watchdogs = kernels{}
	bitten := func() bool { return false }
	if c.Board.Driver == config.DriverSim {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			return err
		}
		defer board.Close()
		dogs, bitten = board, func() bool { return board.Watchdog().Resets > 0 }
	}
	dog, err := dogs.OpenWatchdog(hal.WatchdogConfig{Device: watchdogDevice(c), Timeout: max(c.Watchdog.Timeout, time.Second)})
	if err != nil {
		return err
	}
	unix.Sync() // the reset comes without a warning
	return starve(ctx, dog, bitten, left)
}

// lateBy is how late a watchdog may be: its clock is coarse.
const lateBy = 10 * time.Second

func starve(ctx context.Context, dog hal.Watchdog, bitten func() bool, left func(time.Duration)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.Now().Add(dog.Timeout()); ; {
		left(max(time.Until(end), 0))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return dog.Close()
		}
		switch {
		case bitten():
			return nil
		case time.Since(end) > lateBy:
			return errors.Join(fmt.Errorf("the watchdog %s did not reset the board within %v", dog.Identity(), dog.Timeout()+lateBy), dog.Close())
		}
	}
}
