package agent

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
)

func TestStepBetween(t *testing.T) {
	at := func(wall time.Time, up time.Duration, q report.Clock) report.Stamp {
		return report.Stamp{Time: wall, Clock: q, Boot: "b", Uptime: up}
	}
	y1970 := time.Unix(30, 0)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	const years = 10 * 365 * 24 * time.Hour
	tests := map[string]struct {
		last, now report.Stamp
		changed   bool
		stepMS    int64
		booted    time.Time
	}{
		"a second later":         {at(now, 60*time.Second, report.ClockSynced), at(now.Add(time.Second), 61*time.Second, report.ClockSynced), false, 0, time.Time{}},
		"slewed":                 {at(now, 60*time.Second, report.ClockSynced), at(now.Add(900*time.Millisecond), 61*time.Second, report.ClockSynced), false, 0, time.Time{}},
		"set for the first time": {at(y1970, 30*time.Second, report.ClockUnset), at(now, 31*time.Second, report.ClockSynced), true, now.Sub(y1970).Milliseconds() - 1000, now.Add(-31 * time.Second)},
		"set back":               {at(now, 60*time.Second, report.ClockSynced), at(now.Add(-time.Hour), 61*time.Second, report.ClockEstimated), true, -3_601_000, now.Add(-time.Hour - 61*time.Second)},
		"ten years ahead":        {at(now, 60*time.Second, report.ClockSynced), at(now.Add(years), 61*time.Second, report.ClockSynced), true, (years - time.Second).Milliseconds(), now.Add(years - 61*time.Second)},
		"ten years back":         {at(now, 60*time.Second, report.ClockSynced), at(now.Add(-years), 61*time.Second, report.ClockSynced), true, (-years - time.Second).Milliseconds(), now.Add(-years - 61*time.Second)},
		"back to 1970":           {at(now, 60*time.Second, report.ClockSynced), at(y1970, 61*time.Second, report.ClockUnset), true, y1970.Sub(now).Milliseconds() - 1000, y1970.Add(-61 * time.Second)},
		"service found":          {at(now, 60*time.Second, report.ClockEstimated), at(now.Add(time.Second), 61*time.Second, report.ClockSynced), true, 0, now.Add(-60 * time.Second)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, changed := stepBetween(tt.last, tt.now)
			if changed != tt.changed || got.StepMS != tt.stepMS || !got.BootedAt.Equal(tt.booted) {
				t.Errorf("got %+v, %v; want a step of %d ms, booted at %v, %v", got, changed, tt.stepMS, tt.booted, tt.changed)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.stamp(), c.stamp()
	if len(a.Boot) != 8 || a.Boot != b.Boot || b.Uptime < a.Uptime || a.Uptime == 0 {
		t.Errorf("two stamps of one boot: %+v and %+v", a, b)
	}
	if got := quality(time.Unix(0, 0)); got != report.ClockUnset {
		t.Errorf("1970 is %s, want unset", got)
	}
}

// The clock was set while no agent ran: the next one tells of it at once, or
// what the one before kept in this boot would stay in 1970.
func TestClockThatIsSetAtStart(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	now := c.stamp()
	if now.Clock == report.ClockUnset {
		t.Fatal("the clock of this machine is not set; set it, this test reads it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got []report.ClockSet
	c.watch(ctx, func(s report.ClockSet) {
		got = append(got, s)
		cancel()
	})
	booted := now.Time.Add(-now.Uptime)
	if len(got) != 1 || got[0].Boot != c.boot || got[0].StepMS != 0 || got[0].BootedAt.Sub(booted).Abs() > time.Second {
		t.Errorf("told %+v, want once, boot %s at %v, no step", got, c.boot, booted)
	}
}
