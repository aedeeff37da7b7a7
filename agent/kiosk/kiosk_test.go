package kiosk

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

func TestPress(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.wantLamps("", "before")
		b.press("GPIO17")
		b.wantLamps("S", "after a press")
		b.wantCounts(1)
		want := report.Press{
			Ticket: report.NewTicket(7, 1).String(), Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur",
			Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1,
		}
		if got := b.store.presses[0]; got != want {
			t.Errorf("body %+v, want %+v", got, want)
		}
		if s := b.kiosk.Status(); s.LastTicket != want.Ticket || s.Fault || s.Buttons[0].Kept != 1 {
			t.Errorf("status %+v", s)
		}
		b.wantStates()
		time.Sleep(10 * time.Second)
		b.wantLamps("", "10 s later")
	})
}

// The lamp is a promise: it must not light before the store has answered.
func TestLampWaitsForTheStore(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(nil, 400*ms)
		b.set("GPIO17", true)
		b.wantLamps("", "at the press")
		time.Sleep(79 * ms)
		b.wantLamps("", "79 ms after it")
		time.Sleep(21 * ms)
		b.set("GPIO17", false)
		time.Sleep(100 * ms)
		if s := b.kiosk.Show(); !s.Working || s.Newest != nil {
			t.Errorf("while the store works, shown: %+v", s)
		}
		time.Sleep(199 * ms)
		b.wantLamps("", "1 ms before it is done, between two blinks")
		time.Sleep(2 * ms)
		b.wantLamps("S", "after it is done")
		time.Sleep(200 * ms)
		b.wantLamps("S", "and steady")
	})
}

func TestLampStaysDarkWhenTheStoreFails(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(errDisk, 0)
		b.press("GPIO17")
		b.wantLamps("", "between two flashes for a press that was not kept")
		time.Sleep(200 * ms)
		b.wantLamps("F", "a flash for it")
		b.press("GPIO17")
		time.Sleep(time.Hour)
		b.wantLamps("F", "an hour later")
		b.wantStates("road unkept")

		b.store.set(nil, 0)
		time.Sleep(retryEvery)
		b.wantCounts(2) // both, in one record
		b.wantLamps("S", "after the store recovered")
		b.wantStates("road unkept", "road ok")
	})
}

func TestSlowStoreIsAFault(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(nil, 8*time.Second)
		b.press("GPIO17")
		time.Sleep(slowAfter - 200*ms)
		b.wantLamps("F", "after 5 s")
		time.Sleep(4 * time.Second)
		b.wantLamps("S", "when it is kept at last")
	})
}

func TestCooldown(t *testing.T) {
	in(t, config(), func(b *booth) {
		for range 5 {
			b.press("GPIO17") // five in one second
		}
		b.wantCounts(1)
		b.press("GPIO18") // another button has its own
		b.wantCounts(1, 1)
		time.Sleep(DefaultCooldown)
		b.wantCounts(1, 1, 4)
		b.wantLamps("S", "restarted by the second record")
		b.press("GPIO17") // in the cool-down that the second record began
		time.Sleep(DefaultCooldown)
		b.wantCounts(1, 1, 4, 1)
		time.Sleep(DefaultCooldown)
		b.press("GPIO17")
		b.wantCounts(1, 1, 4, 1, 1)
	})
}

// The saved lamp must not go out between a press and the record that counts
// it, or a person would take the second press for ignored.
func TestLampIsOnThroughTheCooldown(t *testing.T) {
	cfg := config()
	cfg.Cooldown = 20 * time.Second
	in(t, cfg, func(b *booth) {
		b.press("GPIO17")
		for range 50 {
			b.press("GPIO17")
			b.wantLamps("S", "in the cool-down")
			time.Sleep(time.Second)
		}
	})
}

func TestFlood(t *testing.T) {
	cfg := config()
	cfg.Debounce = 10 * time.Microsecond // or it would take them for bounces
	in(t, cfg, func(b *booth) {
		presses := 20 * 10_000
		if testing.Short() {
			presses = 5_000 // on an emulated processor
		}
		for range presses {
			b.set("GPIO17", true)
			time.Sleep(50 * time.Microsecond)
			b.set("GPIO17", false)
			time.Sleep(50 * time.Microsecond)
		}
		time.Sleep(DefaultCooldown)
		synctest.Wait()
		sum := 0
		for _, n := range b.store.counts() {
			sum += n
		}
		if records := len(b.store.counts()); sum != presses || records > 9 {
			t.Errorf("%d presses in %d records, want %d in 9 at most", sum, records, presses)
		}
		if first := b.store.counts()[0]; first != 1 {
			t.Errorf("the first record holds %d presses", first)
		}
	})
}

func TestChatter(t *testing.T) {
	in(t, config(), func(b *booth) {
		for range 2000 {
			b.set("GPIO17", true)
			time.Sleep(500 * time.Microsecond)
			b.set("GPIO17", false)
			time.Sleep(500 * time.Microsecond)
		}
		b.wantStates("road chatter")
		b.wantLamps("S", "the first edge was a press")
		time.Sleep(20 * time.Second)
		b.wantStates("road chatter", "road ok")
		b.wantCounts(1)
		if got := b.store.lines[1].Count; got < 3900 {
			t.Errorf("the end of the chatter tells of %d edges, of some 4,000", got)
		}
	})
}

func TestStuck(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.set("GPIO17", true)
		time.Sleep(29999 * ms)
		b.wantStates()
		time.Sleep(2 * ms) // 30 s
		b.wantStates("road stuck")
		b.wantLamps("F", "stuck")
		b.set("GPIO18", true)
		time.Sleep(DefaultStuckAfter + ms)
		if s := b.kiosk.Show(); !s.Out {
			t.Errorf("all buttons are dead, shown: %+v", s)
		}
		b.set("GPIO18", false)
		b.set("GPIO17", false)
		b.wantStates("road stuck", "water stuck", "water ok", "road ok")
		b.wantLamps("", "free again")
		b.wantCounts(1, 1) // they were presses all the same
	})
}

func TestHeldAtStart(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.stop()
		b.set("GPIO17", true)
		b.start(closeOutputs(b))
		time.Sleep(time.Second)
		b.wantCounts()
		time.Sleep(DefaultStuckAfter)
		b.wantStates("road stuck")
		b.set("GPIO17", false)
		time.Sleep(time.Second)
		b.press("GPIO17")
		b.wantCounts(1)
	})
}

// closeOutputs gives a configuration without the lamps, which the first kiosk
// still holds.
func closeOutputs(*booth) Config {
	cfg := config()
	cfg.Lamps = Lamps{}
	return cfg
}

func TestMissingAndBusyLines(t *testing.T) {
	cfg := config()
	cfg.Buttons[1].Line.Line = "GPIO99"
	cfg.Lamps.Received = line("received", "GPIO77")
	in(t, cfg, func(b *booth) {
		b.wantStates2("water missing", "received missing")
		b.wantLamps("F", "a button is dead")
		b.press("GPIO17")
		b.wantCounts(1) // the rest runs
		b.wantLamps("SF", "the rest runs")
		if s := b.kiosk.Show(); s.Out || !slices.Equal(s.Dead, []string{"water"}) {
			t.Errorf("one of two buttons is dead, shown: %+v", s)
		}
		time.Sleep(10 * time.Minute)
		b.wantStates2("water missing", "received missing") // said once
	})
}

func TestBusyLineComesBack(t *testing.T) {
	cfg := config()
	in(t, cfg, func(b *booth) {
		b.stop()
		other, err := b.board.OpenInput(hal.LineConfig{Name: "someone", Line: "GPIO17"})
		if err != nil {
			t.Fatal(err)
		}
		b.start(closeOutputs(b))
		b.wantStates("road busy")
		if d := b.store.lines[0].Detail; !strings.Contains(d, "someone") {
			t.Errorf("the event does not say who has the line: %s", d)
		}
		if err := other.Halt(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reopenEvery)
		b.wantStates("road busy", "road ok")
		b.press("GPIO17")
		b.wantCounts(1)
	})
}

// A chip on USB can be pulled out and put back.
func TestLineGoneAndBack(t *testing.T) {
	in(t, config(), func(b *booth) {
		if err := b.input("road").Halt(); err != nil { // as the driver does when its chip is gone
			t.Fatal(err)
		}
		b.wantStates("road missing")
		b.wantLamps("F", "without its line")
		time.Sleep(reopenEvery)
		b.wantStates("road missing", "road ok")
		b.press("GPIO17")
		b.wantCounts(1)
	})
}

func TestStuckEndsWithItsLine(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.set("GPIO17", true)
		time.Sleep(DefaultStuckAfter + ms)
		if err := b.input("road").Halt(); err != nil {
			t.Fatal(err)
		}
		b.set("GPIO17", false) // while nobody watches
		time.Sleep(reopenEvery)
		b.wantStates("road stuck", "road missing", "road stuck", "road ok")
		b.wantLamps("", "all is well again")
	})
}

func TestLostEdges(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.input("road").lost.Store(12)
		b.press("GPIO17")
		time.Sleep(noiseWindow)
		b.wantStates("road lost")
		b.wantLamps("S", "a press is still a press")
		b.input("road").lost.Store(20)
		time.Sleep((calmWindows + 1) * noiseWindow)
		b.wantStates("road lost", "road ok")
		if n := b.store.lines[1].Count; n != 20 {
			t.Errorf("the end tells of %d lost edges, want 20", n)
		}
		if n := b.kiosk.Status().Buttons[0].Lost; n != 20 {
			t.Errorf("status tells of %d lost edges, want 20", n)
		}
	})
}

// A kiosk that can't show that it kept a press is out of order.
func TestBrokenLamp(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.output("saved").broken.Store(true)
		b.press("GPIO17")
		b.wantCounts(1)
		b.wantStates("saved refused")
		b.wantLamps("F", "the lamp does not obey")
		b.output("saved").broken.Store(false)
		time.Sleep(reopenEvery)
		b.wantStates("saved refused", "saved ok")
		b.wantLamps("", "repaired; the press was long ago")
		b.press("GPIO18")
		b.wantLamps("S", "repaired")
	})
}

func (b *booth) wantStates2(one, other string) {
	b.t.Helper()
	synctest.Wait()
	got := strings.Join(b.store.states(), ", ")
	if got != one+", "+other && got != other+", "+one {
		b.t.Errorf("events %s, want %s and %s", got, one, other)
	}
}

func TestReceived(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.kiosk.Acked(0)
		b.press("GPIO17")
		b.wantLamps("S", "kept")
		b.kiosk.Acked(1)
		b.wantLamps("SR", "received")
		b.press("GPIO18")
		b.wantLamps("S", "a newer press is not received yet")
		b.kiosk.Acked(1)
		b.wantLamps("S", "an old receipt")
		b.kiosk.Acked(2)
		b.wantLamps("SR", "received too")
		time.Sleep(receivedFor)
		b.kiosk.panel.kept("road", 1) // told late, by a button that shared the store's commit
		b.wantLamps("SR", "an older press whose receipt is here too")
		time.Sleep(receivedFor)
		b.kiosk.Acked(2)
		b.wantLamps("", "a receipt that comes again")
		b.kiosk.Acked(5)
		b.set("GPIO18", true)
		b.wantLamps("SR", "the receipt was faster than the lamp")
	})
}

// The log line is what finds a ticket again after a cut: it must not come
// after the lamp, nor before the record.
func TestLogStandsBetweenRecordAndLamp(t *testing.T) {
	in(t, config(), func(b *booth) {
		seen := 0
		b.kiosk.log = slog.New(handler(func(r slog.Record) {
			if r.Message != "press kept" {
				return
			}
			seen++
			if n := len(b.store.counts()); n != seen {
				t.Errorf("logged press %d with %d records", seen, n)
			}
			if lit, _ := b.board.Level("GPIO22"); lit {
				t.Error("the lamp was lit before the log line")
			}
			attrs := map[string]any{}
			r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.Any(); return true })
			if attrs["line"] != "road" || attrs["ticket"] != report.NewTicket(7, uint64(seen)).String() || attrs["seq"] != uint64(seen) {
				t.Errorf("log line with %v", attrs)
			}
		}))
		for range 3 {
			b.press("GPIO17")
			b.wantLamps("S", "after a press")
			time.Sleep(time.Minute)
		}
		if seen != 3 {
			t.Errorf("%d presses logged, want 3", seen)
		}
	})
}

// handler is a log that calls a function.
type handler func(slog.Record)

func (h handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}
func (h handler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h handler) WithGroup(string) slog.Handler      { return h }

func TestShutdown(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.press("GPIO17")
		b.press("GPIO17")
		b.press("GPIO17")
		b.wantCounts(1)
		b.stop()
		b.wantCounts(1, 2) // what was counted is written
		b.wantLamps("F", "nobody takes a press any more")
		if !b.kiosk.Status().Fault {
			t.Error("status shows no fault after the end")
		}
	})
}

// A press that the line has told of counts, also when the kiosk is ended, as by a
// changed configuration, while its loop is at something else. Which of two that are
// ready comes first is drawn by lot, so that it happens in half of the rounds.
func TestPressInTheInstantOfTheEnd(t *testing.T) {
	in(t, config(), func(b *booth) {
		const times = 30
		for n := range times {
			if n > 0 {
				b.start(config())
			}
			end := b.end
			b.kiosk.buttons[0].pulse <- func() { // its loop is at work
				if err := b.board.Set("GPIO17", true); err != nil {
					t.Error(err)
				}
				end()
			}
			b.stop()
			b.set("GPIO17", false)
		}
		if got := len(b.store.counts()); got != times {
			t.Errorf("%d of %d presses are kept", got, times)
		}
	})
}

// An append that is under way when the agent ends is waited for, not repeated.
func TestShutdownDuringAppend(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(nil, time.Second)
		b.press("GPIO17")
		b.press("GPIO17")
		b.stop()
		b.wantCounts(1, 1)
	})
}

// A store that hangs must not keep the agent from ending.
func TestShutdownWithHangingStore(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(nil, time.Hour)
		b.press("GPIO17")
		began := time.Now()
		b.stop()
		if took := time.Since(began); took > flushTimeout+time.Second {
			t.Errorf("Run took %v to end", took)
		}
		b.wantLamps("F", "after the end")
	})
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"number":       {func(c *Config) { c.Number = 1 << 20 }, "number 1048576"},
		"no button":    {func(c *Config) { c.Buttons = nil }, "no button"},
		"name":         {func(c *Config) { c.Buttons[0].Name = "The Road" }, `buttons[0]: name "The Road"`},
		"name twice":   {func(c *Config) { c.Buttons[1].Name = "road" }, `buttons[1]: name "road" is taken`},
		"cooldown":     {func(c *Config) { c.Cooldown = -1 }, "cooldown -1ns"},
		"debounce":     {func(c *Config) { c.Debounce = -ms }, "debounce -1ms"},
		"stuck before": {func(c *Config) { c.StuckAfter = -1 }, "stuck after"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			tt.change(&cfg)
			_, err := New(cfg, nil, nil, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
