package kiosk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

// moments of a change from one kiosk to another, in their order.
var moments = []string{"before", "told to leave", "ending", "over", "next made", "taken over", "next begins", "next runs"}

// change puts a kiosk with cfg in the place of the one that runs, and calls at in
// each of the moments.
func (b *booth) change(cfg Config, at func(moment int)) {
	b.t.Helper()
	at(0)
	before := b.kiosk
	before.Leave(b.t.Context(), cfg)
	at(1)
	b.end()
	at(2)
	if err := <-b.ended; err != nil {
		b.t.Errorf("Run: %v", err)
	}
	at(3)
	next, err := New(cfg, faulty{b.board, b}, b.store, discard)
	if err != nil {
		b.t.Fatal(err)
	}
	at(4)
	next.Succeed(before.Estate())
	at(5)
	ctx, cancel := context.WithCancel(b.t.Context())
	b.kiosk, b.end, b.ended = next, cancel, make(chan error, 1)
	go func() { b.ended <- next.Run(ctx) }()
	at(6)
	synctest.Wait()
	at(7)
}

// kept returns the presses that are in records, by button.
func (b *booth) kept() map[string]int {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	all := map[string]int{}
	for _, p := range b.store.presses {
		all[p.Line] += p.Presses
	}
	return all
}

// TestChangeLosesNoPress: a press that begins and ends at any two moments of a
// change is one press, whatever the button needs to be pressed.
func TestChangeLosesNoPress(t *testing.T) {
	const step, length = 200 * ms, 500 * ms // between two moments; what a hold and a long press take
	third := Button{Name: "both", ServiceCode: "both"}
	kinds := map[string]struct {
		set func(*Config)
		// want is what a press of road is that begins at one moment and ends at another.
		want func(from, to int) map[string]int
	}{
		"plain": {func(*Config) {}, func(int, int) map[string]int { return map[string]int{"road": 1} }},
		"held": {func(c *Config) { c.Buttons[0].Hold = length }, func(from, to int) map[string]int {
			if time.Duration(to-from)*step < length {
				return map[string]int{}
			}
			return map[string]int{"road": 1}
		}},
		"long": {func(c *Config) { c.Buttons[0].Long, c.Buttons[0].LongAfter = "water", length }, func(from, to int) map[string]int {
			if time.Duration(to-from)*step < length {
				return map[string]int{"road": 1}
			}
			return map[string]int{"water": 1}
		}},
		"half of a combination": {func(c *Config) {
			c.Buttons = append(c.Buttons, third)
			c.Pairs = []Pair{{"road", "water", "both", length}}
		}, func(int, int) map[string]int { return map[string]int{"road": 1} }},
	}
	for name, kind := range kinds {
		for _, slow := range []time.Duration{0, 700 * ms} {
			for from := range moments {
				for to := from; to < len(moments); to++ {
					t.Run(fmt.Sprintf("%s, disk takes %v, from %s to %s", name, slow, moments[from], moments[to]), func(t *testing.T) {
						cfg := config()
						kind.set(&cfg)
						in(t, cfg, func(b *booth) {
							b.store.set(nil, slow)
							held := 0 * ms // since the line was pressed
							b.change(cfg, func(now int) {
								if now == from {
									b.set("GPIO17", true)
									held = b.now()
								}
								if now == to {
									if now > from {
										held = b.now() - held
									} else {
										held = 0
									}
									b.set("GPIO17", false)
								}
								time.Sleep(step)
							})
							time.Sleep(5 * time.Second)
							want := kind.want(from, from+int(held/step)) // waiting for the disk counts
							if got := b.kept(); fmt.Sprint(got) != fmt.Sprint(want) {
								t.Errorf("kept %v, want %v", got, want)
							}
						})
					})
				}
			}
		}
	}
}

// now is the time that edges are stamped with, to within the bubble's beginning.
func (b *booth) now() time.Duration { return time.Duration(time.Now().UnixNano()) }

// TestChangeInACombination: its halves may be pressed at any two moments.
func TestChangeInACombination(t *testing.T) {
	for first := range moments {
		for second := first; second < len(moments); second++ {
			t.Run(moments[first]+", "+moments[second], func(t *testing.T) {
				cfg := config()
				cfg.Buttons = append(cfg.Buttons, Button{Name: "both", ServiceCode: "both"})
				cfg.Pairs = []Pair{{"road", "water", "both", time.Second}}
				in(t, cfg, func(b *booth) {
					b.change(cfg, func(now int) {
						if now == first {
							b.set("GPIO17", true)
						}
						if now == second {
							b.set("GPIO18", true)
						}
						time.Sleep(100 * ms)
					})
					time.Sleep(5 * time.Second)
					if got := b.kept(); fmt.Sprint(got) != "map[both:1]" {
						t.Errorf("kept %v, want the combination", got)
					}
				})
			})
		}
	}
}

// TestChangeWhileAContactBounces: the change lies within the bouncing of one press,
// or between presses.
func TestChangeWhileAContactBounces(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.change(config(), func(now int) {
			b.set("GPIO17", now%2 == 0) // pressed, and let go at the end
			time.Sleep(DefaultDebounce / 3)
		})
		time.Sleep(5 * time.Second)
		b.wantCounts(1)
		b.change(config(), func(int) { b.press("GPIO17") })
		time.Sleep(10 * time.Second)
		if got := b.kept()["road"]; got != 1+len(moments) {
			t.Errorf("%d presses kept of %d", got, 1+len(moments))
		}
	})
}

// TestChangeThatOpensALineAnew: a press that still lasts when the line is open
// again counts, whenever it began; one before the change does so once.
func TestChangeThatOpensALineAnew(t *testing.T) {
	next := config()
	next.Buttons[0].Line.Debounce = 5 * ms
	for from := range moments {
		t.Run(moments[from], func(t *testing.T) {
			in(t, config(), func(b *booth) {
				b.change(next, func(now int) {
					if now == from {
						b.set("GPIO17", true)
					}
					time.Sleep(50 * ms)
				})
				b.set("GPIO17", false)
				time.Sleep(5 * time.Second)
				b.wantCounts(1)
			})
		})
	}
	turned := config()
	turned.Buttons[0].Line.ActiveLow = true
	t.Run("other polarity", func(t *testing.T) {
		in(t, config(), func(b *booth) {
			b.change(turned, func(now int) {
				if now == 3 {
					b.set("GPIO17", true) // as the wire's other level would be seen
				}
			})
			time.Sleep(5 * time.Second)
			b.wantCounts()
		})
	})
}

// TestChangeOfWhatIsNotDecided: what the next kiosk can't decide, this one does.
func TestChangeOfWhatIsNotDecided(t *testing.T) {
	cfg := config()
	cfg.Buttons[0].Hold = time.Second
	gone := config()
	gone.Buttons = gone.Buttons[1:]
	quick := config()
	tests := map[string]struct {
		next Config
		want string
	}{
		"the button is gone":  {gone, "map[road:1]"},
		"it counts at once":   {quick, "map[road:1]"},
		"it is let go early":  {cfg, "map[]"},
		"it is a cancel only": {func() Config { c := config(); c.Buttons[0].Cancel = true; return c }(), "map[road:1]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, cfg, func(b *booth) {
				b.change(tt.next, func(now int) {
					b.set("GPIO17", now < 5)
					time.Sleep(100 * ms)
				})
				time.Sleep(5 * time.Second)
				if got := fmt.Sprint(b.kept()); got != tt.want {
					t.Errorf("kept %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// TestChangeKeepsWhatTheStoreRefused: presses that a full store would not take are
// the next kiosk's.
func TestChangeKeepsWhatTheStoreRefused(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(errDisk, 0)
		b.press("GPIO17")
		b.press("GPIO17")
		b.change(config(), func(int) {})
		time.Sleep(3 * time.Second)
		b.wantCounts()
		b.store.set(nil, 0)
		time.Sleep(3 * time.Second)
		b.wantCounts(2)
	})
}

// TestChangeKeepsACancelOfWhatTheStoreRefused: a press that is on its way to a disk that
// then refuses it is kept by the next kiosk, and taken back there.
func TestChangeKeepsACancelOfWhatTheStoreRefused(t *testing.T) {
	in(t, cancellable(), func(b *booth) {
		b.store.set(errDisk, time.Second)
		b.press("GPIO17")
		b.press("GPIO19")
		b.change(cancellable(), func(int) {})
		b.store.set(nil, 0)
		time.Sleep(5 * time.Second)
		b.wantCounts(1)
		if got := b.cancels(); len(got) != 1 || got[0].Ticket != report.NewTicket(7, 1).String() {
			t.Errorf("taken back: %+v", got)
		}
	})
}

// TestChangeGoesOnSignalling: the lamps go on for a press of before, and it can be
// taken back.
func TestChangeGoesOnSignalling(t *testing.T) {
	cfg := config()
	cfg.CancelWithin = 10 * time.Second
	cfg.Buttons = append(cfg.Buttons, Button{Name: "undo", Line: hal.LineConfig{Line: "GPIO19"}, Cancel: true})
	in(t, cfg, func(b *booth) {
		b.press("GPIO17")
		b.wantLamps("S", "kept")
		b.change(cfg, func(int) {})
		b.wantLamps("S", "after the change")
		if s := b.kiosk.Show(); s.Newest == nil || s.Newest.Seq != 1 {
			t.Errorf("the screen shows %+v", s)
		}
		b.kiosk.Acked(1)
		time.Sleep(time.Second) // it flashes before
		b.wantLamps("SR", "the centre has it")
		b.change(cfg, func(int) {})
		b.wantLamps("SR", "after the second change")
		b.press("GPIO19")
		b.store.mu.Lock()
		cancels := slices.Clone(b.store.cancels)
		b.store.mu.Unlock()
		if len(cancels) != 1 || !strings.HasPrefix(cancels[0].Ticket, "0007-0001") {
			t.Errorf("taken back: %+v", cancels)
		}
	})
}

// TestChangesInARow: kiosks that end as soon as they begin pass the lines on.
func TestChangesInARow(t *testing.T) {
	in(t, config(), func(b *booth) {
		for range 5 {
			b.kiosk.Leave(b.t.Context(), config())
			b.end() // it may not have begun yet
			<-b.ended
			b.set("GPIO17", true)
			time.Sleep(50 * ms)
			b.set("GPIO17", false)
			time.Sleep(50 * ms)
			next, err := New(config(), faulty{b.board, b}, b.store, discard)
			if err != nil {
				t.Fatal(err)
			}
			next.Succeed(b.kiosk.Estate())
			ctx, cancel := context.WithCancel(b.t.Context())
			b.kiosk, b.end, b.ended = next, cancel, make(chan error, 1)
			go func() { b.ended <- next.Run(ctx) }()
		}
		time.Sleep(time.Second)
		b.stop()
		if got := b.kept()["road"]; got != 5 {
			t.Errorf("%d presses kept of 5", got)
		}
	})
}

// TestEndWithinAChange: the program ends while the kiosk waits for a disk that does not
// answer, so that another can take its place: nothing waits for it longer than at any end.
func TestEndWithinAChange(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(nil, time.Hour)
		b.press("GPIO17")
		living, end := context.WithCancel(b.t.Context())
		defer end()
		b.kiosk.Leave(living, config())
		b.end()
		time.Sleep(flushTimeout * 2)
		synctest.Wait()
		select {
		case <-b.ended:
			t.Fatal("it did not wait for the disk")
		default:
		}
		end()
		time.Sleep(flushTimeout)
		synctest.Wait()
		select {
		case err := <-b.ended:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("it waits on though the program ends")
		}
		b.end = nil
	})
}
