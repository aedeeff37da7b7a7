package stream

import (
	"image"
	"image/color"
	"testing"
)

// TestMaskSpan: a mask covers all that it should, a margin more, and whole
// blocks.
func TestMaskSpan(t *testing.T) {
	for _, pixels := range []int{2, 16, 90, 352, 640, 1280, 1922} {
		for from := 0; from < 1000; from += 7 {
			for _, length := range []int{1, 13, 250, 1000 - from} {
				length = min(length, 1000-from)
				a, b := maskSpan(from, length, pixels)
				if a < 0 || b > pixels || a%maskBlock != 0 || b%maskBlock != 0 && b != pixels {
					t.Fatalf("%d+%d of %d: %d to %d", from, length, pixels, a, b)
				}
				if first, last := from*pixels/1000, ((from+length)*pixels+999)/1000; a > max(first-maskMargin, 0) || b < min(last+maskMargin, pixels) {
					t.Fatalf("%d+%d of %d: %d to %d is less than %d to %d", from, length, pixels, a, b, first, last)
				}
			}
		}
	}
}

func TestBurn(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 66, 50), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i * 7)
	}
	burn(img, []Rect{{500, 0, 500, 1000}, {0, 900, 10, 100}})
	for y := range 50 {
		for x := range 66 {
			masked := x >= 16 || y >= 32 && x < 16
			if got := img.YCbCrAt(x, y); masked != (got == color.YCbCr{Y: maskLuma, Cb: maskChroma, Cr: maskChroma}) && img.Y[y*img.YStride+x] != maskLuma {
				t.Fatalf("pixel %d,%d is %v, masked %v", x, y, got, masked)
			}
		}
	}
}

func TestFit(t *testing.T) {
	for _, tt := range [][5]int{{1920, 1080, 1280, 1280, 720}, {641, 361, 1280, 640, 360}, {5000, 3, 160, 160, 2}, {1, 1, 64, 2, 2}} {
		if w, h := fit(tt[0], tt[1], tt[2]); w != tt[3] || h != tt[4] {
			t.Errorf("%dx%d into %d: %dx%d, want %dx%d", tt[0], tt[1], tt[2], w, h, tt[3], tt[4])
		}
	}
}
