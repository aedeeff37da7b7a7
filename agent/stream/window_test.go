package stream

import (
	"math"
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	w := newWindow(time.Second, 10)
	for ms := range 60_000 { // one packet of 100 bytes each millisecond
		c := w.at(time.Duration(ms) * time.Millisecond)
		c.packets++
		c.bytes += 100
	}
	total, covered := w.sum(59_999 * time.Millisecond)
	if want := 9_999 * time.Millisecond; covered != want {
		t.Errorf("covers %v, want %v", covered, want)
	}
	if total.packets != 10_000 || total.bytes != 1_000_000 {
		t.Errorf("%d packets of %d bytes, want 10000 of 1000000", total.packets, total.bytes)
	}
	// Nothing came for 9 s: one second of the old is left, then nothing.
	if total, _ := w.sum(68_500 * time.Millisecond); total.packets != 1000 {
		t.Errorf("after 9 s: %d packets, want 1000", total.packets)
	}
	if total, _ := w.sum(90 * time.Second); total.packets != 0 {
		t.Errorf("after 30 s: %d packets, want 0", total.packets)
	}
}

func TestWindowThatBeganLately(t *testing.T) {
	w := newWindow(time.Second, 10)
	w.at(0).bytes = 500
	total, covered := w.sum(2500 * time.Millisecond)
	if total.bytes != 500 || covered != 2500*time.Millisecond {
		t.Errorf("%d bytes over %v, want 500 over 2.5s", total.bytes, covered)
	}
}

func TestFPS(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		t            tally
		now, covered time.Duration
		want         float64
	}{
		"25 by time stamps, arrivals in bursts": {
			tally{frames: 251, first: 0, last: 9 * s, firstTS: 0, lastTS: 900_000}, 9 * s, 10 * s, 25,
		},
		"clock at the wrong rate": {
			tally{frames: 251, first: 0, last: 10 * s, firstTS: 0, lastTS: 10_000}, 10 * s, 10 * s, 25,
		},
		"time stamps stand still": {
			tally{frames: 101, first: 0, last: 10 * s, firstTS: 7, lastTS: 7}, 10 * s, 10 * s, 10,
		},
		"stopped 5 s ago": {
			tally{frames: 126, first: 0, last: 5 * s, firstTS: 0, lastTS: 450_000}, 10 * s, 10 * s, 12.6,
		},
		"none":           {tally{}, 10 * s, 10 * s, 0},
		"one":            {tally{frames: 1, first: s, last: s}, 2 * s, 2 * s, 0.5},
		"too early":      {tally{frames: 1}, s / 4, s / 4, 0},
		"one in 2 s":     {tally{frames: 6, first: 0, last: 10 * s, firstTS: 0, lastTS: 900_000}, 11 * s, 10 * s, 0.5},
		"frames at once": {tally{frames: 5, first: s, last: s}, 2 * s, 2 * s, 2.5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.t.fps(tt.now, tt.covered, 90000); math.Abs(got-tt.want) > 0.001 {
				t.Errorf("%.3f, want %.3f", got, tt.want)
			}
		})
	}
}
