package picture

import (
	"slices"
	"time"
)

// view is what is measured of one look, before it is judged. It lives on the
// stack of Add.
type view struct {
	blocks  [blocks]block
	change  [blocks]change
	recent  luma          // the running average
	average [blocks]block // of the running average, for sharpness
	edges   luma
	texture [blocks]float32

	judged                      int     // blocks
	mean, std                   float32 // of the block means
	u, v, colours               float32 // mean colours, and mean distance from grey
	black, white, flat, digital float32 // shares of blocks
	textured                    int     // blocks with edges
	strong                      float32 // edges in the blocks that have more than four fifths of them

	compared bool          // there was a look before
	jumped   float32       // share of the blocks whose light jumped
	activity float32       // percent of the pixels that changed since then
	clock    int           // blocks of the clock that changed
	repeated float32       // share of blocks that were there before to the last bit
	since    time.Duration // from when on they were, by the running time
}

// Bounds for a block. Flat and textured are well beyond the noise of a sensor
// at night, which has a variance of 2 to 5 at this size; a block without any
// noise under limited-range black is a lost signal.
const (
	flatVariance    = 16
	digitalVariance = 0.3
	digitalMean     = 17.5
	texturedEdges   = 6
	uniformPixels   = 97 // of 100
	jumpStep        = 15 // of the mean of a block between two looks
	muchPixels      = 2  // of 100: letters of a clock that changed
)

func (v *view) measure(f *Frame) {
	measure(&f.Y, &v.blocks)
	edges(&f.Y, &v.edges)
	texture(&v.edges, &v.texture)
	v.tint(f)
}

// tint measures the colours, block by block, so that the noise of a sensor
// makes none.
func (v *view) tint(f *Frame) {
	const size, width = blockSize / 2, Width / 2
	var u, w, distance int
	for i := range blocks {
		at := i/blocksX*size*width + i%blocksX*size
		bu, bw := -128*size*size, -128*size*size
		for row := range size {
			from, to := at+row*width, at+row*width+size
			for k, b := range f.U[from:to] {
				bu += int(b)
				bw += int(f.V[from+k])
			}
		}
		u += bu
		w += bw
		distance += max(bu, -bu) + max(bw, -bw)
	}
	const n = blocks * size * size
	v.u, v.v, v.colours = float32(u)/n, float32(w)/n, float32(distance)/n
}

// sum counts the blocks that are not masked.
func (v *view) sum(mask *[blocks]bool) {
	var total, squares float32
	var black, white, flat, digital int
	for i := range v.blocks {
		if mask[i] {
			continue
		}
		b := &v.blocks[i]
		v.judged++
		total += b.mean
		squares += b.mean*b.mean + b.variance
		if b.dark >= uniformPixels {
			black++
		}
		if b.bright >= uniformPixels {
			white++
		}
		if b.variance < flatVariance {
			flat++
		}
		if b.variance < digitalVariance && b.mean < digitalMean {
			digital++
		}
		if v.texture[i] >= texturedEdges {
			v.textured++
		}
	}
	v.strong = strongest(&v.texture, mask)
	n := float32(max(v.judged, 1))
	v.mean = total / n
	v.std = sqrt(max(squares/n-v.mean*v.mean, 0))
	v.black, v.white, v.flat, v.digital = float32(black)/n, float32(white)/n, float32(flat)/n, float32(digital)/n
}

// strongest returns the edges of a block that has more of them than four fifths
// of the blocks: a clock and a name are in fewer than the rest.
func strongest(texture *[blocks]float32, mask *[blocks]bool) float32 {
	var t [blocks]float32
	n := 0
	for i, e := range texture {
		if !mask[i] {
			t[n] = e
			n++
		}
	}
	if n == 0 {
		return 0
	}
	slices.Sort(t[:n])
	return t[n*4/5]
}

// compare says how much changed since the look before, outside the clock.
func (v *view) compare(now, before *luma, mask, clock *[blocks]bool) {
	v.compared = true
	compare(now, before, &v.change)
	n, changed, jumped := 0, 0, 0
	for i := range v.change {
		switch {
		case clock[i]:
			if v.change[i].more >= muchPixels {
				v.clock++
			}
		case !mask[i]:
			n++
			changed += int(v.change[i].any)
			if d := v.blocks[i].mean - mean(before, i); d >= jumpStep || d <= -jumpStep {
				jumped++
			}
		}
	}
	v.activity, v.jumped = float32(changed)/float32(max(n, 1)), float32(jumped)/float32(max(n, 1))
}

// against compares the picture with a reference.
type against struct {
	textured  int     // blocks of the reference that have edges
	strong    float32 // its edges, as in view
	kept      float32 // share of them whose edges are where they were
	coarse    float32 // correlation of the means of the blocks, -1 to 1: is it the same place?
	sharpness float32 // Laplacian variance to variance where the reference has edges, the middle half of the blocks
}

// keptLikeness is the correlation of a block's edges from which on they are
// the same edges: two blocks of different places reach it in one of fifty.
const keptLikeness = 0.4

func (v *view) against(reference *luma, mask, clock *[blocks]bool) (a against) {
	var theirs luma
	var edge [blocks]float32
	edges(reference, &theirs)
	texture(&theirs, &edge)
	var kept, n int
	var x, y, xx, yy, xy float32
	var ratios [blocks]float32
	for i := range edge {
		if mask[i] || clock[i] {
			continue
		}
		p, q := v.blocks[i].mean, mean(reference, i)
		n++
		x, y, xx, yy, xy = x+p, y+q, xx+p*p, yy+q*q, xy+p*q
		if edge[i] < texturedEdges {
			continue
		}
		if likeness(&v.edges, &theirs, i) >= keptLikeness {
			kept++
		}
		ratios[a.textured] = v.average[i].laplace / max(v.average[i].variance, 1)
		a.textured++
	}
	m := float32(max(n, 1))
	a.strong, a.kept = strongest(&edge, mask), float32(kept)/float32(max(a.textured, 1))
	if d := (xx - x*x/m) * (yy - y*y/m); d > 0 {
		a.coarse = (xy - x*y/m) / sqrt(d)
	}
	a.sharpness = middle(ratios[:a.textured])
	return a
}

// mean returns the mean of a block.
func mean(y *luma, block int) float32 {
	at := block/blocksX*blockSize*Width + block%blocksX*blockSize
	sum := 0
	for row := range blockSize {
		for _, v := range y[at+row*Width : at+row*Width+blockSize] {
			sum += int(v)
		}
	}
	return float32(sum) / blockPixels
}
