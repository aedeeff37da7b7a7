package appcheck

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
)

// look asks once.
func look(t *testing.T, cfg Config) result {
	t.Helper()
	return checked(t, cfg).probe(t.Context())
}

func checked(t *testing.T, cfg Config) *prober {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "e-test"
	}
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	return newProber(cfg)
}

func wantClass(t *testing.T, r result, class, detail string) {
	t.Helper()
	if r.class != class || !strings.Contains(r.detail, detail) {
		t.Errorf("class %q, detail %q; want %q with %q", r.class, r.detail, class, detail)
	}
}

func TestAnswers(t *testing.T) {
	site := web(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "<h1>Selamat datang</h1>")
		case "/zip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, strings.Repeat("padding ", 1000), "Selamat datang")
			_ = z.Close()
		case "/notzip":
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "Selamat datang")
		case "/late-text":
			fmt.Fprint(w, strings.Repeat("x", 70<<10), "Selamat datang")
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/login":
			w.WriteHeader(http.StatusUnauthorized)
		case "/no-head":
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		case "/to-good":
			http.Redirect(w, r, "good", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/to-ftp":
			http.Redirect(w, r, "ftp://example.com/", http.StatusFound)
		case "/cookie": // comes back to itself with a cookie, as some portals do
			if _, err := r.Cookie("seen"); err == nil {
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
			http.Redirect(w, r, "/cookie", http.StatusFound)
		case "/slow":
			time.Sleep(150 * time.Millisecond)
		}
	})
	for name, tt := range map[string]struct {
		path          string
		cfg           Config
		class, detail string
		status        int
	}{
		"head":                   {path: "/good", status: 200},
		"text":                   {path: "/good", cfg: Config{ExpectText: "Selamat datang"}, status: 200},
		"text in gzip":           {path: "/zip", cfg: Config{ExpectText: "Selamat datang"}, status: 200},
		"gzip that is none":      {path: "/notzip", cfg: Config{ExpectText: "Selamat datang"}, class: ClassProtocol, status: 200},
		"wrong text":             {path: "/good", cfg: Config{ExpectText: "e-bansos"}, class: ClassText, detail: "do not hold the expected text", status: 200},
		"text beyond the limit":  {path: "/late-text", cfg: Config{ExpectText: "Selamat datang"}, class: ClassText, detail: "65536 bytes", status: 200},
		"status":                 {path: "/gone", class: ClassStatus, detail: "status 410, not 2xx", status: 410},
		"status that is wanted":  {path: "/login", cfg: Config{ExpectStatus: "200, 401"}, status: 401},
		"head not allowed":       {path: "/no-head", status: 200},
		"redirect":               {path: "/to-good", cfg: Config{Redirects: 3}, status: 200},
		"redirect is the answer": {path: "/to-good", cfg: Config{Redirects: 0}, class: ClassRedirect, detail: "more than the 0 allowed", status: 302},
		"redirect is expected":   {path: "/to-good", cfg: Config{Redirects: 0, ExpectStatus: "302"}, status: 302},
		"redirects for ever":     {path: "/loop", cfg: Config{Redirects: 3}, class: ClassRedirect, detail: "4 redirects, more than the 3 allowed", status: 302},
		"redirect to no web":     {path: "/to-ftp", cfg: Config{Redirects: 3}, class: ClassRedirect, detail: "no web address", status: 302},
		"redirect with a cookie": {path: "/cookie", cfg: Config{Redirects: 3}, status: 200},
		"slow":                   {path: "/slow", cfg: Config{SlowAfter: 100 * time.Millisecond}, class: ClassSlow, detail: "longer than 100ms", status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.URL = site.URL + tt.path
			r := look(t, tt.cfg)
			wantClass(t, r, tt.class, tt.detail)
			if r.status != tt.status {
				t.Errorf("status %d, want %d", r.status, tt.status)
			}
			if r.bytes < 300 || r.connect <= 0 || r.firstByte <= 0 || r.total < r.connect+r.firstByte {
				t.Errorf("figures: %+v", r)
			}
		})
	}
}

// TestStrangers: whatever answers, a look ends in time, in bounded memory, and
// with a class.
func TestStrangers(t *testing.T) {
	forever := func(c net.Conn, piece string, pause time.Duration) {
		for {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
	for name, tt := range map[string]struct {
		talk          func(net.Conn)
		text          string
		class, detail string
	}{
		"mute":           {talk: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, class: ClassTimeout},
		"closes at once": {talk: func(net.Conn) {}, class: ClassClosed},
		"garbage":        {talk: func(c net.Conn) { _, _ = io.WriteString(c, "\x00\xff\x13not http\r\n\r\n") }, class: ClassProtocol},
		"an SSH server":  {talk: func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") }, class: ClassProtocol, detail: "not HTTP"},
		"slow-loris":     {talk: func(c net.Conn) { forever(c, "H", 20*time.Millisecond) }, class: ClassTimeout},
		"endless headers": {talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			forever(c, "A: "+strings.Repeat("b", 1000)+"\r\n", 0)
		}, class: ClassProtocol, detail: "more than 65536 bytes"},
		"endless 100": {talk: func(c net.Conn) { forever(c, "HTTP/1.1 100 Continue\r\n\r\n", 0) }, class: ClassProtocol, detail: "interim answers"},
		"slow body": {talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			forever(c, "x", 20*time.Millisecond)
		}, text: "never", class: ClassTimeout},
		"giant body": {talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			forever(c, strings.Repeat("x", 64<<10), 0)
		}, text: "never", class: ClassText},
		"cut body": {talk: func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort") }, text: "never", class: ClassText},
		"bad chunks": {talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		}, text: "never", class: ClassProtocol},
		"negative length": {talk: func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n") }, class: ClassProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute // that no busy machine uses up
			if tt.class == ClassTimeout {
				timeout = time.Second
			}
			began := time.Now()
			r := look(t, Config{URL: raw(t, tt.talk), Timeout: timeout, ExpectText: tt.text})
			wantClass(t, r, tt.class, tt.detail)
			if took := time.Since(began); took > timeout+30*time.Second {
				t.Errorf("took %v with a timeout of %v", took, timeout)
			}
		})
	}
}

// TestGzipBomb: a page that unpacks to a gigabyte is read to our limit.
func TestGzipBomb(t *testing.T) {
	site := web(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for range 50 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		_ = z.Close()
	})
	wantClass(t, look(t, Config{URL: site.URL, ExpectText: "never"}), ClassText, "")
}

func TestConnections(t *testing.T) {
	site := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	_, at, _ := strings.Cut(site.URL, "127.0.0.1")
	dns := &names{known: map[string]netip.Addr{"app.example": netip.MustParseAddr("127.0.0.1"), "six.example": netip.MustParseAddr("::1")}}
	r := dns.resolver(t)
	closed := "http://" + brokertest.FreeAddress(t)
	for name, tt := range map[string]struct {
		cfg           Config
		class, detail string
	}{
		"by name":           {cfg: Config{URL: "http://app.example" + at}},
		"unknown name":      {cfg: Config{URL: "http://nowhere.example" + at}, class: ClassDNS, detail: "nowhere.example has no address"},
		"no such family":    {cfg: Config{URL: "http://app.example" + at, Family: IPv6}, class: ClassDNS, detail: "(ipv6)"},
		"family that it is": {cfg: Config{URL: "http://app.example" + at, Family: IPv4}},
		"refused":           {cfg: Config{URL: closed}, class: ClassRefused},
		"refused over six":  {cfg: Config{URL: "http://six.example" + at, Family: IPv6}, class: ClassRefused},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Resolver = r
			wantClass(t, look(t, tt.cfg), tt.class, tt.detail)
		})
	}
	dns.mute.Store(true)
	wantClass(t, look(t, Config{URL: "http://late.example" + at, Resolver: r, Timeout: 300 * time.Millisecond}), ClassDNS, "no name server answers")
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on this machine:", err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	r := look(t, Config{URL: "http://" + l.Addr().String(), ExpectStatus: "404"})
	wantClass(t, r, "", "")
	if r.family != IPv6 {
		t.Errorf("family %q", r.family)
	}
}

// TestRedirectGoesNoNearer: an application must not send us into the site's
// own network.
func TestRedirectGoesNoNearer(t *testing.T) {
	for _, tt := range []struct{ from, to string }{{"203.0.113.1", "192.168.1.64"}, {"192.168.1.1", "127.0.0.1"}, {"8.8.8.8", "169.254.169.254"}, {"2001:db8::1", "fd00::1"}, {"10.0.0.1", "fe80::1"}} {
		if nearnessOf(netip.MustParseAddr(tt.to)) <= nearnessOf(netip.MustParseAddr(tt.from)) {
			t.Errorf("a redirect from %s to %s would be followed", tt.from, tt.to)
		}
	}
	var asked atomic.Int64
	inside := web(t, nil, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	p := checked(t, Config{URL: "http://192.0.2.1/", Redirects: 3, Timeout: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	v := &visit{prober: p, hops: 1, method: http.MethodHead} // as after a redirect from the world
	u, err := p.url.Parse(inside.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.hop(ctx, u); err == nil || classify(err) != ClassRedirect || asked.Load() != 0 {
		t.Errorf("error %v, asked %d times", err, asked.Load())
	}
}

// TestThrift: a good answer is asked for again only when it changed, by the
// session that there was; after a failure as by a stranger.
func TestThrift(t *testing.T) {
	ca := newAuthority(t, time.Now().AddDate(5, 0, 0))
	cert := ca.sign(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	var whole, unchanged, resumed atomic.Int64
	var broken atomic.Bool
	site := web(t, &cert, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		whole.Add(1)
		fmt.Fprint(w, "Selamat datang", strings.Repeat(" ", 8000))
	})
	p := checked(t, Config{URL: site.URL, CA: ca.file, ExpectText: "Selamat datang"})
	first := p.probe(t.Context())
	second := p.probe(t.Context())
	wantClass(t, first, "", "")
	wantClass(t, second, "", "")
	if second.status != 200 || whole.Load() != 1 || unchanged.Load() != 1 || resumed.Load() != 1 {
		t.Errorf("status %d, whole %d, unchanged %d, resumed %d", second.status, whole.Load(), unchanged.Load(), resumed.Load())
	}
	if second.bytes*2 > first.bytes {
		t.Errorf("the first look cost %d bytes, the second %d", first.bytes, second.bytes)
	}
	if second.certDays() == nil || *second.certDays() != *first.certDays() {
		t.Error("a resumed session does not know the certificate")
	}
	broken.Store(true)
	wantClass(t, p.probe(t.Context()), ClassStatus, "502")
	broken.Store(false)
	wantClass(t, p.probe(t.Context()), "", "")
	if whole.Load() != 2 {
		t.Errorf("%d whole answers after a failure, want 2", whole.Load())
	}
}

// TestEndsWithItsContext: the agent need not wait for a look's timeout.
func TestEndsWithItsContext(t *testing.T) {
	reached := make(chan struct{}, 1)
	url := raw(t, func(c net.Conn) { reached <- struct{}{}; _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	began := time.Now()
	checked(t, Config{URL: url, Timeout: time.Minute}).probe(ctx)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("ended by itself")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nSelamat datang"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		here, there := net.Pipe()
		defer here.Close()
		go func() {
			defer there.Close()
			go func() { _, _ = io.Copy(io.Discard, there) }()
			_, _ = there.Write(data)
		}()
		p := checked(t, Config{URL: "http://app.example/", ExpectText: "Selamat datang", Redirects: 3})
		v := &visit{prober: p, method: http.MethodGet}
		v.jar = newJar()
		a, err := v.ask(here, p.url)
		if err == nil && (a.status < 200 || a.read > maxText+4096) {
			t.Errorf("answer %+v", a)
		}
		if err != nil && stateOf(classify(err)) == report.AppOK {
			t.Errorf("error %v is called good", err)
		}
	})
}
