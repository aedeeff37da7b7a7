package main

import (
	"math"
	"math/rand/v2"
)

// plane is one picture in planar YUV 4:2:0, limited range.
type plane struct {
	w, h    int
	y, u, v []byte
}

func newPlane(w, h int) *plane {
	return &plane{w: w, h: h, y: make([]byte, w*h), u: make([]byte, w/2*h/2), v: make([]byte, w/2*h/2)}
}

// weather is what happens before a camera; the zero value is a calm day.
type weather struct {
	place   string                // street, corridor, market
	light   func(t float64) light // at t seconds
	people  int                   // in the picture at a time
	cars    int
	rain    int                         // streaks in each frame
	truck   float64                     // when one parks before the camera, for good; 0 is never
	leaves  float64                     // when it drives off again; 0 is never
	pan     float64                     // widths of the picture each hour, there and back
	shake   float64                     // of the pole in the wind, in thousandths of the width
	shadows bool                        // of the sun, which wander
	hourly  func(t float64, w *weather) // what is not so all day
}

// light is the mixture of the three ways in which a place can be seen.
type light struct {
	day  float64 // 0 night under lamps, 1 full day
	ir   bool    // by the camera's infrared lamps, without colours
	gain float64 // of the camera, 1 for none
	lamp float64 // of one that is switched on in a part of the picture
}

// scene draws a place of which everything is decided by the seed.
type scene struct {
	weather
	seed           uint64
	day, night, ir *plane
	sun            int // for which stretch of time the day was drawn
	out            *plane
	canvas         int // width of what is drawn; wider than out for a scene that pans
}

// sunStep is how long the shadows stand still.
const sunStep = 600

func newScene(w weather, seed uint64, width, height int) *scene {
	s := &scene{weather: w, seed: seed, sun: -1, canvas: width, out: newPlane(width, height)}
	if w.pan != 0 || w.shake != 0 {
		s.canvas = (width + width/2) &^ 1
	}
	s.night = newPlane(s.canvas, height)
	s.ir = newPlane(s.canvas, height)
	s.draw(s.night, "night", 0)
	s.draw(s.ir, "ir", 0)
	return s
}

// frame draws the picture at t seconds; the result is good until the next one.
func (s *scene) frame(t float64) *plane {
	if sun := int(t / sunStep); s.day == nil || s.shadows && sun != s.sun {
		s.day, s.sun = newPlane(s.canvas, s.out.h), sun
		s.draw(s.day, "day", t)
	}
	l := light{day: 1, gain: 1}
	if s.light != nil {
		l = s.light(t)
	}
	if s.hourly != nil {
		s.hourly(t, &s.weather)
	}
	rng := rand.New(rand.NewPCG(s.seed, uint64(t*1000)))
	s.blend(l, s.offset(t, rng))
	if l.lamp > 0 {
		s.glow(0.7, 0.15, 0.35, l.lamp*90)
	}
	s.move(t, l, rng)
	for range s.rain {
		s.streak(rng)
	}
	return s.out
}

// offset is how far the camera looks to the right.
func (s *scene) offset(t float64, rng *rand.Rand) int {
	room := float64(s.canvas - s.out.w)
	x := room / 2
	if s.pan != 0 {
		x += room / 2 * math.Sin(2*math.Pi*t*s.pan/3600)
	}
	return int(x+rng.NormFloat64()*s.shake*float64(s.out.w)/1000) &^ 1
}

func (s *scene) blend(l light, x int) {
	dark := s.night
	weight := int(256 * min(max(l.day, 0), 1))
	if l.ir {
		dark, weight = s.ir, 0
	}
	gain := int(256 * l.gain)
	o := s.out
	x = min(max(x, 0), s.canvas-o.w) &^ 1
	for row := range o.h {
		d := s.day.y[row*s.canvas+x : row*s.canvas+x+o.w]
		n := dark.y[row*s.canvas+x : row*s.canvas+x+o.w]
		for i := range d {
			v := (int(d[i])*weight+int(n[i])*(256-weight))>>8 - 16
			o.y[row*o.w+i] = byte(min(max(v*gain>>8, 0)+16, 235))
		}
	}
	for row := range o.h / 2 {
		from, to := row*s.canvas/2+x/2, row*o.w/2
		for i := range o.w / 2 {
			o.u[to+i] = byte((int(s.day.u[from+i])*weight + int(dark.u[from+i])*(256-weight)) >> 8)
			o.v[to+i] = byte((int(s.day.v[from+i])*weight + int(dark.v[from+i])*(256-weight)) >> 8)
		}
	}
}

// move draws who is in the picture at t.
func (s *scene) move(t float64, l light, rng *rand.Rand) {
	o := s.out
	bright := min(max(0.15, l.day), 1)
	for range s.people {
		x, y := rng.Float64(), 0.55+0.4*rng.Float64()
		h := 0.05 + 0.12*(y-0.5)
		o.ellipse(x, y, h*0.18, h, 16+bright*(20+150*rng.Float64()), 118+rng.IntN(20), 118+rng.IntN(20))
	}
	for range s.cars {
		if rng.IntN(3) > 0 {
			continue // not always one on the road
		}
		x, y := rng.Float64(), 0.72+0.12*rng.Float64()
		o.rect(x, y, 0.11, 0.09, 16+bright*(30+160*rng.Float64()), 112+rng.IntN(32), 112+rng.IntN(32))
		o.rect(x+0.02, y-0.04, 0.06, 0.05, 16+bright*40, 128, 128)
		if l.day < 0.4 {
			s.glow(x, y+0.04, 0.12, 150)
		}
	}
	if s.truck > 0 && t >= s.truck && (s.leaves == 0 || t < s.leaves) {
		o.rect(0.05, 0.35, 0.38, 0.45, 16+bright*140, 120, 140)
		o.rect(0.07, 0.38, 0.34, 0.3, 16+bright*170, 126, 132)
		o.rect(0.1, 0.76, 0.06, 0.08, 16+bright*20, 128, 128)
		o.rect(0.33, 0.76, 0.06, 0.08, 16+bright*20, 128, 128)
	}
}

// glow adds light around a point; x, y and r are shares of the picture.
func (s *scene) glow(x, y, r, strength float64) {
	o := s.out
	cx, cy, rad := int(x*float64(o.w)), int(y*float64(o.h)), int(r*float64(o.h))
	for py := max(cy-rad, 0); py < min(cy+rad, o.h); py++ {
		for px := max(cx-rad, 0); px < min(cx+rad, o.w); px++ {
			d := float64((px-cx)*(px-cx)+(py-cy)*(py-cy)) / float64(rad*rad)
			if d < 1 {
				o.y[py*o.w+px] = byte(min(float64(o.y[py*o.w+px])+strength*(1-d)*(1-d), 235))
			}
		}
	}
}

// streak is a drop of rain, or an insect before the infrared lamps.
func (s *scene) streak(rng *rand.Rand) {
	o := s.out
	x, y, n := rng.IntN(o.w), rng.IntN(o.h), o.h/20+rng.IntN(o.h/12)
	for i := range n {
		px, py := x+i/5, y+i
		if px < o.w && py < o.h {
			o.y[py*o.w+px] = byte(min(int(o.y[py*o.w+px])+40, 235))
		}
	}
}
