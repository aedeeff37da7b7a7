package kiosk

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestQuietHoursCover(t *testing.T) {
	h := func(hour, minute int) time.Duration {
		return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	}
	tests := map[string]struct {
		from, to, at time.Duration
		want         bool
	}{
		"in the night":          {h(22, 0), h(5, 0), h(23, 30), true},
		"after midnight":        {h(22, 0), h(5, 0), h(4, 59), true},
		"at the beginning":      {h(22, 0), h(5, 0), h(22, 0), true},
		"at the end":            {h(22, 0), h(5, 0), h(5, 0), false},
		"by day":                {h(22, 0), h(5, 0), h(12, 0), false},
		"of a day":              {h(12, 0), h(13, 30), h(13, 0), true},
		"of a day, before":      {h(12, 0), h(13, 30), h(11, 59), false},
		"from midnight":         {h(0, 0), h(5, 0), h(0, 0), true},
		"from midnight, before": {h(0, 0), h(5, 0), h(23, 59), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q := &QuietHours{From: tt.from, To: tt.to}
			if got := q.covers(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(tt.at)); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// In quiet hours the lamp tells alone; what was not kept is heard at any hour, and
// without a clock no hour is quiet.
func TestQuietHours(t *testing.T) {
	var unset atomic.Bool
	cfg := signalling()
	cfg.Lamps.Alive = nil // four changes a second would take long to play
	cfg.Quiet = &QuietHours{From: 22 * time.Hour, To: 5 * time.Hour, Now: func() (time.Time, bool) { return time.Now().UTC(), !unset.Load() }}
	beeps := func(b *booth, do func()) int { return (len(b.played("GPIO26", 20*time.Second, do)) + 1) / 2 }
	in(t, cfg, func(b *booth) { // a bubble begins at midnight
		if n := beeps(b, func() { b.press("GPIO17"); b.wantLamps("S", "at night") }); n != 0 {
			t.Errorf("%d beeps at night", n)
		}
		b.store.set(errDisk, 0)
		if n := beeps(b, func() { b.press("GPIO17") }); n != 1 {
			t.Errorf("%d beeps at night for a press that was not kept, want 1", n)
		}
		b.store.set(nil, 0)
		time.Sleep(5 * time.Hour)
		if n := beeps(b, func() { b.press("GPIO17") }); n != 1 {
			t.Errorf("%d beeps by day, want 1", n)
		}
		time.Sleep(18 * time.Hour)
		unset.Store(true)
		if n := beeps(b, func() { b.press("GPIO17") }); n != 1 {
			t.Errorf("%d beeps at night without a clock, want 1", n)
		}
	})
}
