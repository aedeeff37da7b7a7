package kiosk

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/hal"
	"kentongan/hal/sim"
)

// wired makes the sense line at a follow the lamp's current at b until cut is
// closed; inverted where the circuit is.
func wired(board *sim.Board, lamp, sense string, inverted bool, cut <-chan struct{}) (ended <-chan struct{}) {
	changes, _, stop := board.Watch()
	done := make(chan struct{})
	_ = board.Set(sense, inverted)
	go func() {
		defer close(done)
		defer stop()
		for {
			select {
			case c := <-changes:
				if c.Line == lamp {
					_ = board.Set(sense, c.Active != inverted)
				}
			case <-cut:
				return
			}
		}
	}()
	return done
}

// The self-test sees a burnt lamp and a cut wire where a sense line looks, whichever
// way round that is; else it says that it looked at the line only.
func TestSelfTestSeesABurntLamp(t *testing.T) {
	cfg := config()
	cfg.Lamps.Saved.Sense = &hal.LineConfig{Line: "GPIO5"}
	cfg.Lamps.Received.Sense = &hal.LineConfig{Line: "GPIO6"}
	cfg.SelfTest = &SelfTest{At: 6 * time.Hour, Now: func() (time.Time, bool) { return time.Now().UTC(), true }}
	in(t, cfg, func(b *booth) {
		cut := make(chan struct{})
		saved, received := wired(b.board, "GPIO22", "GPIO5", false, cut), wired(b.board, "GPIO23", "GPIO6", true, cut)
		says := func(n int, want ...string) {
			t.Helper()
			synctest.Wait()
			if b.tests() != n {
				t.Fatalf("%d tests, want %d", b.tests(), n)
			}
			for i, w := range want {
				c := b.store.tests[n-1].Checks[i]
				if got := c.Name + ": " + c.Detail; !strings.Contains(got, w) || c.OK != !strings.Contains(w, "cut") && c.OK != !strings.Contains(w, "GPIO") {
					t.Errorf("test %d says %+v, want %s", n, c, w)
				}
			}
		}
		time.Sleep(6*time.Hour + 10*time.Second)
		says(1, "lamp saved: its sense line saw it light", "lamp received: its sense line saw it light", "lamp fault: only its line was tested")
		b.wantLamps("", "after the test")
		close(cut)
		<-saved
		<-received
		time.Sleep(24 * time.Hour)
		says(2, "lamp saved: its sense line saw no current when it was lit: the lamp is burnt, or a wire is cut", "lamp received: its sense line saw no current when it was lit: the lamp is burnt, or a wire is cut")
		if b.store.tests[1].OK {
			t.Error("a kiosk with burnt lamps passes")
		}
		time.Sleep(24*time.Hour - 11*time.Second)
		b.press("GPIO17") // its lamp is lit at six
		time.Sleep(11 * time.Second)
		says(3, "lamp saved")
	})
}

// A sense line that somebody else has is told, and the lamp is tested no further.
func TestBusySenseLine(t *testing.T) {
	cfg := config()
	cfg.Lamps.Saved.Sense = &hal.LineConfig{Line: "GPIO18"} // the button's
	cfg.SelfTest = &SelfTest{At: 6 * time.Hour, Now: func() (time.Time, bool) { return time.Now().UTC(), true }}
	in(t, cfg, func(b *booth) {
		time.Sleep(6*time.Hour + 10*time.Second)
		if b.tests() != 1 {
			t.Fatalf("%d tests", b.tests())
		}
		if c := b.store.tests[0].Checks[0]; c.OK || !strings.Contains(c.Detail, "its sense line") || !strings.Contains(c.Detail, "water") {
			t.Errorf("%+v", c)
		}
	})
}
