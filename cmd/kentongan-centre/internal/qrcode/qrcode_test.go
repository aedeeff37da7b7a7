package qrcode

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"
)

const link = "https://centre.example:8443/enrol#0G40-R3Z0-0000-0000-0000-0000-04G2-0E00-0000-0000-0000-0000-00YW-V3AB"

// read decodes a picture with a reader that is not ours.
func read(t *testing.T, img image.Image) string {
	t.Helper()
	bmp, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	res, err := zxing.NewQRCodeReader().Decode(bmp, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.GetText()
}

func TestPictureIsRead(t *testing.T) {
	c, err := Encode(link)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.PNG(4)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, img); got != link {
		t.Errorf("read %q", got)
	}
}

// What stands on a terminal is drawn again as a camera would see it.
func TestTerminalIsRead(t *testing.T) {
	c, err := Encode(link)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(c.Text(false), "\n"), "\n")
	const px = 4
	img := image.NewGray(image.Rect(0, 0, px*c.size, px*2*len(lines)))
	for row, line := range lines {
		for col, r := range []rune(line) {
			for half, light := range []bool{r == '█' || r == '▀', r == '█' || r == '▄'} {
				if light {
					for y := range px {
						for x := range px {
							img.SetGray(col*px+x, (2*row+half)*px+y, color.Gray{255})
						}
					}
				}
			}
		}
	}
	if got := read(t, img); got != link {
		t.Errorf("read %q", got)
	}
	if n := len([]rune(lines[0])); n > 80 {
		t.Errorf("%d columns do not fit a terminal", n)
	}
}
