package picture

import (
	"math/rand/v2"
	"testing"
	"time"
)

// scene is a frame with a structure everywhere.
func scene() *Frame {
	f := new(Frame)
	for y := range Height {
		for x := range Width {
			v := 60 + x/2
			if (x/7+y/5)%2 == 0 {
				v += 60
			}
			f.Y[y*Width+x] = byte(v)
		}
	}
	grey(f)
	return f
}

func filled(luma byte) *Frame {
	f := new(Frame)
	for i := range f.Y {
		f.Y[i] = luma
	}
	grey(f)
	return f
}

func grey(f *Frame) {
	for i := range f.U {
		f.U[i], f.V[i] = 128, 128
	}
}

// sensor is noise with a standard deviation of two steps of luma.
var sensor = func() (noise [1 << 16]int8) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range noise {
		noise[i] = int8(rng.NormFloat64() * 2)
	}
	return noise
}()

// noisy returns a copy with the noise of a sensor.
func noisy(f *Frame, rng *rand.Rand) *Frame {
	n := *f
	from := rng.IntN(len(sensor) - len(n.Y))
	for i, v := range n.Y {
		n.Y[i] = byte(min(max(int(v)+int(sensor[from+i]), 0), 255))
	}
	return &n
}

// clock draws a white text of sorts into the top left corner.
func clock(f *Frame, rng *rand.Rand) *Frame {
	for y := 3; y < 9; y++ {
		for x := 4; x < 44; x++ {
			if rng.IntN(2) == 0 {
				f.Y[y*Width+x] = 235
			}
		}
	}
	return f
}

func TestBlackAndWhite(t *testing.T) {
	tests := map[string]struct {
		frame func(rng *rand.Rand) *Frame
		want  string
	}{
		"a scene":                      {func(rng *rand.Rand) *Frame { return noisy(scene(), rng) }, ""},
		"no signal":                    {func(*rand.Rand) *Frame { return filled(16) }, Black},
		"no signal under a clock":      {func(rng *rand.Rand) *Frame { return clock(filled(16), rng) }, Black},
		"black with a sensor's noise":  {func(rng *rand.Rand) *Frame { return noisy(filled(20), rng) }, Black},
		"white":                        {func(*rand.Rand) *Frame { return filled(235) }, White},
		"white beyond the limit":       {func(*rand.Rand) *Frame { return filled(255) }, White},
		"a dark street with its lamps": {func(rng *rand.Rand) *Frame { return noisy(street(), rng) }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			j, at := New(Config{}), time.Unix(0, 0)
			for i := range 12 {
				for _, v := range j.Add(at, tt.frame(rng), Hint{}) {
					if v.Condition != tt.want || !v.Present || v.Confidence < 0.5 || i < 4 || i > 7 {
						t.Errorf("look %d: %+v, want %q within 40 s", i, v, tt.want)
					}
					tt.want = "nothing more"
				}
				at = at.Add(5 * time.Second)
			}
			if tt.want != "" && tt.want != "nothing more" {
				t.Errorf("%s not found in a minute", tt.want)
			}
		})
	}
}

// street is dark, with a few lamps and what they light.
func street() *Frame {
	f := filled(19)
	for i := range 5 {
		for y := range Height {
			for x := range Width {
				dx, dy := x-(16+32*i), y-30
				if d := dx*dx + dy*dy; d < 400 {
					f.Y[y*Width+x] = byte(max(int(f.Y[y*Width+x]), 200-9*min(d, 20)))
					if d >= 20 {
						f.Y[y*Width+x] = 36
					}
				}
			}
		}
	}
	return f
}

func TestGarbage(t *testing.T) {
	j, at := New(Config{}), time.Unix(0, 0)
	var raised bool
	for range 6 {
		for _, v := range j.Failed(at, "invalid data") {
			raised = v.Condition == Garbage && v.Present && v.Detail != ""
		}
		at = at.Add(5 * time.Second)
	}
	if !raised {
		t.Error("refused keyframes for 25 s, and no garbage")
	}
	for range 10 {
		for _, v := range j.Add(at, scene(), Hint{}) {
			raised = v.Present
		}
		at = at.Add(5 * time.Second)
	}
	if raised {
		t.Error("good keyframes for 45 s, and garbage still")
	}
}
