package printer

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// printed is what a printer makes of the bytes: the subset of ESC/POS that slips
// use. Any other command fails the test.
type printed struct {
	lines []printedLine
	code  string // of the QR code
	at    int    // line that it stands before
	cut   bool
}

type printedLine struct {
	text       string
	wide, high int
	bold       bool
}

func (p *printed) text() string {
	var all []string
	for _, l := range p.lines {
		all = append(all, l.text)
	}
	return strings.Join(all, "\n")
}

func interpret(t *testing.T, b []byte) *printed {
	t.Helper()
	p := &printed{at: -1}
	line := printedLine{wide: 1, high: 1}
	stored := ""
	for len(b) > 0 {
		n := 1
		switch {
		case bytes.HasPrefix(b, []byte{0x1b, '@'}):
			n, line = 2, printedLine{wide: 1, high: 1}
		case bytes.HasPrefix(b, []byte{0x1b, 'a', 1}):
			n = 3
		case bytes.HasPrefix(b, []byte{0x1b, 'E'}):
			n, line.bold = 3, b[2] == 1
		case bytes.HasPrefix(b, []byte{0x1d, '!'}):
			n, line.wide, line.high = 3, int(b[2]>>4)+1, int(b[2]&15)+1
		case bytes.HasPrefix(b, []byte{0x1d, 'V', 66}):
			n, p.cut = 4, true
		case bytes.HasPrefix(b, []byte{0x1d, '(', 'k'}):
			size := int(b[3]) | int(b[4])<<8
			n = 5 + size
			switch fn := b[6]; fn {
			case 'P':
				stored = string(b[8:n])
			case 'Q':
				p.code, p.at = stored, len(p.lines)
			case 'A', 'C', 'E':
			default:
				t.Fatalf("function %d of GS ( k", fn)
			}
		case b[0] == '\n':
			p.lines = append(p.lines, line)
			line.text = ""
		case b[0] >= ' ' && b[0] <= '~':
			line.text += string(b[0])
		default:
			t.Fatalf("unknown command % x", b[:min(4, len(b))])
		}
		b = b[n:]
	}
	return p
}

// picture draws the slip on paper of 80 mm and holds the file to it.
func picture(t *testing.T, file string, p *printed) {
	t.Helper()
	const width, row, dots = 48 * 7, 15, 6
	code, err := qr.Encode(p.code, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	side := code.Bounds().Dx() * dots
	height := side + 40
	for _, l := range p.lines {
		height += row * l.high
	}
	img := image.NewGray(image.Rect(0, 0, width+20, height))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	y := 10
	for i, l := range p.lines {
		if i == p.at {
			for cy := range side {
				for cx := range side {
					img.Set((width+20-side)/2+cx, y+cy, code.At(cx/dots, cy/dots))
				}
			}
			y += side + 10
		}
		drawLine(img, l, (width+20-7*len(l.text)*l.wide)/2, y)
		y += row * l.high
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	was, err := png.Decode(kept)
	if err != nil {
		t.Fatal(err)
	}
	if was.Bounds() != img.Bounds() {
		t.Fatalf("%s shows another slip; -update draws it again", file)
	}
	for y := range height {
		for x := range width + 20 {
			if color.GrayModel.Convert(was.At(x, y)) != img.At(x, y) {
				t.Fatalf("%s shows another slip; -update draws it again", file)
			}
		}
	}
}

func drawLine(img *image.Gray, l printedLine, x, y int) {
	one := image.NewGray(image.Rect(0, 0, 7*len(l.text)+1, 15))
	draw.Draw(one, one.Bounds(), image.White, image.Point{}, draw.Src)
	for i := range 1 + map[bool]int{true: 1}[l.bold] {
		d := font.Drawer{Dst: one, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(i, 11)}
		d.DrawString(l.text)
	}
	for cy := range 15 * l.high {
		for cx := range one.Bounds().Dx() * l.wide {
			if one.GrayAt(cx/l.wide, cy/l.high).Y == 0 {
				img.SetGray(x+cx, y+cy, color.Gray{})
			}
		}
	}
}
