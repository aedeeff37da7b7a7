package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

var secret = []byte("a secret of enough bytes")

// receiver is the other side; answer is asked for each request.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex // guards got
	got []string   // ids whose signature was good
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	s := &receiver{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		var e event
		s.mu.Lock()
		if err == nil && json.Unmarshal(body, &e) == nil && e.ID == id && r.Header.Get("webhook-signature") == "v1,"+Sign(secret, id, at, body) {
			s.got = append(s.got, e.Type+" "+e.Subject)
		} else {
			s.got = append(s.got, "not as signed")
		}
		n := len(s.got)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *receiver) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func hook(t *testing.T, at string, change func(*Config)) *Hook {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: u, Secret: secret, Internal: true, Log: slog.New(slog.DiscardHandler), firstPause: time.Millisecond, longPause: 4 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func run(t *testing.T, h *Hook) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func alarms(states ...string) (done store.Committed) {
	for n, st := range states {
		done.Alarms = append(done.Alarms, store.AlarmChange{Device: "cam-1", At: time.Unix(2e9, 0), Alarm: report.Alarm{ID: "a", N: uint64(n + 1), Source: "stream/gate", State: st}})
	}
	return done
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

func TestWebhook(t *testing.T) {
	status := func(code int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := map[string]struct {
		answer func(n int, w http.ResponseWriter, r *http.Request)
		want   Status
		asked  int
	}{
		"taken": {status(http.StatusNoContent), Status{Sent: 2}, 2},
		"fails at first": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 4 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}, Status{Sent: 2, Retried: 3}, 5},
		"always fails": {status(http.StatusServiceUnavailable), Status{Retried: 2 * (attempts - 1), Failed: 2}, 2 * attempts},
		"refuses":      {status(http.StatusForbidden), Status{Failed: 2}, 2},
		"redirects": {func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, Status{Failed: 2}, 2},
		"hangs": {func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				<-r.Context().Done()
			}
		}, Status{Sent: 2, Retried: 1}, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReceiver(t, tt.answer)
			h := hook(t, s.URL, func(c *Config) {
				if name == "hangs" {
					c.answerWithin = 300 * time.Millisecond
				}
			})
			run(t, h)
			h.Notify(alarms(report.AlarmRaised, report.AlarmCleared))
			until(t, "both are dealt with", func() bool { st := h.Status(); return st.Sent+st.Failed == 2 })
			got := s.seen()
			if name == "hangs" { // a slow machine may need more attempts
				if st := h.Status(); st.Sent != 2 || st.Retried < 1 || len(got) < 3 {
					t.Errorf("%+v after %v, want both sent after one hung", st, got)
				}
				return
			}
			if h.Status() != tt.want || len(got) != tt.asked {
				t.Errorf("%+v with %d requests, want %+v with %d", h.Status(), len(got), tt.want, tt.asked)
			}
			if first, last := "id.kentongan.alarm.raised cam-1/stream/gate", "id.kentongan.alarm.cleared cam-1/stream/gate"; got[0] != first || got[len(got)-1] != last {
				t.Errorf("requests %q, want them signed and in order", got)
			}
		})
	}
}

// A device that gives its alarm an id that can't stand in a header holds up nobody's.
func TestStrangeIDIsSent(t *testing.T) {
	s := newReceiver(t, func(int, http.ResponseWriter, *http.Request) {})
	h := hook(t, s.URL, nil)
	run(t, h)
	h.Notify(store.Committed{Alarms: []store.AlarmChange{{Device: "cam-1", Alarm: report.Alarm{ID: "a\nb/é", N: 1, Source: "stream/gate", State: report.AlarmRaised}}}})
	until(t, "it is dealt with", func() bool { st := h.Status(); return st.Sent+st.Failed == 1 })
	if st := h.Status(); st != (Status{Sent: 1}) {
		t.Errorf("%+v, want it sent at once", st)
	}
	if got := s.seen(); !slices.Equal(got, []string{"id.kentongan.alarm.raised cam-1/stream/gate"}) {
		t.Errorf("%q, want it as signed", got)
	}
}

// Nothing is sent to the inside of a network unless it is allowed, by number or by
// name, and it is not tried again.
func TestInternalAddresses(t *testing.T) {
	s := newReceiver(t, func(int, http.ResponseWriter, *http.Request) {})
	port := s.Listener.Addr().String()[len("127.0.0.1"):]
	for _, host := range []string{"127.0.0.1" + port, "localhost" + port, "[::1]" + port, "[::ffff:127.0.0.1]" + port, "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0" + port, "[fd00::1]"} {
		h := hook(t, "http://"+host+"/", func(c *Config) { c.Internal = false })
		h.deliver(t.Context(), event{ID: "x"})
		if st := h.Status(); st != (Status{Failed: 1}) {
			t.Errorf("%s: %+v, want that it is given up at once", host, st)
		}
	}
	if got := s.seen(); len(got) > 0 {
		t.Errorf("requests %q came through", got)
	}
}

// The ingest never waits: what finds no room is counted.
func TestFullQueue(t *testing.T) {
	h := hook(t, "http://127.0.0.1:1/", func(c *Config) { c.Waiting = 3 })
	for range 5 {
		h.Notify(alarms(report.AlarmRaised))
	}
	if st := h.Status(); st.Waiting != 3 || st.Dropped != 2 {
		t.Errorf("%+v, want 3 waiting and 2 dropped", st)
	}
}

// fallen counts the lines of a log that say that it falls behind.
type fallen struct{ n atomic.Int64 }

func (f *fallen) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("falls behind")) {
		f.n.Add(1)
	}
	return len(line), nil
}

// Falling behind is said once, and again when it happens after it had caught up.
func TestFallingBehindIsSaidAgain(t *testing.T) {
	s := newReceiver(t, func(int, http.ResponseWriter, *http.Request) {})
	var said fallen
	h := hook(t, s.URL, func(c *Config) { c.Waiting, c.Log = 1, slog.New(slog.NewTextHandler(&said, nil)) })
	for range 4 {
		h.Notify(alarms(report.AlarmRaised))
	}
	if n := said.n.Load(); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
	run(t, h)
	until(t, "it has caught up", func() bool { return len(s.seen()) > 0 && !h.behind.Load() })
	until(t, "it is said again", func() bool {
		h.Notify(alarms(report.AlarmRaised, report.AlarmCleared, report.AlarmRaised, report.AlarmCleared))
		return said.n.Load() > 1
	})
}

func TestConfig(t *testing.T) {
	for _, at := range []string{"ftp://a/b", "http:///b", "/b"} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{URL: u, Secret: secret}); err == nil {
			t.Errorf("%s is taken", at)
		}
	}
	u, _ := url.Parse("https://a/b")
	if _, err := New(Config{URL: u, Secret: []byte("short")}); err == nil {
		t.Error("a short secret is taken")
	}
	(*Hook)(nil).Notify(alarms(report.AlarmRaised))
	if st := (*Hook)(nil).Status(); st != (Status{}) {
		t.Error(fmt.Sprint(st))
	}
}
