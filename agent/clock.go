package agent

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/report"
)

// released is a day before this version was made. A wall clock that is earlier
// has not been set since power on: boards have no battery for it.
var released = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// clock stamps records. Its methods may be called from any goroutine.
type clock struct {
	boot string
	read func() report.Stamp // nil is the machine's
}

func newClock() (*clock, error) {
	const file = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the boot's id: %w", err)
	}
	boot := strings.ReplaceAll(strings.TrimSpace(string(id)), "-", "")
	if len(boot) < 8 {
		return nil, fmt.Errorf("read the boot's id: %s holds %q", file, id)
	}
	return &clock{boot: boot[:8]}, nil
}

// stamp is now.
func (c *clock) stamp() report.Stamp {
	if c.read != nil {
		return c.read()
	}
	now := time.Now()
	return report.Stamp{Time: now, Clock: quality(now), Boot: c.boot, Uptime: uptime()}
}

// quality asks the kernel whether a time service keeps the clock.
func quality(now time.Time) report.Clock {
	if now.Before(released) {
		return report.ClockUnset
	}
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 {
		return report.ClockSynced
	}
	return report.ClockEstimated
}

// uptime is CLOCK_BOOTTIME: it also counts the time asleep.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // Linux has had it since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// clockStep is the least jump of the wall clock that is reported. A time service
// slews smaller differences, and records need no better.
const clockStep = time.Second

// watch calls set when the wall clock steps and when its quality changes, until
// ctx ends. It looks once a second. A clock that is set already is told of at
// once: it may have been set while no agent ran, and what an earlier one kept in
// this boot before that has no other way to its time.
func (c *clock) watch(ctx context.Context, set func(report.ClockSet)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := c.stamp()
	if last.Clock != report.ClockUnset {
		set(clockSet(last, 0))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.stamp()
		if s, changed := stepBetween(last, now); changed {
			set(s)
		}
		last = now
	}
}

// stepBetween compares how far wall time and boot time went between two stamps
// of one boot.
func stepBetween(last, now report.Stamp) (report.ClockSet, bool) {
	// Round takes the monotonic reading off, which would hide the step.
	step := now.Time.Round(0).Sub(last.Time.Round(0)) - (now.Uptime - last.Uptime)
	if step.Abs() < clockStep && now.Clock == last.Clock {
		return report.ClockSet{}, false
	}
	return clockSet(now, step), true
}

// clockSet says what the clock is, as it stood at a stamp.
func clockSet(now report.Stamp, step time.Duration) report.ClockSet {
	return report.ClockSet{
		Boot:     now.Boot,
		BootedAt: now.Time.Round(0).Add(-now.Uptime).UTC().Truncate(time.Millisecond),
		StepMS:   step.Milliseconds(),
		Clock:    now.Clock,
	}
}
