// Package watchdog feeds the board's hardware watchdog as long as the agent is
// well.
//
// It is not fed by a timer: before each feeding, every check must have answered.
// A check that does not come back means that its part hangs; then the watchdog
// is not fed, and the board resets itself within the timeout. A check that comes
// back with an error is borne for its patience, because a reset does not mend a
// full disk, but may mend one that turned read-only.
package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

// Check looks whether a part is alive. Run is called by one goroutine at a time
// and may block: that is the finding. Its ctx ends with the guard, not with a round:
// a loop that is slow (one write to a slow disk may take longer than a round) answers
// in the next one, and is told from one that hangs.
type Check struct {
	Name     string
	Of       any           // tells one that took the place of another of that name; comparable, may be nil
	Patience time.Duration // how long its errors are borne
	Run      func(context.Context) error
}

// Output takes changes. It must not block.
type Output interface {
	WatchdogChanged(report.WatchdogState)
}

// Config says which watchdog and what has to be well.
type Config struct {
	hal.WatchdogConfig
	Checks func() []Check // asked before each round, as parts come and go
}

const (
	// A timeout has room for four rounds, so that one that was late is no
	// reason for a reset.
	roundsInTimeout = 4
	reopenEvery     = 30 * time.Second
)

// Guard feeds one watchdog. Run may be called once.
type Guard struct {
	cfg     Config
	machine hal.Watchdogs
	out     Output
	log     *slog.Logger
	checks  []*check
	missing string // why it could not be opened, or takes no food, as told last
	open    string // why it could not be stopped, as told last
	hungry  string // why it was not fed, as told last
}

// New makes a guard. It opens nothing.
func New(cfg Config, machine hal.Watchdogs, out Output, log *slog.Logger) *Guard {
	return &Guard{cfg: cfg, machine: machine, out: out, log: log.With("part", "watchdog")}
}

// renew takes the checks of this round. One that was there before goes on with
// what is known of it.
func (g *Guard) renew() {
	if g.cfg.Checks == nil {
		return
	}
	var now []*check
	for _, c := range g.cfg.Checks() {
		at := slices.IndexFunc(g.checks, func(o *check) bool { return o.Name == c.Name && o.Of == c.Of })
		if at < 0 {
			now = append(now, &check{Check: c})
			continue
		}
		now = append(now, g.checks[at])
	}
	g.checks = now
}

// Run feeds the watchdog until ctx ends, and stops it then. One that can't be
// opened is tried again: the agent is worth more without it than not at all.
func (g *Guard) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		w, err := g.machine.OpenWatchdog(g.cfg.WatchdogConfig)
		if err != nil {
			g.notOpened(err)
		} else {
			g.feed(ctx, w)
			g.stopped(w.Close())
		}
		if ctx.Err() == nil {
			pause(ctx, reopenEvery)
		}
	}
	return nil
}

func (g *Guard) notOpened(err error) {
	if text := err.Error(); text != g.missing {
		g.missing = text
		g.log.Error("watchdog not opened", "err", err, "retry_in", reopenEvery)
		g.out.WatchdogChanged(report.WatchdogState{State: "missing", Detail: text})
	}
}

// feed feeds an open watchdog until ctx ends or it takes no food.
func (g *Guard) feed(ctx context.Context, w hal.Watchdog) {
	round := w.Timeout() / roundsInTimeout
	if g.missing == "" {
		g.runs(w)
	}
	tick := time.NewTicker(round)
	defer tick.Stop()
	for {
		if wrong := g.look(ctx, round); wrong != "" && ctx.Err() == nil {
			g.starve(wrong, w)
		} else if err := w.Feed(); err != nil {
			g.notOpened(err)
			return
		} else {
			g.fed(w)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// runs tells that the watchdog is there.
func (g *Guard) runs(w hal.Watchdog) {
	g.log.Info("watchdog runs", "name", w.Identity(), "timeout", w.Timeout(), "caused_boot", w.CausedBoot())
	g.out.WatchdogChanged(report.WatchdogState{State: "running", Name: w.Identity(), TimeoutS: int64(w.Timeout() / time.Second), CausedBoot: w.CausedBoot()})
}

// fed tells what is over with this feeding. One that was opened again may still
// have taken no food, so only now it is there.
func (g *Guard) fed(w hal.Watchdog) {
	if g.missing != "" {
		g.missing = ""
		g.runs(w)
	}
	if g.hungry != "" {
		g.log.Info("watchdog fed again", "was", g.hungry)
		g.out.WatchdogChanged(report.WatchdogState{State: "fed", Name: w.Identity(), Detail: g.hungry + " is over"})
		g.hungry = ""
	}
}

// stopped tells once that the watchdog could not be stopped.
func (g *Guard) stopped(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != g.open && err != nil {
		g.log.Error("watchdog not stopped", "err", err)
	}
	g.open = text
}

// starve tells once why it is not fed.
func (g *Guard) starve(wrong string, w hal.Watchdog) {
	if g.hungry != "" {
		return
	}
	g.hungry = wrong
	g.log.Error("watchdog not fed", "why", wrong, "reset_in", w.Timeout())
	g.out.WatchdogChanged(report.WatchdogState{State: "starving", Name: w.Identity(), TimeoutS: int64(w.Timeout() / time.Second), Detail: wrong})
}

// look runs all checks side by side and waits for them, a round at most. It
// returns what is wrong; "" is nothing.
func (g *Guard) look(ctx context.Context, round time.Duration) string {
	within, cancel := context.WithTimeout(ctx, round)
	defer cancel()
	g.renew()
	for _, c := range g.checks {
		c.begin(ctx)
	}
	var wrong []string
	for _, c := range g.checks {
		if w := c.wait(within, time.Now()); w != "" {
			wrong = append(wrong, w)
		}
	}
	return strings.Join(wrong, "; ")
}

// check is a Check and how it goes.
type check struct {
	Check
	came  chan error // nil while none is under way
	since time.Time  // when its errors began; zero when there are none
}

// begin starts a check, unless the one before has not come back.
func (c *check) begin(ctx context.Context) {
	if c.came != nil {
		return
	}
	came := make(chan error, 1)
	c.came = came
	go func() { came <- c.Run(ctx) }() // it may hang: that is what is looked for
}

// wait takes the answer. One that came counts, though another check has used up the
// round; an error, too, has its patience then.
func (c *check) wait(ctx context.Context, now time.Time) string {
	var err error
	select {
	case err = <-c.came:
	default:
		select {
		case err = <-c.came:
		case <-ctx.Done():
			return c.Name + " does not answer"
		}
	}
	c.came = nil
	if err == nil {
		c.since = time.Time{}
		return ""
	}
	if c.since.IsZero() {
		c.since = now
	}
	if lasted := now.Sub(c.since); lasted >= c.Patience {
		return fmt.Sprintf("%s for %v: %v", c.Name, lasted.Round(time.Second), err)
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
