package main

import (
	"math"
	"math/rand/v2"
)

// draw draws the place as it looks by day at t, by night under its lamps, or by
// infrared. What stands where comes from the seed alone.
func (s *scene) draw(p *plane, mode string, t float64) {
	rng := rand.New(rand.NewPCG(s.seed, 77))
	switch s.place {
	case "corridor":
		drawCorridor(p, rng)
	case "market":
		drawMarket(p, rng)
	default:
		drawStreet(p, rng)
	}
	if s.shadows && mode == "day" {
		shade(p, rand.New(rand.NewPCG(s.seed, 78)), t)
	}
	switch mode {
	case "night":
		underLamps(p, rng, s.place == "corridor")
	case "ir":
		infrared(p, rng)
	}
}

func drawStreet(p *plane, rng *rand.Rand) {
	p.rect(0, 0, 1, 0.5, 190, 138, 120) // sky
	p.rect(0, 0.45, 1, 0.55, 95, 128, 128)
	p.grain(0, 0.45, 1, 0.55, 30, rng)
	for range 7 + rng.IntN(4) {
		x, w, h := rng.Float64()*0.95, 0.08+0.16*rng.Float64(), 0.2+0.35*rng.Float64()
		p.house(x, 0.62-h, w, h, rng)
	}
	p.rect(0, 0.7, 1, 0.22, 70, 128, 128) // the road
	for i := range 12 {
		p.rect(float64(i)/12, 0.8, 0.04, 0.012, 190, 128, 128)
	}
	for range 5 {
		p.rect(rng.Float64(), 0.2, 0.007, 0.5, 50, 128, 128)
	}
	for range 4 {
		p.tree(rng.Float64(), 0.5+0.1*rng.Float64(), 0.05+0.06*rng.Float64(), rng)
	}
}

func drawCorridor(p *plane, rng *rand.Rand) {
	p.rect(0, 0, 1, 1, 150, 126, 131)
	p.rect(0, 0.65, 1, 0.35, 105, 126, 130)
	p.rect(0, 0, 1, 0.14, 185, 127, 129)
	for i := range 6 {
		x := 0.04 + float64(i)*0.16 + 0.03*rng.Float64()
		p.rect(x, 0.25, 0.085, 0.42, 75+30*rng.Float64(), 122, 138) // a door
		p.rect(x+0.068, 0.46, 0.008, 0.02, 215, 128, 128)
		p.rect(x+0.015, 0.17, 0.05, 0.04, 205, 128, 128) // its sign
		p.rect(x+0.025, 0.18, 0.03, 0.012, 50, 128, 128)
	}
	for i := range 9 {
		p.rect(0, 0.67+float64(i)*0.037, 1, 0.004, 92, 128, 128) // tiles
		p.rect(float64(i)*0.12+0.02, 0.65, 0.004, 0.35, 92, 128, 128)
	}
	for range 3 {
		p.rect(rng.Float64(), 0.6, 0.05, 0.12, 60+60*rng.Float64(), 120, 130)
	}
}

func drawMarket(p *plane, rng *rand.Rand) {
	p.rect(0, 0, 1, 1, 120, 126, 131)
	p.grain(0, 0, 1, 1, 50, rng)
	for range 50 {
		x, y := rng.Float64(), rng.Float64()
		w, h := 0.03+0.1*rng.Float64(), 0.03+0.12*rng.Float64()
		p.rect(x, y, w, h, 35+180*rng.Float64(), 100+rng.IntN(56), 100+rng.IntN(56))
		p.grain(x, y, w, h, 40*rng.Float64(), rng)
	}
	for range 40 {
		p.ellipse(rng.Float64(), rng.Float64(), 0.01+0.02*rng.Float64(), 0.02+0.03*rng.Float64(), 40+180*rng.Float64(), 128, 128)
	}
}

func (p *plane) house(x, y, w, h float64, rng *rand.Rand) {
	p.rect(x, y, w, h, 60+120*rng.Float64(), 116+rng.IntN(18), 122+rng.IntN(20))
	p.grain(x, y, w, h, 12, rng)
	p.rect(x-0.01, y-0.03, w+0.02, 0.03, 45+60*rng.Float64(), 120, 138)
	glass, nx, ny := 25+50*rng.Float64(), 2+rng.IntN(4), 2+rng.IntN(4)
	for i := range nx {
		for k := range ny {
			p.rect(x+w*(float64(i)+0.25)/float64(nx), y+h*(float64(k)+0.2)/float64(ny), w/float64(nx)*0.5, h/float64(ny)*0.55, glass, 130, 126)
		}
	}
}

func (p *plane) tree(x, y, r float64, rng *rand.Rand) {
	p.rect(x-0.006, y, 0.012, 0.16, 50, 124, 132)
	for range 70 {
		a, d := rng.Float64()*2*math.Pi, r*math.Sqrt(rng.Float64())
		p.ellipse(x+d*math.Cos(a), y+1.5*d*math.Sin(a), 0.008, 0.014, 40+70*rng.Float64(), 116, 120)
	}
}

// shade darkens what lies in shadows that wander with the sun.
func shade(p *plane, rng *rand.Rand, t float64) {
	for range 6 {
		x := rng.Float64()*1.2 - 0.1 + 0.25*math.Sin(2*math.Pi*(t/86400-0.25))
		p.scale(x, 0.45+0.3*rng.Float64(), 0.08+0.15*rng.Float64(), 0.25, 0.62)
	}
}

// underLamps turns a day into a night with a few lamps.
func underLamps(p *plane, rng *rand.Rand, inside bool) {
	level := 0.06
	if inside {
		level = 0.25
	}
	type lamp struct{ x, y, r float64 }
	var lamps []lamp
	for range 3 + rng.IntN(3) {
		lamps = append(lamps, lamp{rng.Float64(), 0.2 + 0.3*rng.Float64(), 0.12 + 0.14*rng.Float64()})
	}
	for py := range p.h {
		for px := range p.w {
			lit := level
			for _, l := range lamps {
				dx, dy := float64(px)/float64(p.w)-l.x, (float64(py)/float64(p.h)-l.y)*0.6
				lit += 0.7 * math.Exp(-(dx*dx+dy*dy)/(l.r*l.r))
			}
			v := &p.y[py*p.w+px]
			*v = byte(16 + min(float64(*v-16)*min(lit, 1), 219))
		}
	}
	for _, l := range lamps {
		p.ellipse(l.x, l.y-0.03, 0.008, 0.014, 235, 118, 138)
	}
	p.colours(0.35)
}

// infrared takes the colours away; the light comes from the camera, and leaves
// and cloth are brighter in it than by day.
func infrared(p *plane, rng *rand.Rand) {
	tone := 0.8 + 0.3*rng.Float64()
	for py := range p.h {
		for px := range p.w {
			dx, dy := float64(px)/float64(p.w)-0.5, float64(py)/float64(p.h)-0.55
			lit := 1.05 * math.Exp(-(dx*dx+dy*dy)/0.16)
			v := &p.y[py*p.w+px]
			*v = byte(18 + min((float64(*v)-16)*lit*tone*0.8, 217))
		}
	}
	p.colours(0)
}

// colours scales the distance of all colours from grey.
func (p *plane) colours(by float64) {
	for i := range p.u {
		p.u[i] = byte(128 + (float64(p.u[i])-128)*by)
		p.v[i] = byte(128 + (float64(p.v[i])-128)*by)
	}
}

// rect fills a rectangle; coordinates are shares of the picture.
func (p *plane) rect(x, y, w, h, luma float64, u, v int) {
	p.each(x, y, w, h, func(i, _, _ int) { p.y[i] = byte(luma) })
	p.tint(x, y, w, h, u, v)
}

func (p *plane) scale(x, y, w, h, by float64) {
	p.each(x, y, w, h, func(i, _, _ int) { p.y[i] = byte(16 + by*float64(p.y[i]-16)) })
}

// grain roughens a rectangle: stone, plaster, leaves.
func (p *plane) grain(x, y, w, h, strength float64, rng *rand.Rand) {
	cell := max(p.w/160, 1)
	seed := rng.Uint64()
	p.each(x, y, w, h, func(i, px, py int) {
		n := (uint64(px/cell)*0x9E3779B97F4A7C15 ^ uint64(py/cell)*0xC2B2AE3D27D4EB4F ^ seed) * 0xFF51AFD7ED558CCD
		p.y[i] = byte(min(max(float64(p.y[i])+strength*(float64(n>>56)/255-0.5), 17), 234))
	})
}

func (p *plane) ellipse(x, y, rx, ry, luma float64, u, v int) {
	p.each(x-rx, y-ry, 2*rx, 2*ry, func(i, px, py int) {
		dx, dy := (float64(px)/float64(p.w)-x)/rx, (float64(py)/float64(p.h)-y)/ry
		if dx*dx+dy*dy < 1 {
			p.y[i] = byte(luma)
		}
	})
	p.tint(x-rx/2, y-ry/2, rx, ry, u, v)
}

func (p *plane) each(x, y, w, h float64, f func(i, px, py int)) {
	for py := max(int(y*float64(p.h)), 0); py < min(int((y+h)*float64(p.h)), p.h); py++ {
		for px := max(int(x*float64(p.w)), 0); px < min(int((x+w)*float64(p.w)), p.w); px++ {
			f(py*p.w+px, px, py)
		}
	}
}

func (p *plane) tint(x, y, w, h float64, u, v int) {
	cw, ch := p.w/2, p.h/2
	for py := max(int(y*float64(ch)), 0); py < min(int((y+h)*float64(ch)), ch); py++ {
		for px := max(int(x*float64(cw)), 0); px < min(int((x+w)*float64(cw)), cw); px++ {
			p.u[py*cw+px], p.v[py*cw+px] = byte(u), byte(v)
		}
	}
}
