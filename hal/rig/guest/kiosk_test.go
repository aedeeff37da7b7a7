//go:build rigguest

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	periph "periph.io/x/conn/v3/gpio"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/hal"
	"kentongan/hal/gpio"
)

func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // Linux always has it
	return time.Duration(ts.Nano())
}

// file keeps records in a file, durable before it answers.
type file struct {
	mu      sync.Mutex
	f       *os.File
	seq     map[report.Lane]uint64
	presses []report.Press
	lines   chan report.LineState
}

func newFile(t *testing.T) *file {
	f, err := os.Create(filepath.Join(t.TempDir(), "records"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &file{f: f, seq: map[report.Lane]uint64{}, lines: make(chan report.LineState, 16)}
}

func (s *file) AppendFunc(_ context.Context, lane report.Lane, _ string, body func(uint64) any) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := body(s.seq[lane] + 1)
	line, err := json.Marshal(b)
	if err != nil {
		return 0, err
	}
	if _, err := s.f.Write(append(line, '\n')); err != nil {
		return 0, err
	}
	if err := unix.Fdatasync(int(s.f.Fd())); err != nil {
		return 0, err
	}
	s.seq[lane]++
	switch b := b.(type) {
	case report.Press:
		s.presses = append(s.presses, b)
	case report.LineState:
		s.lines <- b
	}
	return s.seq[lane], nil
}

func (s *file) Append(ctx context.Context, lane report.Lane, kind string, body any) (uint64, error) {
	return s.AppendFunc(ctx, lane, kind, func(uint64) any { return body })
}

func (s *file) kept() []report.Press {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.presses)
}

// light is a lamp whose lighting can be waited for: it gives the time. Its
// level is read back from the chip.
type light struct {
	hal.Output
	lit chan time.Duration
}

type lightBoard struct {
	hal.Board
	saved  chan time.Duration
	opened chan string
}

func (b lightBoard) OpenInput(c hal.LineConfig) (hal.Input, error) {
	in, err := b.Board.OpenInput(c)
	if err == nil {
		b.opened <- c.Name
	}
	return in, err
}

func (b lightBoard) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	o, err := b.Board.OpenOutput(c)
	if err == nil && c.Name == "saved" {
		o = light{o, b.saved}
	}
	return o, err
}

func (l light) Out(v periph.Level) error {
	if err := l.Output.Out(v); err != nil {
		return err
	}
	at := monotonic()
	if got := l.Output.(interface{ Read() periph.Level }).Read(); got != v {
		return errors.New("the chip did not take the level")
	}
	if v == periph.High {
		l.lit <- at
	}
	return nil
}

// TestKiosk presses the machine's button from outside, 20 times: each press is
// one durable complaint, and the lamp lights after it, within the time that a
// person takes for at once.
func TestKiosk(t *testing.T) {
	if err := drive(button, false); err != nil {
		t.Fatal(err)
	}
	board := lightBoard{gpio.New(gpio.Options{}), make(chan time.Duration, 100), make(chan string, 1)}
	defer board.Close()
	store := newFile(t)
	lamp := func(name, line string) *hal.LineConfig {
		return &hal.LineConfig{Name: name, Chip: chip, Line: line}
	}
	k, err := kiosk.New(kiosk.Config{
		Number: 7,
		Buttons: []kiosk.Button{
			{Name: "road", Line: hal.LineConfig{Chip: chip, Line: button}, ServiceCode: "jalan-rusak", Category: "infrastruktur"},
			{Name: "water", Line: hal.LineConfig{Chip: chip, Line: "99"}},
		},
		Cooldown: time.Nanosecond,
		Debounce: time.Nanosecond, // this wire does not bounce
		Lamps:    kiosk.Lamps{Saved: lamp("saved", "4"), Received: lamp("received", "5"), Fault: lamp("fault", "6")},
	}, board, store, slog.New(slog.NewTextHandler(os.Stdout, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()

	if s := <-store.lines; s.Line != "water" || s.State != hal.Missing {
		t.Errorf("first event %+v, want that line water is missing", s)
	}
	<-board.opened
	const presses = 20
	var took []time.Duration
	for n := range presses {
		pressed := monotonic()
		if err := drive(button, true); err != nil {
			t.Fatal(err)
		}
		at := <-board.saved
		if kept := len(store.kept()); kept != n+1 {
			t.Fatalf("press %d: the lamp is lit with %d complaints kept", n+1, kept)
		}
		took = append(took, at-pressed) // from before the wire moved: the rig's own time is in it
		if err := drive(button, false); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	slices.Sort(took)
	t.Logf("from the order to press to the lamp, emulated: median %v, worst %v", took[presses/2], took[presses-1])
	if got := len(store.kept()); got != presses {
		t.Errorf("%d complaints of %d presses", got, presses)
	}
	if took[presses/2] > 100*time.Millisecond {
		t.Errorf("median %v from press to lamp, want under 100 ms", took[presses/2])
	}
	if last := store.kept()[presses-1]; last.Ticket != report.NewTicket(7, presses).String() {
		t.Errorf("last ticket %s", last.Ticket)
	}
}

// TestFlood: a short circuit that goes on for seconds. Nothing is lost, each
// press is counted once, and there are as few records as cool-downs.
func TestFlood(t *testing.T) {
	if err := drive(button, false); err != nil {
		t.Fatal(err)
	}
	board := lightBoard{gpio.New(gpio.Options{}), make(chan time.Duration, 100), make(chan string, 1)}
	defer board.Close()
	store := newFile(t)
	k, err := kiosk.New(kiosk.Config{
		Buttons:  []kiosk.Button{{Name: "road", Line: hal.LineConfig{Chip: chip, Line: button}}},
		Cooldown: time.Second,
		Debounce: time.Nanosecond,
	}, board, store, slog.New(slog.NewTextHandler(os.Stdout, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	<-board.opened
	began := monotonic()
	const moves = 2000
	if err := outside("toggle %s %d", button, moves); err != nil {
		t.Fatal(err)
	}
	lasted := monotonic() - began
	for k.Status().Buttons[0].Presses < moves/2 && k.Status().Buttons[0].Lost == 0 && monotonic()-began < 2*lasted {
		runtime.Gosched() // the newest edges are on their way
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s, sum := k.Status().Buttons[0], 0
	for _, p := range store.kept() {
		sum += p.Presses
	}
	t.Logf("%d presses in %v: %d counted in %d records, %d edges lost", moves/2, lasted, sum, len(store.kept()), s.Lost)
	if uint64(sum) != s.Presses || s.Kept != s.Presses {
		t.Errorf("records hold %d presses, %d were seen", sum, s.Presses)
	}
	if s.Lost == 0 && sum < moves/2*9/10 {
		t.Errorf("%d presses counted of %d", sum, moves/2)
	}
	if most := int(lasted/time.Second) + 3; len(store.kept()) > most {
		t.Errorf("%d records in %v, want %d at most", len(store.kept()), lasted, most)
	}
}
