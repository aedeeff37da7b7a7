package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Bounds of a session's beginning and end.
const (
	requestTimeout = 5 * time.Second  // of one request; the library's ReadTimeout
	openTimeout    = 12 * time.Second // of all until PLAY is answered
	closeTimeout   = 2 * time.Second  // for TEARDOWN, then the connection is cut
)

// untimed is the library's ReadTimeout while it plays. It would end a session
// by the wall clock, which may be set meanwhile, and before a longer SilentAfter
// is over; how long a stream may be silent is the watchdog's to say.
const untimed = time.Duration(math.MaxInt64)

// maxForeign is how many packets of another source (SSRC) are borne over UDP,
// where they can't be mended, before the session is begun anew.
const maxForeign = 20

// redirect is a camera's wish to be asked elsewhere.
type redirect struct{ to string }

func (r *redirect) Error() string { return "the camera redirects to " + Redact(r.to) }

// session is one connection to a camera, with a client of its own: gortsplib
// keeps credentials, nonces and faults in a client.
type session struct {
	target    target
	transport gortsplib.Transport
	connector dialFunc
	now       func() time.Time // wall clock

	client *gortsplib.Client
	meter  *meter
	found  found
	room   *room // for keyframes; nil where nobody looks at pictures
	tap    *tap

	suspected bool // of being gone: it was probed; used by the watcher's goroutine only

	started bool        // the client runs; set before anybody may call close
	steps   chan string // states on the way to playing
	faults  chan error  // what a callback found; room for one

	foreign atomic.Int64 // packets of another source, over UDP
	badRTP  atomic.Int64 // packets that the library could not read
	dialled bool         // used by the client's goroutine only
	asked   bool         // to play; set before the request goes out, then as above
	moved   string       // Location of a redirect; the same goroutine

	mu     sync.Mutex // guards what follows
	conn   net.Conn
	addr   netip.AddrPort // that was dialled last
	at     string         // the newest step
	quirks map[string]int
	closed bool
}

func newSession(t target, transport gortsplib.Transport, connector dialFunc, now func() time.Time) *session {
	s := &session{
		target: t, transport: transport, connector: connector, now: now,
		steps: make(chan string, 16), faults: make(chan error, 1), quirks: map[string]int{},
	}
	s.client = &gortsplib.Client{
		Scheme:       t.url.Scheme,
		Host:         t.url.Host,
		ReadTimeout:  requestTimeout,
		WriteTimeout: requestTimeout,
		Transport:    &s.transport, // never nil: switching is ours, as the library can't switch back
		UserAgent:    "kentongan",
		DialContext:  s.dial,
		OnResponse:   func(r *base.Response) { defer s.recover(); s.response(r) },
		// These three write to the standard logger when they are nil.
		OnPacketsLost:     func(uint64) {}, // 65,535 for one doubled packet
		OnTransportSwitch: func(error) {},
		OnDecodeError:     func(err error) { defer s.recover(); s.decodeError(err) },
	}
	return s
}

// open connects and asks the camera to play. It ends with ctx at the latest.
func (s *session) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, failf(ClassTimeout, "no stream within %v", openTimeout))
	defer cancel()
	if err := s.client.Start2(); err != nil {
		return fmt.Errorf("start RTSP client: %w", err)
	}
	s.started = true
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); s.close() })
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	err := s.play()
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && s.moved != "":
		return &redirect{s.moved}
	}
	return err
}

func (s *session) play() error {
	desc, _, err := s.client.Describe(s.target.url)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	if s.found, err = findVideo(desc); err != nil {
		return err
	}
	for _, q := range s.found.quirks {
		s.quirk(q)
	}
	if _, err := s.client.Setup(desc.BaseURL, s.found.media, 0, 0); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	s.meter = newMeter(s.found.codec, s.found.format.ClockRate(), time.Now())
	s.meter.holds = s.transport != gortsplib.TransportTCP
	if s.found.sps != nil {
		s.meter.declare(s.found.sps)
	}
	s.tap = newTap(s.found, s.room)
	s.client.OnPacketRTP(s.found.media, s.found.format, func(p *rtp.Packet) {
		defer s.recover()
		s.meter.packet(time.Now(), p)
		s.tap.packet(p)
	})
	s.client.OnPacketRTCP(s.found.media, func(p rtcp.Packet) {
		defer s.recover()
		s.meter.report(time.Now(), s.now(), p)
	})
	s.asked = true
	if _, err := s.client.Play(nil); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	return nil
}

// dial is called by the client when it connects: once, or again when it
// follows a redirect, which is not left to it because it takes the password
// to any host, 501 times.
func (s *session) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.dialled {
		return nil, errors.New("the library dialled a second time")
	}
	s.dialled = true
	s.step(StateResolving)
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.target.host)
	if err != nil {
		return nil, err
	}
	s.step(StateConnecting)
	var conn net.Conn
	for _, ip := range ips {
		if conn, err = s.connect(ctx, ip.Unmap()); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	s.step(StateNegotiating)
	if !s.take(conn) {
		_ = conn.Close()
		return nil, context.Canceled
	}
	if s.target.tls != nil {
		secure := tls.Client(conn, s.target.tls.Clone())
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			if classify(err) == ClassProtocol {
				err = &failure{ClassTLS, err}
			}
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		conn = secure
	}
	return newLine(conn, s.quirk), nil
}

func (s *session) connect(ctx context.Context, ip netip.Addr) (net.Conn, error) {
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", s.target.port)
	if err != nil {
		return nil, err
	}
	to := netip.AddrPortFrom(ip, uint16(port)) // #nosec: LookupPort returns 0 to 65535
	s.mu.Lock()
	s.addr = to
	s.mu.Unlock()
	return s.connector(ctx, "tcp", to.String())
}

// reached is how far the session is, and the address that it was dialled at.
func (s *session) reached() (step string, addr netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at, s.addr
}

// take remembers the connection, so that close can cut it.
func (s *session) take(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conn = c
	}
	return !s.closed
}

// response is called for each answer of the camera, by the client's goroutine,
// which alone reads ReadTimeout once it has started.
func (s *session) response(r *base.Response) {
	switch code := r.StatusCode; {
	case code == base.StatusOK && s.asked:
		s.client.ReadTimeout = untimed
	case code == base.StatusUnauthorized:
		s.step(StateAuthenticating)
		if offers := strings.Join(r.Header["WWW-Authenticate"], " "); s.target.tls == nil && strings.Contains(offers, "Basic") && !strings.Contains(offers, "Digest") {
			s.quirk("takes the password in clear text only (Basic without TLS)")
		}
	case code >= base.StatusMovedPermanently && code <= base.StatusUseProxy && len(r.Header["Location"]) == 1:
		s.moved = r.Header["Location"][0]
	}
}

// decodeError counts packets that the library refused. After another source
// (SSRC) it refuses all, and calls the session alive.
func (s *session) decodeError(err error) {
	s.badRTP.Add(1)
	if strings.Contains(err.Error(), "wrong SSRC") && s.foreign.Add(1) == maxForeign {
		s.fault(failf(ClassProtocol, "the source (SSRC) changed within the session: %w", err))
	}
}

// step tells the watcher how far the session is; with a watcher that is gone,
// nobody needs to know.
func (s *session) step(state string) {
	s.mu.Lock()
	s.at = state
	s.mu.Unlock()
	select {
	case s.steps <- state:
	default:
	}
}

// fault ends the session from within a callback, where Close would block.
func (s *session) fault(err error) {
	select {
	case s.faults <- err:
	default:
	}
}

// recover keeps a panic in a callback of one camera from ending the program.
func (s *session) recover() {
	if r := recover(); r != nil {
		s.fault(failf(ClassProtocol, "reading the camera's packets failed: %v", r))
	}
}

// quirk notes what the camera does in its own way.
func (s *session) quirk(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks[text]++
}

func (s *session) quirkNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.quirks))
}

// close ends the session: TEARDOWN, so that the camera does not keep a dead
// reader, but no longer than closeTimeout. It may be called again.
func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		cut := time.AfterFunc(closeTimeout, func() { _ = conn.Close() })
		defer cut.Stop()
	}
	if s.started {
		s.client.Close()
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// sameHost tells whether a redirect stays with the camera, and does not leave
// TLS.
func sameHost(from target, to target) bool {
	return strings.EqualFold(from.host, to.host) && (from.tls == nil || to.tls != nil)
}
