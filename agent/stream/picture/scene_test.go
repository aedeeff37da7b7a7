package picture

import (
	"math/rand/v2"
	"time"
)

// camera plays a camera to a Judge, 5 s of simulated time for each look.
type camera struct {
	j     *Judge
	at    time.Time
	rng   *rand.Rand
	hint  Hint
	began map[string]time.Time // when each condition was said first
}

func newCamera(c Config) *camera {
	return &camera{j: New(c), at: time.Unix(0, 0), rng: rand.New(rand.NewPCG(3, 4)), began: map[string]time.Time{}}
}

// looks shows n frames and returns the verdicts of that time.
func (c *camera) looks(n int, frame func(i int) *Frame) []Verdict {
	var said []Verdict
	for i := range n {
		for _, v := range c.j.Add(c.at, frame(i), c.hint) {
			said = append(said, v)
			if _, ok := c.began[v.Condition]; !ok {
				c.began[v.Condition] = c.at
			}
		}
		c.at = c.at.Add(5 * time.Second)
	}
	return said
}

// alarms are the verdicts that are no informations.
func alarms(said []Verdict) []Verdict {
	var a []Verdict
	for _, v := range said {
		if !v.Info {
			a = append(a, v)
		}
	}
	return a
}

// town is a frame with things of all sizes at random places.
func town(seed uint64) *Frame { return towns[seed] }

var towns = map[uint64]*Frame{1: build(1), 2: build(2)}

func build(seed uint64) *Frame {
	rng := rand.New(rand.NewPCG(seed, 9))
	f := filled(120)
	for range 160 {
		x, y, w, h, v := rng.IntN(Width), rng.IntN(Height), 2+rng.IntN(24), 2+rng.IntN(16), 40+rng.IntN(170)
		for py := y; py < min(y+h, Height); py++ {
			for px := x; px < min(x+w, Width); px++ {
				f.Y[py*Width+px] = byte(v)
			}
		}
	}
	for i := range f.U {
		f.U[i], f.V[i] = byte(118+rng.IntN(6)), byte(134+rng.IntN(6))
	}
	return f
}

func (c *camera) noisy(f *Frame) *Frame { return noisy(f, c.rng) }

// change returns a copy with each pixel's luma changed.
func relight(f *Frame, to func(x, y int, v int) int) *Frame {
	n := *f
	for y := range Height {
		for x := range Width {
			n.Y[y*Width+x] = byte(min(max(to(x, y, int(f.Y[y*Width+x])), 16), 235))
		}
	}
	return &n
}

// shifted returns the frame as a camera sees it that was turned.
func shifted(f *Frame, dx, dy int) *Frame {
	return relight(f, func(x, y, _ int) int {
		return int(f.Y[min(max(y+dy, 0), Height-1)*Width+min(max(x+dx, 0), Width-1)])
	})
}

// soft returns the frame out of focus: each pixel the mean of those around it.
func soft(f *Frame, r int) *Frame {
	return relight(f, func(x, y, _ int) int {
		sum, n := 0, 0
		for py := max(y-r, 0); py <= min(y+r, Height-1); py++ {
			for px := max(x-r, 0); px <= min(x+r, Width-1); px++ {
				sum += int(f.Y[py*Width+px])
				n++
			}
		}
		return sum / n
	})
}

// quantized is the frame as an encoder leaves it that is at one of its steps.
func quantized(f *Frame, step int) *Frame {
	return relight(f, func(x, y, v int) int { return v / step * step })
}

// colourless takes the colours away.
func colourless(f *Frame) *Frame {
	n := *f
	grey(&n)
	return &n
}
