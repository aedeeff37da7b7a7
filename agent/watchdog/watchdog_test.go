package watchdog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
	"kentongan/hal/sim"
)

type said struct {
	mu  sync.Mutex // guards all
	all []report.WatchdogState
}

func (s *said) WatchdogChanged(w report.WatchdogState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, w)
}

func (s *said) states() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.all {
		all = append(all, w.State)
	}
	return all
}

// play runs a guard with a timeout of a minute on a simulated board.
func play(t *testing.T, act func(*sim.Board, *said), checks ...Check) {
	synctest.Test(t, func(t *testing.T) {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out := &said{}
		g := New(Config{WatchdogConfig: hal.WatchdogConfig{Timeout: time.Minute}, Checks: func() []Check { return checks }}, board, out, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		synctest.Wait()
		act(board, out)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if board.Watchdog().Running {
			t.Error("the watchdog runs after the agent ended in order")
		}
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFedWhileAllIsWell(t *testing.T) {
	play(t, func(b *sim.Board, out *said) {
		time.Sleep(time.Hour)
		if n := b.Watchdog().Resets; n != 0 {
			t.Errorf("%d resets", n)
		}
		if got := out.states(); !slices.Equal(got, []string{"running"}) {
			t.Errorf("said %v", got)
		}
	}, Check{Name: "spool", Run: func(context.Context) error { return nil }},
		Check{Name: "slow kiosk", Run: func(ctx context.Context) error {
			select {
			case <-time.After(10 * time.Second): // of a round of 15
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
}

// A part that hangs is not waited for twice at once, and the board is reset.
func TestHungPart(t *testing.T) {
	var hangs atomic.Bool
	var under atomic.Int32
	var free atomic.Bool // no channel: one from outside the bubble would stop its clock
	play(t, func(b *sim.Board, out *said) {
		time.Sleep(10 * time.Minute)
		hangs.Store(true)
		time.Sleep(90 * time.Second)
		if n := b.Watchdog().Resets; n != 1 {
			t.Errorf("%d resets, want 1", n)
		}
		if n := under.Load(); n != 1 {
			t.Errorf("%d checks of the same part hang", n)
		}
		if got := out.states(); !slices.Equal(got[:2], []string{"running", "starving"}) || !strings.Contains(out.all[1].Detail, "journal does not answer") {
			t.Errorf("said %+v", out.all)
		}
		free.Store(true)
		time.Sleep(2 * time.Second)
	}, Check{Name: "journal", Run: func(context.Context) error {
		if hangs.Load() {
			under.Add(1)
			for !free.Load() {
				time.Sleep(time.Second)
			}
		}
		return nil
	}})
}

// A disk that refuses is borne for a while; the watchdog starves after that,
// and eats again when the disk is back.
func TestPatience(t *testing.T) {
	var refuses atomic.Bool
	play(t, func(b *sim.Board, out *said) {
		refuses.Store(true)
		time.Sleep(9 * time.Minute)
		if got := out.states(); !slices.Equal(got, []string{"running"}) {
			t.Errorf("after 9 minutes: %v", got)
		}
		time.Sleep(90 * time.Second)
		if got := out.states(); !slices.Equal(got, []string{"running", "starving"}) || !strings.Contains(out.all[1].Detail, "disk is read-only") {
			t.Errorf("after 10 minutes and a half: %+v", out.all)
		}
		refuses.Store(false)
		time.Sleep(20 * time.Second)
		if got := out.states(); !slices.Equal(got, []string{"running", "starving", "fed"}) || b.Watchdog().Resets != 0 {
			t.Errorf("after the disk was back: %v, %d resets", got, b.Watchdog().Resets)
		}
	}, Check{Name: "spool", Patience: 10 * time.Minute, Run: func(context.Context) error {
		if refuses.Load() {
			return errors.New("disk is read-only")
		}
		return nil
	}})
}

// A watchdog that somebody else has is told once, and taken when it is free.
func TestBusyWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		other, err := board.OpenWatchdog(hal.WatchdogConfig{Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		out := &said{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		g := New(Config{WatchdogConfig: hal.WatchdogConfig{Timeout: time.Minute}}, board, out, slog.New(slog.DiscardHandler))
		go func() { ended <- g.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := out.states(); !slices.Equal(got, []string{"missing", "running"}) {
			t.Errorf("said %v", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// fussy is a watchdog that opens, and takes no food until it is well.
type fussy struct{ well atomic.Bool }

func (f *fussy) OpenWatchdog(hal.WatchdogConfig) (hal.Watchdog, error) { return f, nil }
func (*fussy) Identity() string                                        { return "fussy" }
func (*fussy) Timeout() time.Duration                                  { return time.Minute }
func (*fussy) CausedBoot() bool                                        { return false }
func (f *fussy) Feed() error                                           { return f.err("feed") }
func (f *fussy) Close() error                                          { return f.err("stop") }

func (f *fussy) err(what string) error {
	if f.well.Load() {
		return nil
	}
	return errors.New(what + ": input/output error")
}

// A watchdog that takes no food is told once, and once more when it does.
func TestWatchdogThatTakesNoFood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, out, text := &fussy{}, &said{}, &bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		g := New(Config{}, f, out, slog.New(slog.NewTextHandler(text, nil)))
		go func() { ended <- g.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		f.well.Store(true)
		time.Sleep(10 * time.Minute)
		if got := out.states(); !slices.Equal(got, []string{"running", "missing", "running"}) {
			t.Errorf("said %v", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(text.String(), "\n"); n != 4 { // runs, not opened, not stopped, runs
			t.Errorf("%d lines of log:\n%s", n, text)
		}
	})
}

// TestChecksComeAndGo: of a part that was remade, the old loop's silence is no
// reason for a reset; the new one's is.
func TestChecksComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		good := func(context.Context) error { return nil }
		var now atomic.Pointer[[]Check]
		now.Store(&[]Check{{Name: "a", Of: 1, Run: good}})
		out := &said{}
		g := New(Config{WatchdogConfig: hal.WatchdogConfig{Timeout: time.Minute}, Checks: func() []Check { return *now.Load() }}, board, out, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		time.Sleep(10*time.Minute + time.Second) // not in the instant of a round
		now.Store(&[]Check{{Name: "a", Of: 1, Run: good}, {Name: "b", Run: hangs}})
		time.Sleep(32 * time.Second) // the round after this one is starving, and no reset is due yet
		now.Store(&[]Check{{Name: "a", Of: 2, Run: good}})
		time.Sleep(10 * time.Minute)
		if got := out.states(); !slices.Equal(got, []string{"running", "starving", "fed"}) || board.Watchdog().Resets != 0 {
			t.Errorf("said %v, %d resets", got, board.Watchdog().Resets)
		}
		now.Store(&[]Check{{Name: "a", Of: 3, Run: hangs}})
		time.Sleep(10 * time.Minute)
		if board.Watchdog().Resets == 0 {
			t.Error("a remade part that hangs is fed")
		}
		cancel()
		<-ended
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowLoopIsFed: a loop that takes longer than a round for each answer is slow, and
// does not hang: it is no reason for a reset, and what answers at once is not named
// beside it.
func TestSlowLoopIsFed(t *testing.T) {
	well := func(context.Context) error { return nil }
	play(t, func(b *sim.Board, out *said) {
		time.Sleep(time.Hour)
		if n := b.Watchdog().Resets; n != 0 {
			t.Errorf("%d resets", n)
		}
		out.mu.Lock()
		defer out.mu.Unlock()
		for _, w := range out.all {
			if w.State == "starving" && w.Detail != "journal does not answer" {
				t.Errorf("not fed: %s", w.Detail)
			}
		}
	}, Check{Name: "journal", Run: func(ctx context.Context) error {
		select {
		case <-time.After(20 * time.Second): // a round is 15
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, Check{Name: "kiosk", Run: well}, Check{Name: "page", Patience: 2 * time.Hour, Run: func(context.Context) error { return errors.New("busy") }}, Check{Name: "orders", Run: well}, Check{Name: "stream", Run: well})
}
