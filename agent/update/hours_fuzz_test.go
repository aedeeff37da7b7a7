package update

import (
	"testing"
	"time"
)

// FuzzHours: hours that somebody typed are within a day, and come within a day.
func FuzzHours(f *testing.F) {
	for _, s := range []string{"01:00-05:00", "23:30-04:00", "24:00-01:00", "1:2-3:4 5", "-1:00-2:00", "00:00-00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHours(s)
		if err != nil || !h.Set {
			return
		}
		const day = 24 * time.Hour
		if h.From < 0 || h.From >= day || h.To < 0 || h.To >= day || h.From == h.To {
			t.Errorf("%q is %+v", s, h)
		}
		for hour := range 24 {
			if d := h.until(time.Date(2026, 11, 26, hour, 59, 59, 0, time.UTC), true); d < 0 || d >= day {
				t.Errorf("%q at %d:59: wait %v", s, hour, d)
			}
		}
	})
}
