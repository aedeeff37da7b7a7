package picture

// luma is one plane of brightness.
type luma = [Width * Height]byte

// average is a picture's exponential average over the newest looks, which
// takes out noise and whoever walks by, in 256ths of a step.
type average struct {
	begun bool
	sum   [Width * Height]uint16
}

// averageShift makes the newest look count for half: after three looks an
// eighth of what was before remains, and a third of the noise's variance.
const averageShift = 1

// add takes a look and returns the average in whole steps.
func (a *average) add(y, mean *luma) {
	if !a.begun {
		a.begun = true
		for i, v := range y {
			a.sum[i] = uint16(v) << 8
		}
		*mean = *y
		return
	}
	for i, v := range y {
		s := int32(a.sum[i])
		s += (int32(v)<<8 - s) >> averageShift
		a.sum[i] = uint16(s)
		mean[i] = byte((s + 128) >> 8)
	}
}

// edges is the strength of the edges at each pixel: the sum of the distances
// of its neighbours across and down, which does not care whether an edge goes
// from dark to bright or back, as they do under infrared light.
func edges(y *luma, to *luma) {
	for row := 1; row < Height-1; row++ {
		above := y[(row-1)*Width : row*Width]
		line := y[row*Width : (row+1)*Width]
		below := y[(row+1)*Width : (row+2)*Width]
		out := to[row*Width : (row+1)*Width]
		for i := 1; i < Width-1; i++ {
			across, down := int(line[i+1])-int(line[i-1]), int(below[i])-int(above[i])
			out[i] = byte(min(max(across, -across)+max(down, -down), 255))
		}
	}
}

// texture returns the mean strength of the edges in each block.
func texture(e *luma, to *[blocks]float32) {
	for i := range to {
		at := i/blocksX*blockSize*Width + i%blocksX*blockSize
		sum := 0
		for row := range blockSize {
			for _, v := range e[at+row*Width : at+row*Width+blockSize] {
				sum += int(v)
			}
		}
		to[i] = float32(sum) / blockPixels
	}
}

// likeness returns the correlation of two planes over one block, from -1 to 1,
// and 0 where one of them is flat.
func likeness(a, b *luma, block int) float32 {
	at := block/blocksX*blockSize*Width + block%blocksX*blockSize
	var sa, sb, aa, bb, ab int
	for row := range blockSize {
		la := a[at+row*Width : at+row*Width+blockSize]
		lb := b[at+row*Width : at+row*Width+blockSize]
		for i, v := range la {
			x, y := int(v), int(lb[i])
			sa += x
			sb += y
			aa += x * x
			bb += y * y
			ab += x * y
		}
	}
	va, vb := blockPixels*aa-sa*sa, blockPixels*bb-sb*sb
	if va <= 0 || vb <= 0 {
		return 0
	}
	return float32(blockPixels*ab-sa*sb) / sqrt(float32(va)*float32(vb))
}

// change is how a block differs from the look before.
type change struct {
	any  uint8 // pixels that changed at all
	more uint8 // by more than 2
	much uint8 // by more than 12: noise does not, letters do
}

func compare(a, b *luma, to *[blocks]change) {
	for i := range to {
		to[i] = compareBlock(a, b, i/blocksX*blockSize*Width+i%blocksX*blockSize)
	}
}

func compareBlock(a, b *luma, at int) change {
	var sum uint32
	for row := range blockSize {
		la := a[at+row*Width : at+row*Width+blockSize]
		lb := b[at+row*Width : at+row*Width+blockSize]
		for i, v := range la {
			sum += changes[255+int(v)-int(lb[i])]
		}
	}
	return change{any: uint8(sum), more: uint8(sum >> 8), much: uint8(sum >> 16)}
}

// changes is what one pixel adds to a change, by its difference and 255, a
// byte for each count: with branches it costs twice as much.
var changes = func() (t [511]uint32) {
	for i := range t {
		d := max(i-255, 255-i)
		if d > 0 {
			t[i]++
		}
		if d > 2 {
			t[i] += 1 << 8
		}
		if d > 12 {
			t[i] += 1 << 16
		}
	}
	return t
}()
