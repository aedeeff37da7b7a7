package kiosk

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

func TestDueBetween(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	tests := map[string]struct {
		from, to time.Time
		want     bool
	}{
		"in it":                   {at(1, 5, 59), at(1, 6, 0), true},
		"before":                  {at(1, 5, 0), at(1, 5, 59), false},
		"after":                   {at(1, 6, 0), at(1, 6, 1), false},
		"over midnight":           {at(1, 23, 0), at(2, 6, 30), true},
		"set back":                {at(1, 6, 30), at(1, 5, 0), false},
		"set by years":            {at(1, 5, 0).AddDate(-50, 0, 0), at(1, 6, 30), false},
		"from the day before":     {at(1, 6, 1), at(2, 0, 10), false},
		"a step over a whole day": {at(1, 6, 1), at(2, 6, 0), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := dueBetween(tt.from, tt.to, 6*time.Hour); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestSelfTest(t *testing.T) {
	var set atomic.Bool
	var mu sync.Mutex
	var found []bool
	cfg := config()
	cfg.Lamps.Received = line("received", "GPIO77") // not there
	cfg.SelfTest = &SelfTest{
		At: 6 * time.Hour, Now: func() (time.Time, bool) { return time.Now().UTC(), set.Load() },
		Centre: func() (bool, string) { return false, "no receipt for 3h" },
		Found: func(ok bool, _ string) {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, ok)
		},
	}
	in(t, cfg, func(b *booth) { // a bubble begins at midnight
		time.Sleep(23*time.Hour + 59*time.Minute)
		if n := b.tests(); n != 0 {
			t.Fatalf("%d tests without a clock on the first day", n)
		}
		time.Sleep(2 * time.Minute)
		if n := b.tests(); n != 1 {
			t.Fatalf("%d tests a day without a clock, want 1", n)
		}
		want := []report.SelfTestCheck{
			{Name: "lamp saved", OK: true, Detail: onlyLine}, {Name: "lamp received", Detail: "its line is missing"}, {Name: "lamp fault", OK: true, Detail: onlyLine},
			{Name: "button road", OK: true, Detail: "0 presses, 0 bounces, 0 edges lost, 0 touches too short since the start"},
			{Name: "button water", OK: true, Detail: "0 presses, 0 bounces, 0 edges lost, 0 touches too short since the start"},
			{Name: "centre", Detail: "no receipt for 3h"},
		}
		synctest.Wait()
		got := b.store.tests[0]
		if got.OK || len(got.Checks) != len(want) {
			t.Fatalf("result %+v", got)
		}
		for i, c := range got.Checks {
			if c != want[i] {
				t.Errorf("check %+v, want %+v", c, want[i])
			}
		}
		set.Store(true)
		time.Sleep(24 * time.Hour) // 00:01 to 00:01
		if n := b.tests(); n != 2 {
			t.Fatalf("%d tests, want one more at 6:00", n)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(found) != 2 || found[0] {
			t.Errorf("told of %v", found)
		}
	})
}

func (b *booth) tests() int {
	synctest.Wait()
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return len(b.store.tests)
}

// The lamps are shown to whoever looks, and a press in between goes first.
func TestSelfTestShowsTheLamps(t *testing.T) {
	cfg := config()
	cfg.SelfTest = &SelfTest{At: 6 * time.Hour, Now: func() (time.Time, bool) { return time.Now().UTC(), true }}
	in(t, cfg, func(b *booth) {
		time.Sleep(6*time.Hour + 500*ms)
		b.wantLamps("SRF", "in the test")
		b.press("GPIO17")
		time.Sleep(500 * ms)
		b.wantLamps("S", "after it: a press shows what it should")
		if b.tests() != 1 || !b.store.tests[0].OK {
			t.Errorf("results %+v", b.store.tests)
		}
	})
}
