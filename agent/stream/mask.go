package stream

import "image"

// Masks are made larger by maskMargin pixels on each side, since a pixel that
// was made of several can carry some of what lies under the mask, and then to
// whole blocks of the JPEG, so that a block holds nothing but the mask.
const (
	maskMargin = 4
	maskBlock  = 16 // of JPEG in 4:2:0: 8x8 samples of chroma
)

// The mask is a grey that no part of a picture is taken for.
const maskLuma, maskChroma = 64, 128

// burn paints the masks over the pixels of a picture in 4:2:0.
func burn(img *image.YCbCr, masks []Rect) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for _, m := range masks {
		x0, x1 := maskSpan(m.X, m.W, w)
		y0, y1 := maskSpan(m.Y, m.H, h)
		for y := y0; y < y1; y++ {
			fill(img.Y[y*img.YStride+x0:y*img.YStride+x1], maskLuma)
		}
		for y := y0 / 2; y < (y1+1)/2; y++ {
			fill(img.Cb[y*img.CStride+x0/2:y*img.CStride+(x1+1)/2], maskChroma)
			fill(img.Cr[y*img.CStride+x0/2:y*img.CStride+(x1+1)/2], maskChroma)
		}
	}
}

// maskSpan is the part of a line of so many pixels that a mask covers, from and
// length in thousandths.
func maskSpan(from, length, pixels int) (int, int) {
	a := from*pixels/1000 - maskMargin
	b := ((from+length)*pixels+999)/1000 + maskMargin
	a = max(a, 0) / maskBlock * maskBlock
	b = (b + maskBlock - 1) / maskBlock * maskBlock
	return a, min(b, pixels)
}

func fill(p []byte, v byte) {
	for i := range p {
		p[i] = v
	}
}
