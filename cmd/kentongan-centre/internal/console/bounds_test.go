package console_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
)

// runConsole has a console listen, with its bounds, until the test ends.
func runConsole(t *testing.T) (addr string) {
	t.Helper()
	st := openStore(t, t.TempDir())
	room, _ := openRoom(t, st, nil)
	c, err := console.New(console.Config{Store: st, Access: room, Ingest: func() ingest.Status { return ingest.Status{Connected: true} }, BrokerClients: func() int { return -1 }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return l.Addr().String()
}

// dialFrom connects from an address of loopback's.
func dialFrom(t *testing.T, from byte, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// health asks whether the centre is well, over an open connection.
func health(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// Who opens connections to the page and asks for nothing keeps nobody else out, and
// is turned away at the 257th.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	at := runConsole(t)
	for n := range 256 {
		// Each is let in before the next one comes: it is answered.
		if err := health(dialFrom(t, 66, at)); err != nil {
			t.Fatalf("connection %d: %v", n+1, err)
		}
	}
	if err := health(dialFrom(t, 66, at)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more is answered with %v, want an end", err)
	}
	if err := health(dialFrom(t, 67, at)); err != nil {
		t.Errorf("another address: %v", err)
	}
}

// Who sends a request's head or its body letter by letter is cut off.
func TestSlowRequestsEnd(t *testing.T) {
	t.Parallel()
	at := runConsole(t)
	for name, begin := range map[string]string{
		"nothing":    "",
		"a head":     "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"a body":     "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nname=",
		"an options": "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialFrom(t, 66, at)
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
			// A letter now and then, which moves no limit of the whole.
			stop := make(chan struct{})
			defer close(stop)
			go func() {
				for tick := time.Tick(500 * time.Millisecond); ; {
					select {
					case <-tick:
						_, _ = io.WriteString(conn, "x") // until it is cut off
					case <-stop:
						return
					}
				}
			}()
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it is never cut off")
			}
		})
	}
}

// A request's head and a form have a size.
func TestLargeRequestsAreRefused(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).withPassword)
	res, err := http.PostForm(srv.URL+"/login", url.Values{"name": {"budi"}, "password": {secret}, "x": {strings.Repeat("x", 17<<10)}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode < 400 || len(res.Cookies()) != 0 {
		t.Errorf("a form of 17 KiB: %s with %v", res.Status, res.Cookies())
	}
	conn := dialFrom(t, 66, runConsole(t))
	_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10)) // it may be cut off before the end
	res, err = http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 64 KiB: %v %v", res, err)
	}
}

// An address has so many requests, whatever they are for; another one goes on.
func TestRequestsAreBounded(t *testing.T) {
	srv, _, c := serve(t)
	c.Requests(5, time.Hour)
	for n := range 6 {
		res, _ := get(t, srv.URL+"/static/style.css")
		if want := n < 5; (res.StatusCode == http.StatusOK) != want || !want && res.Header.Get("Retry-After") == "" {
			t.Errorf("request %d: %s", n+1, res.Status)
		}
	}
	other := http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 67)}}).DialContext}}
	defer other.CloseIdleConnections()
	res, err := other.Get(srv.URL + "/static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("another address: %s", res.Status)
	}
}

// Behind a proxy, which has all the connections, so many requests of one client are
// under way at a time, however slowly it sends them; another one goes on. It is not
// parallel: with TestConnectionsAreBounded it would have a thousand files open.
func TestClientsOfAProxyAreBounded(t *testing.T) {
	_, s, _ := serve(t)
	c, err := console.New(console.Config{Store: s.st, Access: s.room, Proxy: true, Ingest: func() ingest.Status { return ingest.Status{Connected: true} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close) // after the connections: it waits for what is under way
	at := srv.Listener.Addr().String()
	// begin sends a request's head, and tells what is answered before its body comes.
	begin := func(client string) (status int, conn net.Conn) {
		conn = dialFrom(t, 1, at)
		if _, err := fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.9, %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", client); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, conn
	}
	var first net.Conn
	for n := range 256 {
		status, conn := begin("198.51.100.7")
		if status != http.StatusContinue {
			t.Fatalf("request %d: %d", n+1, status)
		}
		if n == 0 {
			first = conn
		}
	}
	if status, _ := begin("198.51.100.7"); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d, want 429", status)
	}
	if status, _ := begin("198.51.100.8"); status != http.StatusContinue {
		t.Errorf("another client: %d", status)
	}
	_ = first.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := begin("198.51.100.7"); status == http.StatusContinue {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a request that is over stays taken")
		}
	}
}

// Whom to tell of a fault is said in RFC 9116's form, if the operator said it.
func TestSecurityText(t *testing.T) {
	srv, s, _ := serve(t)
	if res, _ := get(t, srv.URL+"/.well-known/security.txt"); res.StatusCode != http.StatusNotFound {
		t.Errorf("without a contact: %s", res.Status)
	}
	c, err := console.New(console.Config{Store: s.st, Access: s.room, Security: "mailto:aman@centre.example", Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	told := httptest.NewServer(c.Handler())
	defer told.Close()
	res, text := get(t, told.URL+"/.well-known/security.txt")
	want := "Contact: mailto:aman@centre.example\nExpires: " + noon.UTC().AddDate(0, 0, 90).Format(time.RFC3339) + "\nPreferred-Languages: id, en\n"
	if res.StatusCode != http.StatusOK || text != want || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %s\n%s\nwant\n%s", res.Status, res.Header.Get("Content-Type"), text, want)
	}
}
