package decoder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// Bounds of a JPEG, by its header: a file of some hundred bytes can say
// 65535x65535. A progressive one needs 12 bytes for each pixel beside the
// picture, and cameras send none.
const (
	maxJPEGPixels   = 16 << 20
	maxProgressive  = 2 << 20
	maxHeaderMarker = 64 // segments before the frame header
)

var decodeJPEG = jpeg.Decode // a test makes it panic

// runJPEG serves JPEGs, one at a time as well: a 4K one takes 25 MB.
func (d *Decoder) runJPEG(ctx context.Context) {
	serve(ctx, d.jpegs, func() {}, func(_ context.Context, k Keyframe) (Answer, error) {
		var a Answer
		img, err := DecodeJPEG(k.Unit)
		if err != nil {
			return a, err
		}
		a.Picture = shrink(img)
		return a, nil
	})
}

// DecodeJPEG decodes a JPEG of a camera. It looks at the size first. The error
// is a RefusedError, also when the file makes the library panic.
func DecodeJPEG(data []byte) (picture *image.YCbCr, err error) {
	defer func() {
		if r := recover(); r != nil {
			picture, err = nil, &RefusedError{fmt.Sprintf("a JPEG that can't be read: %v", r)}
		}
	}()
	refuse := func(format string, args ...any) (*image.YCbCr, error) {
		return nil, &RefusedError{fmt.Sprintf(format, args...)}
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return refuse("no JPEG: %v", err)
	}
	most := maxJPEGPixels
	if progressive(data) {
		most = maxProgressive
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > most/c.Height {
		return refuse("a JPEG of %dx%d; at most %d pixels are decoded", c.Width, c.Height, most)
	}
	img, err := decodeJPEG(bytes.NewReader(data))
	if err != nil {
		return refuse("damaged JPEG: %v", err)
	}
	switch img := img.(type) {
	case *image.YCbCr:
		return img, nil
	case *image.Gray:
		return colourless(img), nil
	}
	return refuse("a JPEG in %T; cameras send YCbCr or grey", img)
}

// colourless is a grey picture with chroma that says so.
func colourless(g *image.Gray) *image.YCbCr {
	out := image.NewYCbCr(g.Rect, image.YCbCrSubsampleRatio420)
	for y := range g.Rect.Dy() {
		copy(out.Y[y*out.YStride:], g.Pix[y*g.Stride:y*g.Stride+g.Rect.Dx()])
	}
	for i := range out.Cb {
		out.Cb[i], out.Cr[i] = 128, 128
	}
	return out
}

// progressive tells whether the frame header is SOF2 (ITU-T T.81, B.1.1.3).
func progressive(data []byte) bool {
	at := 2
	for range maxHeaderMarker {
		for at < len(data) && data[at] != 0xff {
			at++ // as image/jpeg does
		}
		for at < len(data) && data[at] == 0xff {
			at++
		}
		if at+3 > len(data) {
			return false
		}
		switch m := data[at]; {
		case m == 0xc2:
			return true
		case m == 0xc0 || m == 0xc1 || m == 0xda:
			return false
		case m == 0 || m == 1 || m >= 0xd0 && m <= 0xd7:
			at++ // without length
		default:
			at += 1 + int(binary.BigEndian.Uint16(data[at+1:]))
		}
	}
	return true // rather the smaller bound
}

// shrink makes a small picture of a large one: the mean of what lies in each
// pixel, in limited range (ITU-T T.871 has full range, video has not).
func shrink(img *image.YCbCr) (p Picture) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	luma, cb, cr := p[:Width*Height], p[Width*Height:Width*Height*5/4], p[Width*Height*5/4:]
	average(luma, Width, Height, img.Y, img.YStride, w, h)
	cw, ch := chromaSize(img)
	average(cb, Width/2, Height/2, img.Cb, img.CStride, cw, ch)
	average(cr, Width/2, Height/2, img.Cr, img.CStride, cw, ch)
	for i, y := range luma {
		luma[i] = byte(16 + (int(y)*219+127)/255)
	}
	for _, plane := range [][]byte{cb, cr} {
		for i, c := range plane {
			plane[i] = byte(16 + (int(c)*224+127)/255)
		}
	}
	return p
}

func chromaSize(img *image.YCbCr) (w, h int) {
	w, h = img.Rect.Dx(), img.Rect.Dy()
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		return (w + 1) / 2, h
	case image.YCbCrSubsampleRatio420:
		return (w + 1) / 2, (h + 1) / 2
	case image.YCbCrSubsampleRatio440:
		return w, (h + 1) / 2
	case image.YCbCrSubsampleRatio411:
		return (w + 3) / 4, h
	case image.YCbCrSubsampleRatio410:
		return (w + 3) / 4, (h + 1) / 2
	}
	return w, h
}

// average scales a plane. Where it has to grow, pixels repeat.
func average(to []byte, tw, th int, from []byte, stride, w, h int) {
	for y := range th {
		y0, y1 := span(y, th, h)
		for x := range tw {
			x0, x1 := span(x, tw, w)
			sum := 0
			for line := y0; line < y1; line++ {
				for _, v := range from[line*stride+x0 : line*stride+x1] {
					sum += int(v)
				}
			}
			n := (y1 - y0) * (x1 - x0)
			to[y*tw+x] = byte((sum + n/2) / n)
		}
	}
}

// span is what lies in pixel i of n, of a line of size pixels; at least one.
func span(i, n, size int) (from, to int) {
	from = i * size / n
	return from, max((i+1)*size/n, from+1)
}
