package kiosk

import (
	"slices"
	"testing"
	"time"

	"kentongan/hal"
)

const ms = time.Millisecond

func down(at time.Duration) hal.Edge { return hal.Edge{Active: true, At: at} }
func up(at time.Duration) hal.Edge   { return hal.Edge{At: at} }

func TestDebounce(t *testing.T) {
	tests := map[string]struct {
		edges   []hal.Edge
		want    []time.Duration // kernel time of each press that counts
		bounces int
	}{
		"clean press":            {[]hal.Edge{down(0), up(120 * ms)}, []time.Duration{0}, 0},
		"two presses":            {[]hal.Edge{down(0), up(120 * ms), down(300 * ms), up(400 * ms)}, []time.Duration{0, 300 * ms}, 0},
		"contact bounces":        {[]hal.Edge{down(0), up(1 * ms), down(3 * ms), up(90 * ms)}, []time.Duration{0}, 2},
		"bounces on release":     {[]hal.Edge{down(0), up(90 * ms), down(92 * ms), up(94 * ms)}, []time.Duration{0}, 2},
		"held at boot":           {[]hal.Edge{up(40 * ms)}, nil, 0},
		"held at boot, bouncing": {[]hal.Edge{up(40 * ms), down(41 * ms), up(42 * ms)}, nil, 2},
		"just quiet enough":      {[]hal.Edge{down(0), up(100 * ms), down(120 * ms)}, []time.Duration{0, 120 * ms}, 0},
		"release was lost":       {[]hal.Edge{down(0), down(500 * ms)}, []time.Duration{0, 500 * ms}, 0},
		"never quiet":            {[]hal.Edge{down(0), up(10 * ms), down(20 * ms), up(30 * ms), down(40 * ms)}, []time.Duration{0}, 4},
		"a tap is a press":       {[]hal.Edge{down(0), up(1 * ms)}, []time.Duration{0}, 1},
		"after the boot's zero":  {[]hal.Edge{down(5 * ms)}, []time.Duration{5 * ms}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := debouncer{quiet: 20 * ms}
			var got []time.Duration
			bounces := 0
			for _, e := range tt.edges {
				press, bounce := d.press(e)
				if press {
					got = append(got, e.At)
				}
				if bounce {
					bounces++
				}
			}
			if !slices.Equal(got, tt.want) || bounces != tt.bounces {
				t.Errorf("presses at %v, %d bounces; want %v, %d", got, bounces, tt.want, tt.bounces)
			}
		})
	}
}

// 30 ms is what a line rests for where nobody says otherwise.
func TestDefaultDebounce(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.set("GPIO17", true)
		time.Sleep(50 * ms)
		b.set("GPIO17", false)
		time.Sleep(29 * ms)
		b.set("GPIO17", true) // a bounce
		time.Sleep(50 * ms)
		if s := b.kiosk.Status().Buttons[0]; s.Presses != 1 || s.Bounces != 1 {
			t.Errorf("29 ms after an edge: %+v", s)
		}
		b.set("GPIO17", false)
		time.Sleep(30 * ms)
		b.set("GPIO17", true)
		if s := b.kiosk.Status().Buttons[0]; s.Presses != 2 {
			t.Errorf("30 ms after an edge: %+v", s)
		}
		b.set("GPIO17", false)
	})
}
