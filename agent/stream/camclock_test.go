package stream

import (
	"math"
	"testing"
	"time"
)

// ntpOf writes what ntpTime reads.
func ntpOf(t time.Time) uint64 {
	return uint64(t.Unix()-ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func TestNTPTime(t *testing.T) {
	for _, want := range []time.Time{
		time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 23, 10, 0, 0, 999_000_000, time.UTC), // the library is 3.29 s wrong here
		time.Date(2036, 2, 7, 6, 28, 20, 250_000_000, time.UTC),  // after the era's end
		time.Date(1970, 1, 1, 0, 0, 1, 500_000_000, time.UTC),    // a camera without a clock
	} {
		if got := ntpTime(ntpOf(want)); got.Sub(want).Abs() > time.Microsecond {
			t.Errorf("%v, want %v", got.UTC(), want)
		}
	}
}

func TestCameraClock(t *testing.T) {
	tests := map[string]struct {
		offset    func(at time.Duration) time.Duration
		want      time.Duration
		wantDrift float64 // NaN when it must not be known
		wantSteps uint64
		lasts     time.Duration
	}{
		"right": {func(time.Duration) time.Duration { return 0 }, 0, 0, 0, time.Hour},
		"3 s slow": {
			func(time.Duration) time.Duration { return -3 * time.Second }, -3 * time.Second, 0, 0, time.Hour,
		},
		"gains 200 ppm": {
			func(at time.Duration) time.Duration { return at / 5000 }, 720 * time.Millisecond, 200, 0, time.Hour,
		},
		"too short for a drift": {
			func(at time.Duration) time.Duration { return at / 5000 }, 60 * time.Millisecond, math.NaN(), 0, 5 * time.Minute,
		},
		"set by 40 s": {func(at time.Duration) time.Duration {
			if at > 30*time.Minute {
				return 40 * time.Second
			}
			return 0
		}, 40 * time.Second, 0, 1, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c cameraClock
			wall := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
			for at := time.Duration(0); at <= tt.lasts; at += 5 * time.Second {
				delay := time.Duration(at/time.Second%7) * time.Millisecond // of the network
				c.add(at, wall.Add(at+delay), ntpOf(wall.Add(at+tt.offset(at))))
			}
			if (c.offset - tt.want).Abs() > 10*time.Millisecond {
				t.Errorf("offset %v, want %v", c.offset, tt.want)
			}
			drift, ok := c.drift()
			if ok == math.IsNaN(tt.wantDrift) || ok && math.Abs(drift-tt.wantDrift) > 10 {
				t.Errorf("drift %.1f ppm (known: %v), want %.1f", drift, ok, tt.wantDrift)
			}
			if c.steps != tt.wantSteps {
				t.Errorf("%d steps, want %d", c.steps, tt.wantSteps)
			}
		})
	}
}

// TestOurClockIsSet: a board without a battery sets its own clock while the
// stream plays. That is no jump of the camera's.
func TestOurClockIsSet(t *testing.T) {
	var c cameraClock
	right := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for at := time.Duration(0); at <= time.Minute; at += 5 * time.Second {
		ours := right.Add(at)
		if at < 30*time.Second {
			ours = time.Unix(0, 0).Add(at)
		}
		c.add(at, ours, ntpOf(right.Add(at)))
	}
	if c.steps != 0 || c.offset.Abs() > time.Millisecond {
		t.Errorf("%d steps and an offset of %v, want none", c.steps, c.offset)
	}
}

func TestCameraClockWithoutTime(t *testing.T) {
	var c cameraClock
	c.add(0, time.Now(), 0)
	if c.reports != 0 {
		t.Error("a report without a time was counted")
	}
}
