// Package camera is the demo's cameras: real RTSP servers with a password that
// show a street (H.264, a looped clip) or a lobby (MJPEG, drawn as it goes),
// and that can be made to fail as cameras do: freeze, fall silent, lose power.
package camera

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"kentongan/agent/stream/streamtest"
)

// clockRate of RTP video, ticks per second.
const clockRate = 90000

// Options of a camera.
type Options struct {
	Name     string
	Codec    string // H264 or MJPEG
	Listen   string // host:port; port 0 is any, kept over Unplug and Plug
	Username string // "" is no password
	Password string
}

// film makes the packets of one picture after the other.
type film interface {
	media() *description.Media
	fps() int
	// next returns the packets of the next picture, or with frozen those of
	// the one before again. The time stamps are set by the caller.
	next(frozen bool) ([]*rtp.Packet, error)
}

// Veil is what lies before a lens.
type Veil int

// Veils.
const (
	Clear Veil = iota
	Cover      // a cloth: a bright surface without edges
	Cap        // no light at all
)

// veiled is a film that is drawn as it goes, so that something can lie before
// its lens.
type veiled interface{ cover(Veil) }

// Camera is a running camera. Its methods may be called from any goroutine.
type Camera struct {
	o     Options
	film  film
	media *description.Media
	stop  context.CancelFunc
	done  chan struct{}

	mu             sync.Mutex // guards the fields below
	server         *streamtest.Server
	frozen, silent bool
	veil           Veil
	closed         bool
	err            error // why the camera ended by itself
}

// Start starts a camera. It ends with ctx or Close.
func Start(ctx context.Context, o Options) (*Camera, error) {
	f, err := newFilm(o.Codec)
	if err != nil {
		return nil, fmt.Errorf("camera %s: %w", o.Name, err)
	}
	c := &Camera{o: o, film: f, media: f.media(), done: make(chan struct{})}
	if err := c.Plug(); err != nil {
		return nil, err
	}
	ctx, c.stop = context.WithCancel(ctx)
	go c.run(ctx)
	return c, nil
}

func newFilm(codec string) (film, error) {
	switch codec {
	case "H264":
		return newStreet()
	case "MJPEG":
		return newLobby()
	}
	return nil, fmt.Errorf("codec %q: it can be H264 or MJPEG", codec)
}

// Name is the camera's name.
func (c *Camera) Name() string { return c.o.Name }

// URL is where the stream is, without the password.
func (c *Camera) URL() string { return "rtsp://" + c.listen() + streamtest.Path }

// URLWithPassword is where the stream is, as ffmpeg wants it.
func (c *Camera) URLWithPassword() string {
	if c.o.Username == "" {
		return c.URL()
	}
	return "rtsp://" + c.o.Username + ":" + c.o.Password + "@" + c.listen() + streamtest.Path
}

func (c *Camera) listen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.o.Listen
}

// Freeze repeats one picture while the connection and the packets go on, as an
// encoder does whose sensor hangs.
func (c *Camera) Freeze(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = on
}

// Coverable tells whether Cover does anything: the street is a clip.
func (c *Camera) Coverable() bool {
	_, ok := c.film.(veiled)
	return ok
}

// Cover puts something before the lens, or takes it away.
func (c *Camera) Cover(v Veil) error {
	if !c.Coverable() {
		return fmt.Errorf("camera %s plays a clip, which can't be covered", c.o.Name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.veil = v
	return nil
}

// Silence stops the packets; the connection and RTCP stay.
func (c *Camera) Silence(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = on
}

// Unplug ends the camera's server and all connections, as a cut cable would.
func (c *Camera) Unplug() {
	c.mu.Lock()
	server := c.server
	c.server = nil
	c.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// Plug starts the server again, where it was before.
func (c *Camera) Plug() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("camera %s: plug: it was closed", c.o.Name)
	case c.server != nil:
		return nil
	}
	server, err := streamtest.Start(streamtest.Options{
		Listen: c.o.Listen, Username: c.o.Username, Password: c.o.Password,
		Medias: []*description.Media{c.media},
	})
	if err != nil {
		return fmt.Errorf("camera %s: plug: %w", c.o.Name, err)
	}
	c.server, c.o.Listen = server, server.Addr()
	return nil
}

// Readers is how many watch the camera now.
func (c *Camera) Readers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return 0
	}
	return c.server.Readers()
}

// Err is why the camera stopped by itself, or nil.
func (c *Camera) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the camera and waits for it.
func (c *Camera) Close() {
	c.stop()
	<-c.done
}

// run shows one picture after the other. It owns the film.
func (c *Camera) run(ctx context.Context) {
	defer close(c.done)
	err := c.show(ctx)
	c.mu.Lock()
	c.closed, c.err = true, err
	c.mu.Unlock()
	c.Unplug()
}

func (c *Camera) show(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(c.film.fps()))
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.frame(time.Since(began)); err != nil {
			return fmt.Errorf("camera %s: %w", c.o.Name, err)
		}
	}
}

// frame shows the next picture to whoever looks.
func (c *Camera) frame(at time.Duration) error {
	c.mu.Lock()
	server, frozen, silent, veil := c.server, c.frozen, c.silent, c.veil
	c.mu.Unlock()
	if f, ok := c.film.(veiled); ok {
		f.cover(veil)
	}
	packets, err := stamped(c.film, at, frozen)
	if err != nil {
		return err
	}
	if server == nil || silent {
		return nil
	}
	for _, p := range packets {
		if err := server.WritePacket(c.media, p); err != nil {
			return nil // unplugged meanwhile
		}
	}
	return nil
}

// stamped returns the next picture's packets with their time stamp. It follows
// the clock, so it goes on over the clip's end, over silence and over a pulled
// plug; in whole pictures, so that it has no jitter of our own.
func stamped(f film, at time.Duration, frozen bool) ([]*rtp.Packet, error) {
	packets, err := f.next(frozen)
	fps := time.Duration(f.fps())
	n := (at + time.Second/fps/2) * fps / time.Second
	for _, p := range packets {
		p.Timestamp = uint32(n * clockRate / fps)
	}
	return packets, err
}

func videoMedia(f format.Format) *description.Media {
	return &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{f}}
}
