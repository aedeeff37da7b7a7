//go:build rigguest

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	periph "periph.io/x/conn/v3/gpio"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/hal"
	"kentongan/hal/gpio"
)

func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // Linux always has it
	return time.Duration(ts.Nano())
}

// openSpool opens the store of the device program, small enough for the
// machine's memory. What it syncs there, no power cut is survived by; the order
// of keeping and confirming is what these tests look at.
func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	s, err := spool.Open(t.TempDir(), spool.Options{
		Device: "rig",
		Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockUnset, Boot: "00000000", Uptime: monotonic()}
		},
		Quota: map[report.Lane]int64{report.Complaint: 4 << 20, report.Event: 4 << 20, report.Telemetry: 4 << 20},
		Log:   logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func logger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stdout, nil)) }

// bodies reads the bodies of a lane's records back from the store.
func bodies[T any](t *testing.T, s *spool.Spool, lane report.Lane) (all []T) {
	t.Helper()
	entries, err := s.Read(lane, 1, 1000, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		var b T
		if err := json.Unmarshal(r.Body, &b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func kept(t *testing.T, s *spool.Spool) []report.Press {
	t.Helper()
	return bodies[report.Press](t, s, report.Complaint)
}

// event waits for the first event and returns it.
func event(t *testing.T, s *spool.Spool) report.LineState {
	t.Helper()
	for {
		changed := s.Changed(report.Event)
		if all := bodies[report.LineState](t, s, report.Event); len(all) > 0 {
			return all[0]
		}
		<-changed
	}
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
	store := openSpool(t)
	lamp := func(name, line string) *kiosk.Lamp {
		return &kiosk.Lamp{LineConfig: hal.LineConfig{Name: name, Chip: chip, Line: line}}
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
	}, board, store, logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()

	if s := event(t, store); s.Line != "water" || s.State != hal.Missing {
		t.Errorf("first event %+v, want that line water is missing", s)
	}
	<-board.opened
	const presses = 20
	var took, orders []time.Duration // orders is the rig's own time
	for range presses {
		pressed := monotonic()
		if err := drive(button, true); err != nil {
			t.Fatal(err)
		}
		at := <-board.saved
		if len(kept(t, store)) == len(took) {
			at = <-board.saved // the first was a blink: on a busy computer, keeping took long
		}
		if n := len(kept(t, store)); n != len(took)+1 {
			t.Fatalf("press %d: the lamp is lit with %d complaints kept", len(took)+1, n)
		}
		took = append(took, at-pressed) // from before the wire moved: the rig's own time is in it
		began := monotonic()
		if err := drive(button, false); err != nil {
			t.Fatal(err)
		}
		orders = append(orders, monotonic()-began)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	slices.Sort(took)
	slices.Sort(orders)
	t.Logf("from the order to press to the lamp, emulated: median %v, worst %v", took[presses/2], took[presses-1])
	if got := len(kept(t, store)); got != presses {
		t.Errorf("%d complaints of %d presses", got, presses)
	}
	if most := 100*time.Millisecond + 4*orders[presses/2]; took[presses/2] > most { // a busy computer is slow with both
		t.Errorf("median %v from press to lamp, want under %v", took[presses/2], most)
	}
	if last := kept(t, store)[presses-1]; last.Ticket != report.NewTicket(7, presses).String() {
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
	store := openSpool(t)
	k, err := kiosk.New(kiosk.Config{
		Buttons:  []kiosk.Button{{Name: "road", Line: hal.LineConfig{Chip: chip, Line: button}}},
		Cooldown: time.Second,
		Debounce: time.Nanosecond,
	}, board, store, logger())
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
	for k.Status().Buttons[0].Presses < moves/2 && k.Status().Buttons[0].Lost == 0 && monotonic()-began < lasted+time.Second {
		runtime.Gosched() // the newest edges are on their way
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ran := monotonic() - began
	s, sum := k.Status().Buttons[0], 0
	for _, p := range kept(t, store) {
		sum += p.Presses
	}
	t.Logf("%d presses in %v: %d counted in %d records, %d edges lost", moves/2, lasted, sum, len(kept(t, store)), s.Lost)
	if uint64(sum) != s.Presses || s.Kept != s.Presses {
		t.Errorf("records hold %d presses, %d were seen", sum, s.Presses)
	}
	if s.Lost == 0 && sum < moves/40 { // many moves can be one edge when the computer is busy
		t.Errorf("%d presses counted of %d", sum, moves/2)
	}
	if most := int(ran/time.Second) + 3; len(kept(t, store)) > most {
		t.Errorf("%d records in %v, want %d at most", len(kept(t, store)), ran, most)
	}
}
