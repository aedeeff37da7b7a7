package haltest

import (
	"testing"
	"time"

	"kentongan/hal"
)

// WatchdogBench is a watchdog under test. It is fed and closed in time, so that
// the machine of the test lives on.
type WatchdogBench struct {
	Open func(time.Duration) (hal.Watchdog, error)
}

// RunWatchdog runs all tests of a watchdog as subtests.
func RunWatchdog(t *testing.T, b WatchdogBench) {
	const timeout = 60 * time.Second
	open := func(t *testing.T) hal.Watchdog {
		w, err := b.Open(timeout)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() }) // a second time where the test did
		return w
	}
	t.Run("agrees to a timeout", func(t *testing.T) {
		w := open(t)
		t.Logf("%q, %v", w.Identity(), w.Timeout())
		if w.Timeout() != timeout || w.Identity() == "" {
			t.Errorf("timeout %v of %q, want %v and a name", w.Timeout(), w.Identity(), timeout)
		}
		for range 3 {
			if err := w.Feed(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("has one owner", func(t *testing.T) {
		open(t)
		if w, err := b.Open(timeout); err == nil {
			_ = w.Close()
			t.Error("a second owner was let in")
		} else {
			t.Log(err)
		}
	})
	t.Run("is stopped by closing", func(t *testing.T) {
		w := open(t)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Feed(); err == nil {
			t.Error("a closed watchdog was fed")
		}
		open(t) // there is nobody who has it
	})
	t.Run("refuses no timeout", func(t *testing.T) {
		if w, err := b.Open(0); err == nil {
			_ = w.Close()
			t.Error("a timeout of nothing was taken")
		}
	})
}
