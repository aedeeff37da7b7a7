// Package qrcode shows a text as a QR code, on a terminal and as a picture.
package qrcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// Code is a QR code with its quiet zone.
type Code struct {
	size int // modules, with the quiet zone
	dark func(x, y int) bool
}

// quiet is how many light modules stand around the code (ISO/IEC 18004, 6.3.8).
const quiet = 4

// Encode makes the code of a text; some dirt on the print does no harm (level M
// corrects 15 % of it).
func Encode(text string) (Code, error) {
	b, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return Code{}, fmt.Errorf("make QR code: %w", err)
	}
	n := b.Bounds().Dx()
	return Code{n + 2*quiet, func(x, y int) bool {
		x, y = x-quiet, y-quiet
		if x < 0 || y < 0 || x >= n || y >= n {
			return false
		}
		r, _, _, _ := b.At(x, y).RGBA()
		return r == 0
	}}, nil
}

// Text draws the code with block characters, two rows of modules in a line. With
// colours it is dark on light on every terminal; without, the blocks are the
// light modules, which is right where the background is dark.
func (c Code) Text(colours bool) string {
	var b strings.Builder
	for y := 0; y < c.size; y += 2 {
		if colours {
			b.WriteString("\x1b[97;40m")
		}
		for x := range c.size {
			top, bottom := !c.dark(x, y), y+1 < c.size && !c.dark(x, y+1)
			switch {
			case top && bottom:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case bottom:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		if colours {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// PNG draws the code with modules of so many pixels.
func (c Code) PNG(pixels int) ([]byte, error) {
	img := image.NewPaletted(image.Rect(0, 0, c.size*pixels, c.size*pixels), color.Palette{color.White, color.Black})
	for y := range c.size * pixels {
		for x := range c.size * pixels {
			if c.dark(x/pixels, y/pixels) {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return out.Bytes(), nil
}
