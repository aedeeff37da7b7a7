// Package onviftest is an ONVIF responder written from the specifications, for
// tests. It is no real camera: it shows that requests are what the texts say
// (SOAP 1.2, WS-Discovery of April 2005, WS-Security's username token, ONVIF
// Core, Media and Media2), and answers with faults, lies, sloth and size where
// a test wants them.
//
// It reads with encoding/xml's own rules and checks each namespace, apart from
// the client's parser. What a request does wrong is refused with a fault, and
// kept for Violations.
package onviftest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Profile is one stream that the responder offers.
type Profile struct {
	Token, Name, Source string
	Encoding            string // JPEG, H264, H265
	Width, Height       int
	FPS, Kbit, GOP      int
	StreamURI           string
	SnapshotURI         string // "" answers with a fault
}

// Options of a Camera. The zero value wants no password and has no profiles.
type Options struct {
	Listen             string // HTTP; "" is 127.0.0.1 with a free port
	Username, Password string
	HTTPDigest         bool          // wants HTTP digest instead of WS-Security
	FreshNonces        bool          // takes each HTTP nonce once, without a word on staleness
	Clock              time.Duration // of the camera minus ours
	NoServices         bool          // knows GetCapabilities only
	Media2             bool          // offers media2 too
	Media2Broken       bool          // and it answers with a fault
	Profiles           []Profile
	Maker, Model       string // default Contoh and Kamera 1
	Firmware           string // default 1.0
	Scopes             []string
	Endpoint           string // default a UUID of its own port
	XAddr              string // what it says of where it is; "" is the truth
	MediaXAddr         string // the same of its media service
	// Answer may answer an operation in the responder's place; it tells
	// whether it did.
	Answer func(op string, w http.ResponseWriter, r *http.Request) bool
}

// Camera is a running responder. Its methods may be called from any goroutine.
type Camera struct {
	o    Options
	http *http.Server
	l    net.Listener
	wg   sync.WaitGroup

	mu         sync.Mutex // guards what follows
	reboots    int
	requests   map[string]int
	violations []string
	nonces     map[string]bool // of WS-Security, used
	nonce      string          // of HTTP digest, valid
	count      int
	sockets    []net.PacketConn
}

// Start starts a responder. Close ends it.
func Start(o Options) (*Camera, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("start ONVIF responder: %w", err)
	}
	orDefault(&o.Maker, "Contoh")
	orDefault(&o.Model, "Kamera 1")
	orDefault(&o.Firmware, "1.0")
	orDefault(&o.Endpoint, fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", l.Addr().(*net.TCPAddr).Port))
	c := &Camera{o: o, l: l, requests: map[string]int{}, nonces: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/onvif/device_service", c.serve(deviceOps))
	mux.HandleFunc("/onvif/media", c.serve(mediaOps))
	mux.HandleFunc("/onvif/media2", c.serve(media2Ops))
	c.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	c.wg.Go(func() { _ = c.http.Serve(l) })
	return c, nil
}

func orDefault(v *string, def string) {
	if *v == "" {
		*v = def
	}
}

// Host is where it listens for HTTP.
func (c *Camera) Host() string { return c.l.Addr().String() }

// URL is its device service.
func (c *Camera) URL() string { return "http://" + c.Host() + "/onvif/device_service" }

// Reboots is how often it was told to start again.
func (c *Camera) Reboots() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reboots
}

// Requests is how often an operation was asked for, right or wrong.
func (c *Camera) Requests(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[op]
}

// Violations is what requests did that the specifications forbid.
func (c *Camera) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.violations...)
}

func (c *Camera) violatef(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.violations) < 100 {
		c.violations = append(c.violations, fmt.Sprintf(format, args...))
	}
}

// Close ends it.
func (c *Camera) Close() error {
	c.mu.Lock()
	sockets := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	err := c.http.Close()
	for _, s := range sockets {
		err = errors.Join(err, s.Close())
	}
	c.wg.Wait()
	return err
}
