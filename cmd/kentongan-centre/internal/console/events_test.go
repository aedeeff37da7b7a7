package console_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func listen(t *testing.T, url string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	res, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res, bufio.NewScanner(res.Body)
}

func untilLine(t *testing.T, in *bufio.Scanner, want string) {
	t.Helper()
	for in.Scan() {
		if in.Text() == want {
			return
		}
	}
	t.Fatalf("the stream ended before %q: %v", want, in.Err())
}

func TestEventsTellOfChanges(t *testing.T) {
	srv, _, c := serve(t)
	c.SoonEvery(time.Hour)
	res, in := listen(t, srv.URL)
	if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("content type %q", got)
	}
	untilLine(t, in, "event: hello")
	c.Notify(store.Committed{Records: 1})
	untilLine(t, in, "data: soon")
	// A complaint doesn't wait for the time in which measurements are held back.
	c.Notify(store.Committed{Complaints: []int64{1}, Records: 1})
	untilLine(t, in, "data: now")
}

// An account has 50 event streams, and all have 200, the last 50 of them for accounts
// that have none yet.
func TestEventStreamsAreBounded(t *testing.T) {
	srv, s, _ := serve(t)
	full := func(who string) {
		t.Helper()
		if res, _ := listen(t, srv.URL); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("one more of %s: %s, want 503 and when to come back", who, res.Status)
		}
	}
	as := func(name string) {
		tokens.Store(strings.TrimPrefix(srv.URL, "http://"), s.tokenOf(name, access.Viewer, ""))
	}
	for n := range 3 + 50 { // three with all they may have, and fifty with one
		name, own := fmt.Sprint("screens-", n), 50
		if n >= 3 {
			own = 1
		}
		as(name)
		for range own {
			res, in := listen(t, srv.URL)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%s: status %s", name, res.Status)
			}
			untilLine(t, in, "event: hello")
		}
		full(name)
	}
	as("budi")
	full("another account")
}

// The end of the program does not wait for open pages.
func TestRunEndsWithOpenPages(t *testing.T) {
	st := openStore(t, t.TempDir())
	room, token := openRoom(t, st, nil)
	c, err := console.New(console.Config{Store: st, Access: room, Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, l) }()
	tokens.Store(l.Addr().String(), token)
	res, in := listen(t, "http://"+l.Addr().String())
	untilLine(t, in, "event: hello")
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("run does not end")
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("the stream did not end in order: %v", err)
	}
}
