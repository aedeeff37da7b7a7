// Package streamtest is a real RTSP server for tests and for the demo: streams
// that are read over TCP, UDP or TLS, with a password, and are either written
// by the server's owner or published by a program such as ffmpeg.
//
// It is gortsplib's server with the few things a bench needs: a free port, a
// list of connections that can be cut, and an order of closing that leaves
// nothing behind.
package streamtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Path is where the owner's stream is. A relay takes any path.
const Path = "/live"

// Options of a Server. The zero value is a relay without a password on a free
// port of the loopback interface.
type Options struct {
	Listen   string       // host:port; "" is 127.0.0.1 with a free port
	Listener net.Listener // in the place of Listen's; nil is the kernel's
	Username string       // of readers; "" lets everybody read
	Password string
	Basic    bool        // asks for Basic instead of Digest
	TLS      *tls.Config // serves rtsps
	UDP      bool        // offers UDP too
	// Multicast offers multicast too, to groups of 239.192.0.0/16; the machine
	// needs an interface that can do it.
	Multicast bool
	// Medias are what the owner will write with WritePacket. None makes the
	// server a relay: it waits for a publisher.
	Medias []*description.Media
	// NoSenderReports keeps the server from sending RTCP by itself.
	NoSenderReports bool
}

// Server is a running RTSP server. Its methods may be called from any
// goroutine.
type Server struct {
	addr string
	o    Options
	rtsp *gortsplib.Server

	mu      sync.Mutex        // guards the fields below
	streams map[string]source // by path
	conns   map[*gortsplib.ServerConn]struct{}
	readers map[*gortsplib.ServerSession]struct{} // that play
	changed chan struct{}                         // closed at each change of the above
	dropped int
	closed  bool
}

// source is one stream and who publishes it; nil is the owner.
type source struct {
	stream    *gortsplib.ServerStream
	publisher *gortsplib.ServerSession
}

// udpTries is how often a pair of free UDP ports is looked for.
const udpTries = 50

// Start starts a server. Close ends it.
func Start(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s := &Server{
		o:       o,
		streams: map[string]source{},
		conns:   map[*gortsplib.ServerConn]struct{}{},
		readers: map[*gortsplib.ServerSession]struct{}{},
		changed: make(chan struct{}),
	}
	var err error
	for range udpTries {
		if err = s.start(); err == nil || !o.UDP && !o.Multicast {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start RTSP server on %s: %w", o.Listen, err)
	}
	if len(o.Medias) == 0 {
		return s, nil
	}
	stream := &gortsplib.ServerStream{Server: s.rtsp, Desc: &description.Session{Title: "camera", Medias: o.Medias}}
	if err := stream.Initialize(); err != nil {
		s.rtsp.Close()
		return nil, fmt.Errorf("start RTSP server on %s: stream: %w", o.Listen, err)
	}
	s.mu.Lock()
	s.streams[Path] = source{stream: stream}
	s.mu.Unlock()
	return s, nil
}

func (s *Server) start() error {
	method := auth.VerifyMethodDigestMD5
	if s.o.Basic {
		method = auth.VerifyMethodBasic
	}
	s.rtsp = &gortsplib.Server{
		Handler:                  s,
		RTSPAddress:              s.o.Listen,
		TLSConfig:                s.o.TLS,
		AuthMethods:              []auth.VerifyMethod{method},
		ReadTimeout:              10 * time.Second,
		WriteTimeout:             5 * time.Second,
		WriteQueueSize:           1024,
		DisableRTCPSenderReports: s.o.NoSenderReports,
		Listen: func(network, address string) (net.Listener, error) {
			l, err := s.o.Listener, error(nil)
			if l == nil {
				l, err = net.Listen(network, address)
			}
			if err == nil {
				s.addr = l.Addr().String()
			}
			return l, err
		},
	}
	if s.o.UDP {
		port, err := freeEvenPort()
		if err != nil {
			return err
		}
		host, _, err := net.SplitHostPort(s.o.Listen)
		if err != nil {
			return err
		}
		s.rtsp.UDPRTPAddress = net.JoinHostPort(host, strconv.Itoa(port))
		s.rtsp.UDPRTCPAddress = net.JoinHostPort(host, strconv.Itoa(port+1))
	}
	if s.o.Multicast {
		port, err := freeEvenPort()
		if err != nil {
			return err
		}
		s.rtsp.MulticastIPRange, s.rtsp.MulticastRTPPort, s.rtsp.MulticastRTCPPort = "239.192.0.0/16", port, port+1
	}
	return s.rtsp.Start()
}

// freeEvenPort asks the kernel for a UDP port until it gives an even one, as
// RTP wants (RFC 3550, 11).
func freeEvenPort() (int, error) {
	for range udpTries {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, err
		}
		port := c.LocalAddr().(*net.UDPAddr).Port
		_ = c.Close()
		if port%2 == 0 {
			return port, nil
		}
	}
	return 0, errors.New("no even UDP port is free")
}

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.addr }

// URL is where the stream is, without the password.
func (s *Server) URL() string { return s.url(nil) }

// Root is the address of the server, to which a relay's user adds a path.
func (s *Server) Root() string { return strings.TrimSuffix(s.url(nil), Path) + "/" }

// URLWithPassword is where the stream is, as ffmpeg wants it.
func (s *Server) URLWithPassword() string {
	if s.o.Username == "" {
		return s.url(nil)
	}
	return s.url(url.UserPassword(s.o.Username, s.o.Password))
}

func (s *Server) url(user *url.Userinfo) string {
	u := url.URL{Scheme: "rtsp", Host: s.addr, Path: Path, User: user}
	if s.o.TLS != nil {
		u.Scheme = "rtsps"
	}
	return u.String()
}

// WritePacket sends a packet to all who read. The packet may be kept.
func (s *Server) WritePacket(m *description.Media, p *rtp.Packet) error {
	s.mu.Lock()
	stream := s.streams[Path].stream
	s.mu.Unlock()
	if stream == nil {
		return errors.New("write packet: the server has no stream of its own, or was closed")
	}
	return stream.WritePacketRTP(m, p)
}

// WriteReport sends RTCP to all who read, such as a sender report of a clock
// that is wrong on purpose.
func (s *Server) WriteReport(m *description.Media, p rtcp.Packet) error {
	s.mu.Lock()
	stream := s.streams[Path].stream
	s.mu.Unlock()
	if stream == nil {
		return errors.New("write report: the server has no stream of its own, or was closed")
	}
	return stream.WritePacketRTCP(m, p)
}

// Publishing tells whether there is a stream at path.
func (s *Server) Publishing(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[path].stream != nil
}

// Readers is how many play the stream.
func (s *Server) Readers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers)
}

// Dropped is how many packets had no room in the queue of a reader.
func (s *Server) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Changed returns a channel that is closed at the next change of Publishing
// or Readers. Take it before looking at them.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Server) changedLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Kick cuts all connections; who comes again is let in.
func (s *Server) Kick() {
	s.mu.Lock()
	var conns []*gortsplib.ServerConn
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// Close ends the server, its sessions and its listeners.
func (s *Server) Close() {
	s.mu.Lock()
	streams, closed := s.streams, s.closed
	s.streams, s.closed = map[string]source{}, true
	s.mu.Unlock()
	if closed {
		return
	}
	for _, src := range streams {
		src.stream.Close()
	}
	s.rtsp.Close()
}

// Medias are what the server was started with.
func (s *Server) Medias() []*description.Media { return s.o.Medias }
