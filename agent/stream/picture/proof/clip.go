package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"kentongan/agent/stream/picture"
)

// lookEvery is the simulated time between two keyframes, in seconds.
const lookEvery = 5

// size of the pictures; sub-streams of cameras have about so many pixels, and
// some are larger.
var sizes = [][2]int{{480, 270}, {480, 270}, {640, 360}}

// clip is one labelled stream: it is healthy, then has a fault, then is
// healthy again. Simulated time is the stream's own time, at few frames a
// second, so that it passes faster than the wall clock.
type clip struct {
	Name    string
	Seed    uint64
	Source  string // a weather below, or a source of ffmpeg
	Width   int
	Height  int
	Noise   int    // of the sensor, ffmpeg's noise=alls
	Fault   string // a condition of package picture; "" for a healthy clip
	Variant string
	Codec   string // h264, h265, mjpeg
	Rate    string // crf23 ... cbr1, cbr2
	GOP     int    // frames between two looks
	Clock   bool   // drawn into the picture, as cameras do
	Learn   int    // looks before the fault
	Bad     int    // looks with it
	After   int    // looks after it
	Late    int    // frames between the last good look and the fault
}

func (c *clip) looks() int     { return c.Learn + c.Bad + c.After }
func (c *clip) fps() float64   { return float64(c.GOP) / lookEvery }
func (c *clip) from() float64  { return float64(c.Learn*lookEvery) + float64(c.Late)/c.fps() - 0.01 }
func (c *clip) until() float64 { return c.from() + float64(c.Bad*lookEvery) }
func (c *clip) describe() string {
	fault := strings.TrimSuffix(c.Fault+"/"+c.Variant, "/")
	return fmt.Sprintf("%s %s %s noise %d %s %s gop %d clock %v %dx%d", c.Name, c.Source, fault, c.Noise, c.Codec, c.Rate, c.GOP, c.Clock, c.Width, c.Height)
}

// ramp goes from a to b between two times.
func ramp(t, from, until, a, b float64) float64 {
	return a + (b-a)*min(max((t-from)/(until-from), 0), 1)
}

// weathers are the scenes that we draw; at is when something happens in them.
var weathers = map[string]func(at float64) weather{
	"street":   func(float64) weather { return weather{people: 3, cars: 2} },
	"market":   func(float64) weather { return weather{place: "market", people: 14} },
	"corridor": func(float64) weather { return weather{place: "corridor"} },
	"rain":     func(float64) weather { return weather{people: 1, cars: 2, rain: 260} },
	"windy":    func(float64) weather { return weather{people: 2, cars: 1, shake: 2} },
	"night": func(float64) weather {
		return weather{cars: 2, light: func(float64) light { return light{day: 0, gain: 1} }}
	},
	"infrared": func(float64) weather {
		return weather{people: 1, rain: 8, light: func(float64) light { return light{ir: true, gain: 1} }}
	},
	"pan": func(float64) weather { return weather{people: 3, cars: 2, pan: 8} },
	"dusk": func(at float64) weather {
		return weather{people: 2, cars: 2, light: func(t float64) light {
			return light{day: ramp(t, at-240, at+240, 1, 0), gain: 1}
		}}
	},
	"dawn": func(at float64) weather {
		return weather{people: 2, cars: 2, light: func(t float64) light {
			return light{day: ramp(t, at-240, at+240, 0, 1), gain: 1}
		}}
	},
	"unlit": func(at float64) weather { // dusk in a place without lamps
		return weather{light: func(t float64) light { return light{day: 1, gain: ramp(t, at-400, at+200, 1, 0.02)} }}
	},
	"irswitch": func(at float64) weather {
		return weather{people: 1, cars: 1, light: func(t float64) light {
			return light{day: ramp(t, at-200, at, 1, 0.2), ir: t >= at, gain: 1}
		}}
	},
	"lamp": func(at float64) weather {
		return weather{place: "corridor", light: func(t float64) light {
			l := light{day: 0.1, gain: 1}
			if t >= at {
				l.day, l.lamp = 0.3, 1
			}
			return l
		}}
	},
	"lightsoff": func(at float64) weather {
		return weather{place: "corridor", light: func(t float64) light {
			if t >= at {
				return light{day: 0, gain: 1}
			}
			return light{day: 1, gain: 1}
		}}
	},
	"cloud": func(at float64) weather {
		return weather{people: 3, cars: 2, light: func(t float64) light {
			return light{day: 1, gain: 0.8 + 0.2*math.Sin(t/40)}
		}}
	},
	"truck": func(at float64) weather { return weather{people: 2, cars: 1, truck: at} },
	"still": func(float64) weather { return weather{place: "corridor"} }, // with noise 0: denoised, empty
}

// lavfi are sources that ffmpeg draws.
var lavfi = map[string]string{
	"testsrc2":   "testsrc2=s=%dx%d:r=%s",
	"mandelbrot": "mandelbrot=s=%dx%d:r=%s:maxiter=300:end_scale=0.1:end_pts=300",
	"life":       "life=s=%dx%d:r=%s:mold=10:life_color=0x60c060:death_color=0x405040:ratio=0.25:seed=7",
	"gradients":  "gradients=s=%dx%d:r=%s:speed=0.02:seed=9:n=4",
	"bars":       "smptehdbars=s=%dx%d:r=%s",
	"cellauto":   "cellauto=s=%dx%d:r=%s:rule=110:scroll=1:seed=5",
}

// kind is a row of the set: how many clips, of which sources, with which fault.
type kind struct {
	count            int
	fault            string
	variants         []string
	sources          []string
	learn, bad, more int
}

var (
	alive  = []string{"street", "market", "corridor", "rain", "night", "infrared", "dusk", "dawn", "windy", "cloud"}
	any    = append([]string{"pan", "testsrc2", "mandelbrot", "life", "gradients", "bars", "truck", "lamp"}, alive...)
	events = []string{"dusk", "dawn", "unlit", "irswitch", "lamp", "lightsoff", "cloud", "truck", "corridor", "corridor", "rain", "windy",
		"night", "infrared", "pan", "still", "street", "market", "testsrc2", "mandelbrot", "life", "gradients", "bars", "cellauto"}
	fixed = []string{"street", "market", "corridor", "rain", "night", "infrared", "windy", "cloud"}
)

// kinds of the set, for 450 clips. What is hard has more clips.
var kinds = []kind{
	{96, "", nil, events, 100, 60, 0},
	{72, picture.Frozen, []string{"sensor", "sensor", "all", "repeated"}, append([]string{"pan", "testsrc2", "mandelbrot", "life"}, alive...), 50, 18, 8},
	{6, picture.Frozen, []string{"all", "repeated"}, []string{"still"}, 50, 18, 8},
	{40, picture.Black, []string{"signal", "cap"}, any, 40, 12, 12},
	{30, picture.White, []string{"signal", "glare"}, any, 40, 12, 12},
	{54, picture.Covered, []string{"dark", "cloth", "hand", "paint"}, append([]string{"pan", "bars"}, alive...), 50, 14, 14},
	{54, picture.Blurred, []string{"a little", "much"}, fixed, 60, 80, 0},
	{54, picture.Moved, []string{"shift", "turn"}, fixed, 60, 154, 0},
	{30, picture.Garbage, []string{"few", "many"}, any, 40, 12, 12},
	{14, picture.Cast, []string{"green", "red"}, []string{"street", "market", "corridor", "rain"}, 50, 20, 0},
}

// set lists the clips of a seed. The same seed gives the same clips.
func set(seed uint64, share float64) []*clip {
	var clips []*clip
	for k, kind := range kinds {
		n := max(int(float64(kind.count)*share+0.5), 1)
		for i := range n {
			rng := rand.New(rand.NewPCG(seed, uint64(k*1000+i)))
			clips = append(clips, kind.clip(i, rng))
		}
	}
	return clips
}

func (k kind) clip(i int, rng *rand.Rand) *clip {
	size := sizes[rng.IntN(len(sizes))]
	c := &clip{
		Seed: rng.Uint64() >> 1, Source: k.sources[(i+rng.IntN(2)*len(k.sources)/2)%len(k.sources)], Fault: k.fault,
		Width: size[0], Height: size[1], Noise: 3 + rng.IntN(6), Clock: rng.IntN(3) > 0,
		Codec: []string{"h264", "h264", "h264", "h265", "mjpeg"}[rng.IntN(5)],
		Rate:  []string{"crf23", "crf28", "crf33", "cbr1", "cbr2"}[rng.IntN(5)],
		GOP:   []int{2, 2, 4, 6}[rng.IntN(4)],
		Learn: k.learn + rng.IntN(8), Bad: k.bad, After: k.more,
	}
	if len(k.variants) > 0 {
		c.Variant = k.variants[i%len(k.variants)]
	}
	if c.looks() > 130 || c.Codec == "h265" {
		c.GOP = 2
	}
	if c.Codec == "h265" { // its encoder is slow
		c.Width, c.Height = sizes[0][0], sizes[0][1]
	}
	c.Late = rng.IntN(c.GOP) + 1
	switch c.Source {
	case "still":
		c.Noise = 0
		c.Clock = c.Clock || c.Fault != ""
	case "night", "infrared":
		c.Noise += 3
	}
	name := c.Fault
	if name == "" {
		name = "healthy"
	}
	c.Name = fmt.Sprintf("%s-%02d", name, i)
	return c
}
