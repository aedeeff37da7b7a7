package web

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 60 * time.Second

// serving starts a server and returns where it listens.
func serving(t *testing.T, s Server) (at string) {
	t.Helper()
	where := make(chan string, 1)
	s.Listen, s.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s.Serving = func(_ context.Context, at net.Addr) func() {
		where <- at.String()
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return <-where
}

// closedUnread waits for the other end to close a connection without a word.
func closedUnread(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes and %v of a connection that is beyond the bounds", n, err)
	} else if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("a connection beyond the bounds stays open")
	}
}

// What is beyond the bounds is closed, and there is room again when somebody goes.
func TestBoundsOfConnections(t *testing.T) {
	at := serving(t, Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "here") }),
		Bounds:  Bounds{Conns: 9, Each: 3, Every: time.Nanosecond, Burst: 1000},
	})
	var open []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := get(t, c); got != "here" {
			t.Fatalf("within the bounds: %q", got)
		}
		open = append(open, c)
	}
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	closedUnread(t, c)
	_ = open[0].Close()
	for end := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		got := get(t, c)
		_ = c.Close()
		if got == "here" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("there is no room after one has gone")
		}
	}
}

// get asks on a connection, and leaves it open; "" when it is closed.
func get(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return ""
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// A burst of new connections is bounded too, whoever makes them.
func TestBoundsOfNewConnections(t *testing.T) {
	at := serving(t, Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "here") }),
		Bounds:  Bounds{Conns: 100, Each: 100, Every: time.Hour, Burst: 5},
	})
	served := 0
	for range 20 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if get(t, c) == "here" {
			served++
		}
		_ = c.Close()
	}
	if served != 5 {
		t.Errorf("%d of 20 new connections are served, want the burst of 5", served)
	}
}

func TestGuard(t *testing.T) {
	h := Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), "default-src 'none'", "kiosk-7.local")
	for _, tt := range []struct {
		method, host, site string
		want               int
	}{
		{"GET", "192.168.1.7:8443", "", 200},
		{"GET", "[fe80::1]:8443", "", 200},
		{"GET", "[::1]", "", 200},
		{"GET", "localhost:8443", "", 200},
		{"GET", "kiosk-7.local:8443", "", 200},
		{"GET", "KIOSK-7.LOCAL:8443", "", 200},
		{"GET", "evil.example:8443", "", 421},
		{"GET", "evil.example", "cross-site", 421},
		{"GET", "", "", 421},
		{"GET", "127.0.0.1.evil.example", "", 421},
		{"POST", "192.168.1.7:8443", "same-origin", 200},
		{"POST", "192.168.1.7:8443", "cross-site", 403},
		{"POST", "192.168.1.7:8443", "same-site", 403},
		{"POST", "evil.example:8443", "same-origin", 421},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Host = tt.host
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s of %q from %q: %d, want %d", tt.method, tt.host, tt.site, w.Code, tt.want)
		}
		if w.Code == 200 && (!strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") || w.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("headers: %v", w.Header())
		}
	}
}

func TestNeighbour(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[::ffff:192.0.2.7]:4711": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[fe80::1%eth0]:1": "fe80::/64", "nonsense": "invalid IP",
	} {
		if got := Neighbour(addr); got != want {
			t.Errorf("%s belongs to %s, want %s", addr, got, want)
		}
	}
	if !IsLocal("127.0.0.1:1") || !IsLocal("[::1]:1") || IsLocal("192.0.2.7:1") || IsLocal("nonsense") {
		t.Error("who is on this machine is taken wrongly")
	}
}

// TestNeighboursShareABound: whoever has an IPv6 network has 2^64 addresses, and is
// one all the same.
func TestNeighboursShareABound(t *testing.T) {
	l := Bounds{Conns: 100, Each: 2, Every: time.Nanosecond, Burst: 100}.around(nil).(*bounded)
	for i, tt := range []struct {
		from string
		want bool
	}{
		{"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", true}, {"[2001:db8::ffff:3]:1", false}, {"[2001:db8:0:1::1]:1", true},
		{"192.0.2.1:1", true}, {"[::ffff:192.0.2.1]:2", true}, {"192.0.2.1:3", false}, {"192.0.2.2:1", true}, {"[fe80::1%eth0]:1", true}, {"[fe80::2%eth1]:1", true}, {"[fe80::3]:1", false},
	} {
		if got := l.enter(neighbour(tt.from)); got != tt.want {
			t.Errorf("%d: %s enters: %v", i, tt.from, got)
		}
	}
	l.leave(neighbour("[2001:db8::7]:9"))
	if !l.enter(neighbour("[2001:db8::8]:1")) {
		t.Error("who has left is counted still")
	}
}

// TestThisMachineKeepsItsPlace: strangers that take all connections there are leave this
// machine's own.
func TestThisMachineKeepsItsPlace(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := Bounds{Conns: 2, Each: 2, Own: 1, Every: time.Hour, Burst: 2}.around(inner).(*bounded)
	for l.enter(neighbour("192.0.2.1:1")) {
	}
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range 2 { // the second when the first has left
		c := dial()
		defer c.Close()
		select {
		case own := <-accepted:
			beyond := dial()
			closedUnread(t, beyond)
			_ = beyond.Close()
			_ = own.Close()
		case <-time.After(patience):
			t.Fatal("this machine is kept out by others")
		}
	}
	if l.enter(neighbour("192.0.2.2:1")) {
		t.Error("this machine's connections made room for another's")
	}
}
