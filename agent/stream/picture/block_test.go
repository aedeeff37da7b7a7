package picture

import (
	"math"
	"testing"
)

func TestMeasure(t *testing.T) {
	tests := map[string]struct {
		luma func(x, y int) int
		want block
	}{
		"flat":             {func(x, y int) int { return 77 }, block{mean: 77}},
		"dark":             {func(x, y int) int { return 16 }, block{mean: 16, dark: 100}},
		"bright":           {func(x, y int) int { return 235 }, block{mean: 235, bright: 100}},
		"slope":            {func(x, y int) int { return 40 + x%10 }, block{mean: 44.5, variance: 8.25, laplace: 16}},
		"chessboard":       {func(x, y int) int { return 100 + 20*((x+y)%2) }, block{mean: 110, variance: 100, laplace: 6400}},
		"half of it black": {func(x, y int) int { return 16 + 100*(y%10/5) }, block{mean: 66, variance: 2500, laplace: 2000, dark: 50}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var f Frame
			for i := range f.Y {
				f.Y[i] = byte(tt.luma(i%Width, i/Width))
			}
			var got [blocks]block
			measure(&f.Y, &got)
			b := got[5*blocksX+7] // one with neighbours on all sides
			if name == "slope" || name == "half of it black" {
				// Blocks repeat, so that there is a step between them; the mean
				// of the Laplacian is 0 only over a whole block.
				tt.want.laplace = variance(&f, 70, 50)
			}
			for _, m := range []struct {
				what      string
				got, want float32
			}{
				{"mean", b.mean, tt.want.mean}, {"variance", b.variance, tt.want.variance},
				{"laplace", b.laplace, tt.want.laplace},
				{"dark", float32(b.dark), float32(tt.want.dark)}, {"bright", float32(b.bright), float32(tt.want.bright)},
			} {
				if math.Abs(float64(m.got-m.want)) > 0.01*float64(m.want)+0.01 {
					t.Errorf("%s %v, want %v", m.what, m.got, m.want)
				}
			}
		})
	}
}

// variance of the Laplacian as its definition has it, in floating point.
func variance(f *Frame, x0, y0 int) float32 {
	var sum, squares float64
	at := func(x, y int) float64 { return float64(f.Y[y*Width+x]) }
	for y := y0; y < y0+blockSize; y++ {
		for x := x0; x < x0+blockSize; x++ {
			l := 4*at(x, y) - at(x-1, y) - at(x+1, y) - at(x, y-1) - at(x, y+1)
			sum += l
			squares += l * l
		}
	}
	mean := sum / blockPixels
	return float32(squares/blockPixels - mean*mean)
}

func TestMasked(t *testing.T) {
	tests := map[string]struct {
		rects []Rect
		want  int
	}{
		"none":                       {nil, 0},
		"all":                        {[]Rect{{0, 0, 1000, 1000}}, blocks},
		"a clock at the top left":    {[]Rect{{0, 0, 250, 100}}, 4},
		"a little over":              {[]Rect{{0, 0, 251, 112}}, 10},
		"one block exactly":          {[]Rect{{125, 0, 62, 111}}, 1},
		"two that overlap":           {[]Rect{{0, 0, 250, 100}, {0, 0, 125, 100}}, 4},
		"beyond the edge":            {[]Rect{{950, 950, 500, 500}}, 1},
		"no area, between blocks":    {[]Rect{{500, 0, 0, 1000}}, 0},
		"no area, and nothing to do": {[]Rect{{0, 0, 0, 0}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := 0
			for _, m := range masked(tt.rects) {
				if m {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("%d blocks, want %d", got, tt.want)
			}
		})
	}
}
