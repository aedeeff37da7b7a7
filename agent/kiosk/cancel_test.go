package kiosk

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

func withTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// buttons returns the button of each press that was kept.
func (m *memory) buttons() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.presses {
		all = append(all, p.Line)
	}
	return all
}

func (b *booth) cancels() []report.Cancel {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return slices.Clone(b.store.cancels)
}

// cancellable is a kiosk with a button that takes back.
func cancellable() Config {
	cfg := config()
	cfg.CancelWithin = 3 * time.Second
	cfg.Buttons = append(cfg.Buttons, Button{Name: "cancel", Line: hal.LineConfig{Line: "GPIO19"}, Cancel: true})
	return cfg
}

func TestCancel(t *testing.T) {
	road := report.NewTicket(7, 1).String()
	tests := map[string]struct {
		do       func(*booth)
		presses  []int           // of the records of presses
		cancels  []report.Cancel // records
		lampsEnd string
	}{
		"in time": {func(b *booth) { b.press("GPIO17"); b.press("GPIO19") },
			[]int{1}, []report.Cancel{{Ticket: road, Line: "road", By: "button"}}, ""},
		"too late": {func(b *booth) { b.press("GPIO17"); time.Sleep(3 * time.Second); b.press("GPIO19") },
			[]int{1}, nil, ""},
		"nothing pressed": {func(b *booth) { b.press("GPIO19") }, nil, nil, ""},
		"twice is once": {func(b *booth) { b.press("GPIO17"); b.press("GPIO19"); b.press("GPIO19") },
			[]int{1}, []report.Cancel{{Ticket: road, Line: "road", By: "button"}}, ""},
		"with what was only counted": {func(b *booth) { b.press("GPIO17"); b.press("GPIO17"); b.press("GPIO17"); b.press("GPIO19") },
			[]int{1}, []report.Cancel{{Ticket: road, Line: "road", Presses: 2, By: "button"}}, ""},
		"a press after it counts": {func(b *booth) { b.press("GPIO17"); b.press("GPIO19"); b.press("GPIO17") },
			[]int{1, 1}, []report.Cancel{{Ticket: road, Line: "road", By: "button"}}, ""},
		"the newest of two": {func(b *booth) { b.press("GPIO17"); b.press("GPIO18"); b.press("GPIO19") },
			[]int{1, 1}, []report.Cancel{{Ticket: report.NewTicket(7, 2).String(), Line: "water", By: "button"}}, ""},
		"while it is being kept": {func(b *booth) {
			b.store.set(nil, time.Second)
			b.press("GPIO17")
			b.press("GPIO19")
			b.store.set(nil, 0)
		}, []int{1}, []report.Cancel{{Ticket: road, Line: "road", By: "button"}}, ""},
		"tried again until the store takes it": {func(b *booth) {
			b.press("GPIO17")
			b.store.set(errDisk, 0)
			b.press("GPIO19")
			time.Sleep(time.Hour)
			b.store.set(nil, 0)
		}, []int{1}, []report.Cancel{{Ticket: road, Line: "road", By: "button"}}, ""},
		"kept at the end of the agent": {func(b *booth) {
			b.press("GPIO17")
			b.press("GPIO17")
			b.store.set(nil, time.Second)
			b.press("GPIO19")
			b.stop()
		}, []int{1}, []report.Cancel{{Ticket: road, Line: "road", Presses: 1, By: "button"}}, "F"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, cancellable(), func(b *booth) {
				tt.do(b)
				time.Sleep(time.Minute)
				b.wantCounts(tt.presses...)
				if got := b.cancels(); !slices.Equal(got, tt.cancels) {
					t.Errorf("cancels %+v, want %+v", got, tt.cancels)
				}
				b.wantLamps(tt.lampsEnd, "a minute later")
				for _, s := range b.kiosk.Status().Buttons {
					if s.Presses != s.Kept {
						t.Errorf("%s: %d presses, %d in records", s.Name, s.Presses, s.Kept)
					}
				}
			})
		})
	}
}

// Before the cancel is durable the press stands, and so does its lamp.
func TestCancelIsShownWhenItIsDurable(t *testing.T) {
	in(t, cancellable(), func(b *booth) {
		b.press("GPIO17")
		b.store.set(nil, 400*ms)
		b.set("GPIO19", true)
		time.Sleep(399 * ms)
		b.wantLamps("S", "1 ms before")
		time.Sleep(201 * ms)
		b.wantLamps("", "between its flashes")
		time.Sleep(200 * ms)
		b.wantLamps("S", "its second flash")
		b.kiosk.Acked(2)
		time.Sleep(2 * time.Second)
		b.wantLamps("", "no green for what was taken back")
		if s := b.kiosk.Show(); s.Newest != nil || s.Cancelled != report.NewTicket(7, 1).String() {
			t.Errorf("shown: %+v", s)
		}
	})
}

// A cancel button that is stuck or missing takes no complaint away: no red.
func TestFaultOfTheCancelButtonIsNoFaultOfTheKiosk(t *testing.T) {
	cfg := cancellable()
	cfg.Buttons[2].Line.Line = "GPIO99"
	in(t, cfg, func(b *booth) {
		b.wantStates("cancel missing")
		b.wantLamps("", "without the cancel button")
		b.press("GPIO17")
		b.wantLamps("S", "without the cancel button")
	})
}

func TestCancelOnTheScreen(t *testing.T) {
	in(t, cancellable(), func(b *booth) {
		kept, err := b.kiosk.Touch(b.t.Context(), "road")
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error, 1)
		go func() {
			_, err := b.kiosk.Touch(b.t.Context(), "road")
			waiting <- err
		}()
		time.Sleep(time.Second)
		if err := b.kiosk.Cancel(b.t.Context(), "road", report.NewTicket(7, 9).String()); !errors.Is(err, ErrNothingToCancel) {
			t.Errorf("another's ticket: %v", err)
		}
		if err := b.kiosk.Cancel(b.t.Context(), "road", kept.Ticket); err != nil {
			t.Errorf("cancel: %v", err)
		}
		if err := <-waiting; !errors.Is(err, ErrCancelled) {
			t.Errorf("a touch that was taken back: %v", err)
		}
		if got := b.cancels(); len(got) != 1 || got[0].By != "screen" || got[0].Presses != 1 {
			t.Errorf("cancels %+v", got)
		}
		if err := b.kiosk.Cancel(b.t.Context(), "road", kept.Ticket); !errors.Is(err, ErrNothingToCancel) {
			t.Errorf("a second time: %v", err)
		}
	})
}
