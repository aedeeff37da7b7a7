package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"
)

// The lobby camera: a small picture and few of them, as MJPEG cameras send.
const (
	lobbyWidth, lobbyHeight = 640, 360
	lobbyFPS                = 5
	lobbyQuality            = 60 // of image/jpeg, 1 to 100
)

// lobby draws a waiting room with people who walk by and a clock on the wall.
type lobby struct {
	format *format.MJPEG
	enc    *rtpmjpeg.Encoder
	n      int    // pictures shown
	last   []byte // the JPEG before
	now    func() time.Time
	room   *image.RGBA // what does not move
	canvas *image.RGBA
	veil   Veil
}

func newLobby() (*lobby, error) {
	l := &lobby{
		format: &format.MJPEG{}, now: time.Now,
		room:   image.NewRGBA(image.Rect(0, 0, lobbyWidth, lobbyHeight)),
		canvas: image.NewRGBA(image.Rect(0, 0, lobbyWidth, lobbyHeight)),
	}
	var err error
	if l.enc, err = l.format.CreateEncoder(); err != nil {
		return nil, fmt.Errorf("make RTP encoder for MJPEG: %w", err)
	}
	furnish(l.room)
	return l, nil
}

func (l *lobby) media() *description.Media { return videoMedia(l.format) }
func (l *lobby) fps() int                  { return lobbyFPS }

func (l *lobby) next(frozen bool) ([]*rtp.Packet, error) {
	if !frozen || l.last == nil {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, l.draw(), &jpeg.Options{Quality: lobbyQuality}); err != nil {
			return nil, fmt.Errorf("encode JPEG: %w", err)
		}
		l.last = buf.Bytes()
	}
	packets, err := l.enc.Encode(l.last)
	if err != nil {
		return nil, fmt.Errorf("packetize JPEG: %w", err)
	}
	return packets, nil
}

func (l *lobby) cover(v Veil) { l.veil = v }

// draw returns the picture of now.
func (l *lobby) draw() image.Image {
	l.n++
	if l.veil != Clear {
		l.drawVeil()
		return l.canvas
	}
	copy(l.canvas.Pix, l.room.Pix)
	for i, shirt := range []color.RGBA{{0xb0, 0x3a, 0x2e, 255}, {0x1f, 0x6f, 0x54, 255}, {0x6c, 0x3a, 0x8c, 255}} {
		span := lobbyWidth + 80
		x := (l.n*(9+4*i)+i*230)%span - 60
		if i == 1 {
			x = lobbyWidth - x - 40
		}
		person(l.canvas, x, 190+i*28, shirt)
	}
	now := l.now()
	clock(l.canvas, 246, 22, now.Hour(), now.Minute(), now.Second())
	return l.canvas
}

// drawVeil draws what the sensor sees behind a cloth or a cap: one tone, and its
// own noise.
func (l *lobby) drawVeil() {
	tone := color.RGBA{0x8e, 0x7c, 0x66, 255}
	if l.veil == Cap {
		tone = color.RGBA{0x04, 0x04, 0x04, 255}
	}
	box(l.canvas, 0, 0, lobbyWidth, lobbyHeight, tone)
	for range 4000 {
		i := 4 * rand.IntN(lobbyWidth*lobbyHeight)
		l.canvas.Pix[i], l.canvas.Pix[i+1], l.canvas.Pix[i+2] = tone.R+3, tone.G+3, tone.B+3
	}
}

func furnish(img *image.RGBA) {
	for y := range lobbyHeight {
		shade := uint8(205 - y/6)
		row := color.RGBA{shade, shade - 6, shade - 18, 255}
		if y > 230 {
			row = color.RGBA{150 - uint8((y-230)/3), 128 - uint8((y-230)/3), 104, 255}
		}
		box(img, 0, y, lobbyWidth, 1, row)
	}
	box(img, 40, 90, 120, 90, color.RGBA{0x9f, 0xc4, 0xdd, 255})    // window
	box(img, 98, 90, 4, 90, color.RGBA{0xee, 0xee, 0xea, 255})      // its frame
	box(img, 470, 110, 110, 120, color.RGBA{0x7a, 0x55, 0x36, 255}) // door
	box(img, 560, 168, 8, 8, color.RGBA{0xe0, 0xc0, 0x40, 255})
	for i := range 4 {
		box(img, 190+i*64, 214, 50, 12, color.RGBA{0x34, 0x58, 0x7c, 255}) // chairs
		box(img, 194+i*64, 226, 6, 26, color.RGBA{0x40, 0x40, 0x44, 255})
		box(img, 230+i*64, 226, 6, 26, color.RGBA{0x40, 0x40, 0x44, 255})
	}
}

func person(img *image.RGBA, x, y int, shirt color.RGBA) {
	box(img, x+10, y-26, 20, 24, color.RGBA{0xc6, 0x95, 0x6b, 255})
	box(img, x+8, y-32, 24, 10, color.RGBA{0x22, 0x1c, 0x18, 255})
	box(img, x, y, 40, 60, shirt)
	box(img, x+4, y+60, 13, 46, color.RGBA{0x2a, 0x2e, 0x3c, 255})
	box(img, x+23, y+60, 13, 46, color.RGBA{0x2a, 0x2e, 0x3c, 255})
}

// segments of a digit, as on a pocket calculator: bit 0 top, then clockwise,
// bit 6 the middle.
var segments = [10]byte{0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f}

func clock(img *image.RGBA, x, y, h, m, s int) {
	box(img, x-8, y-8, 164, 46, color.RGBA{0x10, 0x12, 0x14, 255})
	lit := color.RGBA{0xff, 0xb0, 0x30, 255}
	for i, v := range []int{h / 10, h % 10, m / 10, m % 10, s / 10, s % 10} {
		left := x + i*22 + i/2*8
		for bit, r := range [7]image.Rectangle{
			image.Rect(2, 0, 14, 3), image.Rect(13, 2, 16, 15), image.Rect(13, 16, 16, 29),
			image.Rect(2, 28, 14, 31), image.Rect(0, 16, 3, 29), image.Rect(0, 2, 3, 15), image.Rect(2, 14, 14, 17),
		} {
			if segments[v]>>bit&1 == 1 {
				box(img, left+r.Min.X, y+r.Min.Y, r.Dx(), r.Dy(), lit)
			}
		}
	}
}

func box(img *image.RGBA, x, y, w, h int, c color.RGBA) {
	draw.Draw(img, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
}
