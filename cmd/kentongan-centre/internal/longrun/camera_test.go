package longrun

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"

	"kentongan/agent/stream/streamtest"
)

// frameEvery is between two pictures of a camera. Few, since each costs real
// time.
const frameEvery = 4 * time.Second

// film is JPEGs of a street on which something moves.
func film(t testing.TB) (files [][]byte) {
	t.Helper()
	for n := range 16 {
		m := image.NewYCbCr(image.Rect(0, 0, 128, 96), image.YCbCrSubsampleRatio420)
		for y := range 96 {
			for x := range 128 {
				v := byte(60 + (x*7+y*13)%120)
				if x/16 == n%8 && y/16 == n/4 {
					v = byte(240 - n*6)
				}
				m.Y[m.YOffset(x, y)] = v
			}
		}
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = byte(118+n), byte(130-n)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 70}); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// camera is gortsplib's server with a film.
type camera struct {
	host   *host
	server *streamtest.Server
	frozen atomic.Bool // shows one picture for ever
	silent atomic.Bool // keeps the connection and sends nothing
}

func newCamera(t *testing.T, ctx context.Context, n *network, addr string, film [][]byte) *camera {
	c := &camera{host: n.host(addr)}
	f := &format.MJPEG{}
	media := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{f}}
	var err error
	c.server, err = streamtest.Start(streamtest.Options{Listen: addr, Listener: c.host, Medias: []*description.Media{media}})
	if err != nil {
		t.Fatal(err)
	}
	e := &rtpmjpeg.Encoder{}
	if err := e.Init(); err != nil {
		t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(frameEvery)
		defer tick.Stop()
		for n, at := 0, uint32(0); ; at += uint32(frameEvery.Seconds() * 90000) {
			select {
			case <-ctx.Done():
				c.server.Close()
				return
			case <-tick.C:
			}
			if !c.frozen.Load() {
				n++
			}
			if c.silent.Load() {
				continue
			}
			list, err := e.Encode(film[n%len(film)])
			if err != nil {
				t.Errorf("encode a picture: %v", err)
				return
			}
			for _, p := range list {
				p.Timestamp = at
				if err := c.server.WritePacket(media, p); err != nil {
					t.Errorf("write a picture: %v", err)
					return
				}
			}
		}
	}()
	return c
}
