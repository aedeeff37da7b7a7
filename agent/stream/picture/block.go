package picture

// Blocks of 10x10 pixels. Everything is measured for each of them, and a
// picture is judged by how many of its blocks agree: a clock, a name, a lorry
// or a lamp covers a few, and what is wrong with a camera is wrong with nearly
// all.
const (
	blockSize = 10
	blocksX   = Width / blockSize
	blocksY   = Height / blockSize
	blocks    = blocksX * blocksY

	blockPixels = blockSize * blockSize
)

// Luma of ITU-R BT.601 and BT.709 in limited range goes from 16 to 235. The
// bounds are those of ffmpeg's blackdetect (its picture threshold 0.10 is
// luma 38) and of streams.md 3.3, which measured them.
const (
	darkLuma   = 32
	brightLuma = 222
)

// block is what one block of a picture measures. Variances are of luma, in
// squares of its steps.
type block struct {
	mean, variance float32
	laplace        float32 // variance of the Laplacian, the usual measure of sharpness
	dark, bright   uint8   // pixels, of blockPixels
}

// measure fills in all blocks of a picture.
func measure(y *[Width * Height]byte, to *[blocks]block) {
	for by := range blocksY {
		for bx := range blocksX {
			to[by*blocksX+bx] = measureBlock(y, bx*blockSize, by*blockSize)
		}
	}
}

func measureBlock(y *[Width * Height]byte, x0, y0 int) block {
	var b block
	var sum, squares int
	var lights uint32
	for row := y0; row < y0+blockSize; row++ {
		for _, p := range y[row*Width+x0 : row*Width+x0+blockSize] {
			v := int(p)
			sum += v
			squares += v * v
			lights += extremes[p]
		}
	}
	b.dark, b.bright = uint8(lights), uint8(lights>>8)
	b.mean = float32(sum) / blockPixels
	b.variance = float32(squares)/blockPixels - b.mean*b.mean
	b.laplace = laplacian(y, x0, y0)
	return b
}

// extremes is what a pixel adds to the dark and the bright ones of a block, a
// byte for each.
var extremes = func() (t [256]uint32) {
	for v := range t {
		if v <= darkLuma {
			t[v] = 1
		} else if v >= brightLuma {
			t[v] = 1 << 8
		}
	}
	return t
}()

// laplacian is the variance of 4c-l-r-u-d over a block. The outermost pixels
// of the picture have no neighbours and are left out.
func laplacian(y *[Width * Height]byte, x0, y0 int) float32 {
	left, right := max(x0, 1), min(x0+blockSize, Width-1)
	top, bottom := max(y0, 1), min(y0+blockSize, Height-1)
	var sum, squares int
	for row := top; row < bottom; row++ {
		above := y[(row-1)*Width+left : (row-1)*Width+right]
		line := y[row*Width+left-1 : row*Width+right+1]
		below := y[(row+1)*Width+left : (row+1)*Width+right]
		for i := range above {
			v := 4*int(line[i+1]) - int(line[i]) - int(line[i+2]) - int(above[i]) - int(below[i])
			sum += v
			squares += v * v
		}
	}
	n := float32((right - left) * (bottom - top))
	mean := float32(sum) / n
	return float32(squares)/n - mean*mean
}

// masked returns which blocks a set of rectangles touches.
func masked(rects []Rect) (m [blocks]bool) {
	for _, r := range rects {
		for by := range blocksY {
			for bx := range blocksX {
				if r.touches(bx, by) {
					m[by*blocksX+bx] = true
				}
			}
		}
	}
	return m
}

// touches tells whether a block and the rectangle have more than an edge in common.
func (r Rect) touches(bx, by int) bool {
	return r.X*blocksX < (bx+1)*1000 && (r.X+r.W)*blocksX > bx*1000 &&
		r.Y*blocksY < (by+1)*1000 && (r.Y+r.H)*blocksY > by*1000
}
