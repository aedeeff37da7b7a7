package picture

import (
	"fmt"
	"testing"
	"time"
)

// fault is a row: what a camera shows for five minutes, and then.
type fault struct {
	healthy func(c *camera, i int) *Frame
	then    func(c *camera, i int) *Frame
	looks   int    // of what comes then
	want    string // the condition, "" for none
	within  int    // looks
}

func living(c *camera, _ int) *Frame { return c.noisy(town(1)) }

var faults = map[string]fault{
	"a living corridor":                {living, living, 150, "", 0},
	"the same picture again and again": {living, func(c *camera, _ int) *Frame { return town(1) }, 20, Frozen, 13},
	"frozen, and the quantizer wanders": {living, func(c *camera, i int) *Frame {
		return quantized(town(1), []int{3, 5, 4, 7, 3, 6}[i%6])
	}, 20, Frozen, 13},
	"noise that fades as the sun comes out": {living, func(c *camera, i int) *Frame {
		strong := 2 * max(1-float64(i)/100, 0.17)
		return relight(town(1), func(_, _, v int) int { return int(float64(v) + c.rng.NormFloat64()*strong + 0.5) })
	}, 150, "", 0},
	"frozen under a clock that runs": {withClock(living), withClock(func(*camera, int) *Frame { return town(1) }), 20, Frozen, 13},
	"nothing moves, and nothing did": {stillTown, stillTown, 150, "", 0},
	"the clock stops where nothing moves": {withClock(stillTown), func() func(c *camera, i int) *Frame {
		stopped := withClock(stillTown)
		var f *Frame
		return func(c *camera, i int) *Frame {
			if f == nil {
				f = stopped(c, 0)
			}
			return f
		}
	}(), 20, Frozen, 13},
	"a hand before the lens": {living, func(c *camera, _ int) *Frame {
		return c.noisy(relight(filled(50), func(x, y, v int) int { return v + x/6 + y/9 }))
	}, 20, Covered, 8},
	"cloth before the lens, under a clock": {withClock(living), withClock(func(c *camera, _ int) *Frame {
		return c.noisy(relight(filled(80), func(x, y, v int) int { return v + 4*((x/3+y/3)%2) }))
	}), 20, Covered, 8},
	"out of focus":            {living, func(c *camera, _ int) *Frame { return c.noisy(soft(town(1), 2)) }, 90, Blurred, 72},
	"turned a little":         {living, func(c *camera, _ int) *Frame { return c.noisy(shifted(town(1), 20, 3)) }, 160, Moved, 144},
	"turned to another place": {living, func(c *camera, _ int) *Frame { return c.noisy(town(2)) }, 160, Moved, 144},
	"a lorry before a part": {living, func(c *camera, _ int) *Frame {
		return c.noisy(relight(town(1), func(x, y, v int) int {
			if x < 65 && y > 30 {
				return 150 + 30*(x/20%2)
			}
			return v
		}))
	}, 150, "", 0},
	"infrared light": {living, func(c *camera, _ int) *Frame {
		return c.noisy(colourless(relight(town(1), func(x, y, v int) int { return 40 + (235-v)/2 })))
	}, 150, "", 0},
	"dusk, and then no light": {living, func(c *camera, i int) *Frame {
		return c.noisy(relight(town(1), func(x, y, v int) int { return 18 + (v-18)*max(120-i, 0)/120 }))
	}, 150, "", 0},
	"a cap on the lens": {living, func(c *camera, _ int) *Frame { return c.noisy(filled(19)) }, 20, Black, 8},
	"no signal at night": {func(c *camera, _ int) *Frame { return c.noisy(street()) },
		func(*camera, int) *Frame { return filled(16) }, 20, Black, 8},
}

func stillTown(*camera, int) *Frame { return town(1) }

// withClock draws a clock whose letters are others at each look.
func withClock(f func(*camera, int) *Frame) func(*camera, int) *Frame {
	return func(c *camera, i int) *Frame {
		drawn := *f(c, i)
		return clock(&drawn, c.rng)
	}
}

// TestFaults tells the beginning and the end of each fault.
func TestFaults(t *testing.T) {
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			c := newCamera(Config{})
			if early := alarms(c.looks(60, func(i int) *Frame { return tt.healthy(c, i) })); len(early) > 0 {
				t.Fatalf("alarms in a healthy picture: %+v", early)
			}
			began := c.at
			said := alarms(c.looks(tt.looks, func(i int) *Frame { return tt.then(c, i) }))
			if tt.want == "" {
				if len(said) > 0 {
					t.Errorf("%+v, want nothing", said)
				}
				return
			}
			if len(said) != 1 || said[0].Condition != tt.want || !said[0].Present || said[0].Confidence < 0.5 || said[0].Detail == "" {
				t.Fatalf("%+v, want %s with a confidence and a detail", said, tt.want)
			}
			if late := c.began[tt.want].Sub(began); late > time.Duration(tt.within)*5*time.Second {
				t.Errorf("%s after %v, want %d looks", tt.want, late, tt.within)
			}
			after := 30
			if tt.want == Moved || tt.want == Blurred {
				after = 130
			}
			said = alarms(c.looks(after, func(i int) *Frame { return tt.healthy(c, i) }))
			if len(said) != 1 || said[0].Condition != tt.want || said[0].Present {
				t.Errorf("afterwards %+v; want only the end of %s", said, tt.want)
			}
		})
	}
}

// TestConfiguredMask shows a camera whose clock is masked, for which nothing
// has to be learned.
func TestConfiguredMask(t *testing.T) {
	c := newCamera(Config{Masks: []Rect{{0, 0, 300, 120}}})
	if said := alarms(c.looks(10, func(int) *Frame { return clock(filled(16), c.rng) })); len(said) != 1 || said[0].Condition != Black {
		t.Errorf("%+v, want black", said)
	}
}

func TestInformations(t *testing.T) {
	tests := map[string]struct {
		then func(c *camera, i int) *Frame
		want string
	}{
		"infrared": {func(c *camera, _ int) *Frame { return c.noisy(colourless(town(1))) }, Night},
		"dark": {func(c *camera, _ int) *Frame {
			return c.noisy(relight(town(1), func(_, _, v int) int { return 16 + v/12 }))
		}, Night},
		"green": {func(c *camera, _ int) *Frame { return c.noisy(tinted(town(1), -22, -26)) }, Cast},
		"still": {stillTown, Still},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCamera(Config{})
			healthy := living
			if tt.want == Still {
				healthy = stillTown
			}
			c.looks(60, func(i int) *Frame { return healthy(c, i) })
			said := c.looks(150, func(i int) *Frame { return tt.then(c, i) })
			if len(said) != 1 || said[0].Condition != tt.want || !said[0].Present || !said[0].Info {
				t.Errorf("%+v, want the information %s", said, tt.want)
			}
		})
	}
}

func tinted(f *Frame, u, v int) *Frame {
	n := *f
	for i := range n.U {
		n.U[i], n.V[i] = byte(int(n.U[i])+u), byte(int(n.V[i])+v)
	}
	return &n
}

// TestDarkHours shows a room whose light is turned off at once each evening:
// by the fourth it is no alarm, unless the clock can't be trusted.
func TestDarkHours(t *testing.T) {
	for _, set := range []bool{true, false} {
		t.Run(fmt.Sprintf("clock set %v", set), func(t *testing.T) {
			c := newCamera(Config{})
			c.hint.ClockSet = set
			black := 0
			for range 4 {
				c.at = c.at.Truncate(24 * time.Hour).Add(24*time.Hour + 18*time.Hour)
				c.looks(30, func(i int) *Frame { return living(c, i) })
				black = 0
				for _, v := range c.looks(680, func(int) *Frame { return c.noisy(filled(19)) }) {
					if v.Condition == Black && v.Present {
						black++
					}
				}
			}
			if want := map[bool]int{true: 0, false: 1}[set]; black != want {
				t.Errorf("black %d times on the fourth evening, want %d", black, want)
			}
		})
	}
}

// TestClockIsUnset goes on when the board's clock jumps from 1970 to now.
func TestClockIsUnset(t *testing.T) {
	c := newCamera(Config{})
	c.looks(60, func(i int) *Frame { return living(c, i) })
	c.at, c.hint.ClockSet = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), true
	if said := c.looks(60, func(i int) *Frame { return living(c, i) }); len(said) > 0 {
		t.Errorf("%+v after the clock was set", said)
	}
	c.at = c.at.Add(-time.Hour)
	if said := c.looks(60, func(i int) *Frame { return living(c, i) }); len(said) > 0 {
		t.Errorf("%+v after the clock went back", said)
	}
}

func TestSuspicious(t *testing.T) {
	c := newCamera(Config{})
	c.looks(60, func(i int) *Frame { return living(c, i) })
	if c.j.Suspicious() {
		t.Error("suspicious of a healthy picture")
	}
	c.looks(1, func(int) *Frame { return filled(16) })
	if !c.j.Suspicious() {
		t.Error("not suspicious of a black one")
	}
	c.looks(12, func(int) *Frame { return filled(16) })
	if c.j.Suspicious() {
		t.Error("suspicious still, though black was said")
	}
}

// TestSizeIsAHint: a small keyframe makes a finding surer where the bit rate
// may vary, and is nothing by itself.
func TestSizeIsAHint(t *testing.T) {
	confidence := func(constant bool) float64 {
		c := newCamera(Config{})
		c.hint = Hint{Bytes: 60 << 10, ConstantRate: constant}
		c.looks(60, func(i int) *Frame { return living(c, i) })
		c.hint.Bytes = 2 << 10
		if said := c.looks(2, func(i int) *Frame { return living(c, i) }); len(said) > 0 {
			t.Errorf("%+v from the size alone", said)
		}
		said := c.looks(10, func(int) *Frame {
			return c.noisy(relight(filled(19), func(x, y, v int) int { return v + 40*(x/10%16/15) }))
		})
		if len(said) != 1 || said[0].Condition != Black {
			t.Fatalf("%+v, want black", said)
		}
		return said[0].Confidence
	}
	if varying, constant := confidence(false), confidence(true); varying <= constant {
		t.Errorf("confidence %.2f with a varying rate, %.2f with a constant one", varying, constant)
	}
}

// TestNightDoesNotFlap shows clouds before the moon: a picture that is a little
// lighter and a little darker than the bound of night.
func TestNightDoesNotFlap(t *testing.T) {
	c := newCamera(Config{})
	c.looks(40, func(i int) *Frame { return living(c, i) })
	said := c.looks(200, func(i int) *Frame {
		return c.noisy(relight(town(1), func(_, _, v int) int { return 16 + (v-16)*(22+8*(i/25%2))/100 }))
	})
	if len(said) != 1 || said[0].Condition != Night || !said[0].Present {
		t.Errorf("%+v, want night once", said)
	}
}
