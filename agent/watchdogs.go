package agent

import (
	"context"
	"fmt"
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
func (a *Agent) checks() []watchdog.Check {
	writes := writing{since: time.Now(), most: 2*(a.cfg.StatsEvery+a.cfg.Spool.TelemetryDelay) + time.Minute}
	all := []watchdog.Check{
		{Name: "store", Run: func(context.Context) error { return writes.check(a.spool.Status().Syncs, time.Now()) }},
		{Name: "disk", Patience: diskPatience, Run: func(context.Context) error { return a.diskTakes() }},
	}
	if a.screen != nil {
		all = append(all, watchdog.Check{Name: "screen", Patience: screenPatience, Run: func(context.Context) error { return a.screen.Answers() }})
	}
	for _, p := range a.pulses() {
		all = append(all, watchdog.Check{Name: p.Name, Run: p.Ask})
	}
	return all
}

// pulses ask the loops of all parts, each through its own goroutine.
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

// diskTakes tells of a lane whose disk refuses.
func (a *Agent) diskTakes() error {
	lanes := a.spool.Status().Lanes
	for _, name := range report.Lanes() {
		if text := lanes[name].Err; text != "" {
			return fmt.Errorf("lane %s: %s", name, text)
		}
	}
	return nil
}

// writing sees that the store goes on writing. The agent's own figures are
// written each StatsEvery, so there is always something.
type writing struct {
	syncs int64
	since time.Time // of syncs being as it is
	most  time.Duration
}

func (w *writing) check(syncs int64, now time.Time) error {
	if syncs != w.syncs {
		w.syncs, w.since = syncs, now
	}
	if quiet := now.Sub(w.since); quiet > w.most {
		return fmt.Errorf("nothing was written for %v", quiet.Round(time.Second))
	}
	return nil
}

// WatchdogChanged implements watchdog.Output.
func (j *journal) WatchdogChanged(s report.WatchdogState) {
	j.add(report.Event, report.KindWatchdog, s)
}
