package kiosk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/report"
	"kentongan/hal"
	"kentongan/hal/sim"
)

var errDisk = errors.New("no space left on device")

// memory is a store in memory that can be slow or fail.
type memory struct {
	mu      sync.Mutex
	seq     uint64
	presses []report.Press
	cancels []report.Cancel
	lines   []report.LineState
	tests   []report.SelfTest
	fail    error         // what complaints end with
	delay   time.Duration // how long an append takes
}

func (m *memory) AppendFunc(ctx context.Context, lane report.Lane, kind string, body func(uint64) any) (uint64, error) {
	m.mu.Lock()
	delay := m.delay
	m.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if lane != report.Complaint {
		return 0, errors.New("a press in the wrong place")
	}
	if m.fail != nil {
		return 0, m.fail
	}
	m.seq++
	switch body := body(m.seq).(type) {
	case report.Press:
		m.presses = append(m.presses, body)
	case report.Cancel:
		m.cancels = append(m.cancels, body)
	default:
		return 0, fmt.Errorf("a %s in the lane of complaints", kind)
	}
	return m.seq, nil
}

func (m *memory) Append(_ context.Context, lane report.Lane, kind string, body any) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lane != report.Event {
		return 0, errors.New("an event in the wrong place")
	}
	switch body := body.(type) {
	case report.LineState:
		m.lines = append(m.lines, body)
	case report.SelfTest:
		m.tests = append(m.tests, body)
	default:
		return 0, fmt.Errorf("a %s in the lane of events", kind)
	}
	return uint64(len(m.lines) + len(m.tests)), nil
}

func (m *memory) set(fail error, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.delay = fail, delay
}

// counts returns how many presses each record holds.
func (m *memory) counts() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n []int
	for _, p := range m.presses {
		n = append(n, p.Presses)
	}
	return n
}

// states returns the line and state of each event.
func (m *memory) states() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s []string
	for _, l := range m.lines {
		s = append(s, l.Line+" "+l.State)
	}
	return s
}

// booth is a kiosk on a simulated board, in a bubble of synctest.
type booth struct {
	t     *testing.T
	board *sim.Board
	store *memory
	kiosk *Kiosk
	end   context.CancelFunc
	ended chan error

	mu      sync.Mutex               // guards what follows
	inputs  map[string]*faultyInput  // the newest of each name
	outputs map[string]*faultyOutput // the newest of each name
}

func (b *booth) input(name string) *faultyInput {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inputs[name]
}

func (b *booth) output(name string) *faultyOutput {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outputs[name]
}

// faulty is the booth's board, whose lines can be made to misbehave.
type faulty struct {
	*sim.Board
	booth *booth
}

type faultyInput struct {
	hal.Input
	lost atomic.Uint64
}

func (i *faultyInput) Lost() uint64 { return i.lost.Load() }

type faultyOutput struct {
	hal.Output
	broken atomic.Bool
}

func (o *faultyOutput) Out(l gpio.Level) error {
	if o.broken.Load() {
		return errors.New("no answer from the expander")
	}
	return o.Output.Out(l)
}

func (f faulty) OpenInput(c hal.LineConfig) (hal.Input, error) {
	in, err := f.Board.OpenInput(c)
	if err != nil {
		return nil, err
	}
	f.booth.mu.Lock()
	defer f.booth.mu.Unlock()
	f.booth.inputs[c.Name] = &faultyInput{Input: in}
	return f.booth.inputs[c.Name], nil
}

func (f faulty) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	out, err := f.Board.OpenOutput(c)
	if err != nil {
		return nil, err
	}
	f.booth.mu.Lock()
	defer f.booth.mu.Unlock()
	f.booth.outputs[c.Name] = &faultyOutput{Output: out}
	return f.booth.outputs[c.Name], nil
}

// save is the agent's, without its care for power cuts.
func save(file string, text []byte) error { return os.WriteFile(file, text, 0o600) }

func line(name, at string) *Lamp { return &Lamp{LineConfig: hal.LineConfig{Name: name, Line: at}} }

func config() Config {
	return Config{
		Number: 7,
		Buttons: []Button{
			{Name: "road", Line: hal.LineConfig{Line: "GPIO17"}, ServiceCode: "jalan-rusak", Category: "infrastruktur", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}},
			{Name: "water", Line: hal.LineConfig{Line: "GPIO18"}, ServiceCode: "air"},
		},
		Lamps: Lamps{Saved: line("saved", "GPIO22"), Received: line("received", "GPIO23"), Fault: line("fault", "GPIO24")},
	}
}

// in runs a test with a kiosk in a bubble, so that seconds cost nothing.
func in(t *testing.T, cfg Config, test func(*booth)) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		board, err := sim.Open(sim.Options{Now: func() time.Duration { return time.Since(began) }})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		b := &booth{t: t, board: board, store: &memory{}, inputs: map[string]*faultyInput{}, outputs: map[string]*faultyOutput{}}
		b.start(cfg)
		defer b.stop()
		test(b)
	})
}

func (b *booth) start(cfg Config) {
	b.t.Helper()
	k, err := New(cfg, faulty{b.board, b}, b.store, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	b.kiosk, b.end, b.ended = k, cancel, make(chan error, 1)
	go func() { b.ended <- k.Run(ctx) }()
	synctest.Wait()
}

func (b *booth) stop() {
	if b.end == nil {
		return // stopped before
	}
	b.end()
	b.end = nil
	if err := <-b.ended; err != nil {
		b.t.Errorf("Run: %v", err)
	}
}

// press holds a button for 100 ms and lets go.
func (b *booth) press(line string) {
	b.t.Helper()
	b.set(line, true)
	time.Sleep(100 * ms)
	b.set(line, false)
	time.Sleep(100 * ms)
}

func (b *booth) set(line string, active bool) {
	b.t.Helper()
	if err := b.board.Set(line, active); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// lamps returns which are lit, as a short word: S, R, F.
func (b *booth) lamps() string {
	b.t.Helper()
	synctest.Wait()
	s := ""
	for _, l := range []struct{ line, letter string }{{"GPIO22", "S"}, {"GPIO23", "R"}, {"GPIO24", "F"}} {
		on, err := b.board.Level(l.line)
		if err != nil {
			b.t.Fatal(err)
		}
		if on {
			s += l.letter
		}
	}
	return s
}

func (b *booth) wantLamps(want, when string) {
	b.t.Helper()
	if got := b.lamps(); got != want {
		b.t.Errorf("%s: lamps %q, want %q", when, got, want)
	}
}

func (b *booth) wantCounts(want ...int) {
	b.t.Helper()
	synctest.Wait()
	if got := b.store.counts(); !slices.Equal(got, want) {
		b.t.Errorf("records hold %v presses, want %v", got, want)
	}
}

func (b *booth) wantStates(want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.store.states(); !slices.Equal(got, want) {
		b.t.Errorf("events %v, want %v", got, want)
	}
}

var discard = slog.New(slog.DiscardHandler)
