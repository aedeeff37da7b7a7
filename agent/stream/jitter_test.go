package stream

import (
	"math"
	"testing"
	"time"
)

func TestJitter(t *testing.T) {
	const frame = 40 * time.Millisecond // 25 a second, 3600 ticks
	tests := map[string]struct {
		first uint32
		delay func(n int) time.Duration // of frame n
		want  float64                   // seconds
	}{
		"steady":        {0, func(int) time.Duration { return 0 }, 0},
		"over the wrap": {math.MaxUint32 - 100*3600, func(int) time.Duration { return 0 }, 0},
		"every second frame 8 ms late": {
			math.MaxUint32 - 100*3600, func(n int) time.Duration { return time.Duration(n%2) * 8 * time.Millisecond }, 0.008,
		},
		"a pause of a minute is no jitter": {0, func(n int) time.Duration {
			if n >= 200 {
				return time.Minute
			}
			return 0
		}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var j jitter
			for n := range 400 {
				j.add(time.Duration(n)*frame+tt.delay(n), tt.first+uint32(n)*3600, 90000)
			}
			if math.Abs(j.seconds-tt.want) > 0.0002 {
				t.Errorf("jitter %.6f s, want %.6f", j.seconds, tt.want)
			}
		})
	}
}
