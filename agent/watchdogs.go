package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/agent/watchdog"
	"kentongan/hal"
)

// diskPatience is how long a disk that refuses is borne before the board is
// reset: a boot checks and mounts it anew, which mends one that turned
// read-only. One that is full or dead is not mended, so a reset must be rare.
const diskPatience = 10 * time.Minute

// screenPatience is how long a page that is not answered is borne: the buttons do
// without it, and it may be somebody outside who asks too much of it.
const screenPatience = 10 * time.Minute

// buildWatchdog makes the part that feeds the board's watchdog, if the
// configuration names one.
func (a *Agent) buildWatchdog() {
	c := a.cfg.Watchdog
	if c.Device == "" {
		return
	}
	g := watchdog.New(watchdog.Config{
		WatchdogConfig: hal.WatchdogConfig{Device: c.Device, Timeout: c.Timeout},
		Checks:         a.checks(),
	}, a.machine(), a.journal, a.o.Log)
	a.parts = append(a.parts, part{"watchdog", g.Run})
}

// checks are what has to be well for the watchdog to be fed: every loop answers,
// and the store writes.
// Which they are is asked each time, as parts come and go with the configuration.
func (a *Agent) checks() func() []watchdog.Check {
	fixed := a.storeChecks()
	for _, p := range a.pulses() {
		fixed = append(fixed, watchdog.Check{Name: p.Name, Of: p.Pulse, Run: p.Ask})
	}
	return func() []watchdog.Check { return append(slices.Clone(fixed), a.crew.checks()...) }
}

// storeChecks see that the store goes on writing, and that the disk takes it.
func (a *Agent) storeChecks() []watchdog.Check {
	writes := writing{since: time.Now()}
	return []watchdog.Check{
		{Name: "store", Run: func(context.Context) error {
			most := 2*(a.current().StatsEvery+a.cfg.Spool.TelemetryDelay) + time.Minute
			return writes.check(a.spool.Status().Syncs, a.diskTakes() != nil, time.Now(), most)
		}},
		{Name: "disk", Patience: diskPatience, Run: func(context.Context) error { return a.diskTakes() }},
	}
}

// pulses ask the loops of the parts that stay, each through its own goroutine.
func (a *Agent) pulses() []pulse.Named {
	all := []pulse.Named{
		{Name: "journal", Pulse: a.journal.pulse},
		{Name: "uplink", Pulse: a.uplink.Pulse()},
		{Name: "alarms", Pulse: a.journal.alarms.Pulse()},
	}
	if a.orders != nil {
		all = append(all, pulse.Named{Name: "orders", Pulse: a.orders.Pulse()})
	}
	for _, part := range a.beating {
		all = append(all, part.Pulses()...)
	}
	return all
}

// beating is a part with several loops.
type beating interface{ Pulses() []pulse.Named }

// diskTakes tells of a lane whose disk refuses. A lane that is full waits for the
// centre: no reset helps it.
func (a *Agent) diskTakes() error {
	lanes := a.spool.Status().Lanes
	for _, name := range report.Lanes() {
		if l := lanes[name]; l.Err != "" && !l.Full {
			return fmt.Errorf("lane %s: %s", name, l.Err)
		}
	}
	return nil
}

// writing sees that the store goes on writing. The agent's own figures are
// written each StatsEvery, so there is always something.
type writing struct {
	syncs int64
	since time.Time     // of syncs being as it is
	most  time.Duration // that was allowed then
}

// check takes how long the quiet may last, at most. What was allowed when it began
// counts as well, or a shorter time between two measurements would come too late.
// A disk that refuses is no store that hangs: the check of the disk bears it for
// longer.
func (w *writing) check(syncs int64, refuses bool, now time.Time, most time.Duration) error {
	if syncs != w.syncs || refuses || w.most == 0 {
		w.syncs, w.since, w.most = syncs, now, most
	}
	if quiet := now.Sub(w.since); quiet > max(most, w.most) {
		return fmt.Errorf("nothing was written for %v", quiet.Round(time.Second))
	}
	return nil
}

// WatchdogChanged implements watchdog.Output.
func (j *journal) WatchdogChanged(s report.WatchdogState) {
	j.add(report.Event, report.KindWatchdog, s)
}
