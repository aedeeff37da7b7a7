package screen

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// counting is a store that keeps nothing but the number of its records.
type counting struct {
	mu  sync.Mutex // guards seq
	seq uint64
}

func (c *counting) AppendFunc(_ context.Context, _ report.Lane, _ string, body func(uint64) any) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	_ = body(c.seq)
	return c.seq, nil
}

func (c *counting) Append(context.Context, report.Lane, string, any) (uint64, error) { return 1, nil }

func (c *counting) head() report.Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return report.Head{First: 1, Next: c.seq + 1}
}

// booth is a real kiosk on a simulated board, with its screen.
func booth(t *testing.T, change func(*Config)) (*Screen, *kiosk.Kiosk) {
	t.Helper()
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := &counting{}
	k, err := kiosk.New(kiosk.Config{
		Number: 7, Dir: t.TempDir(), Save: func(file string, text []byte) error { return os.WriteFile(file, text, 0o600) }, Head: store.head,
		Buttons: []kiosk.Button{
			{Name: "road", Line: hal.LineConfig{Line: "GPIO17"}, ServiceCode: "jalan-rusak"},
			{Name: "water", Line: hal.LineConfig{Line: "GPIO18"}, ServiceCode: "air"},
		},
	}, board, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		board.Close()
	})
	cfg := settings(t)
	if change != nil {
		change(&cfg)
	}
	return New(cfg, k), k
}

func slip(k kiosk.Kept) string { return fmt.Sprintf(`{"Text":"%s %s"}`, k.Ticket, k.PIN) }

// Who has one slip learns nothing of another: its ticket can be guessed, and opens
// with its own PIN only.
func TestNobodySeesAnothersComplaint(t *testing.T) {
	s, k := booth(t, nil)
	h := s.Handler()
	mine, err := k.Touch(t.Context(), "road")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := k.Touch(t.Context(), "water")
	if err != nil {
		t.Fatal(err)
	}
	if theirs.PIN == mine.PIN || theirs.PIN == "" {
		t.Fatalf("PINs %q and %q", mine.PIN, theirs.PIN)
	}
	for _, own := range []kiosk.Kept{mine, theirs} {
		if status, got := ask(t, h, there, "POST", "/ticket", slip(own)); status != 200 || got != `{"ticket":"`+own.Ticket+`","state":"saved"}` {
			t.Errorf("with its own PIN: %d %s", status, got)
		}
	}
	crossed := kiosk.Kept{Ticket: theirs.Ticket, PIN: mine.PIN}
	if status, got := ask(t, h, there, "POST", "/ticket", slip(crossed)); status != 404 || got != `{"error":"wrong"}` {
		t.Errorf("with another ticket's PIN: %d %s", status, got)
	}
	next := kiosk.Kept{Ticket: report.NewTicket(7, theirs.Seq+1).String(), PIN: theirs.PIN}
	if status, got := ask(t, h, there, "POST", "/ticket", slip(next)); status != 404 || got != `{"error":"wrong"}` {
		t.Errorf("a ticket that was never given out answers otherwise: %d %s", status, got)
	}

	// What else can be asked for holds neither ticket nor PIN, from here or there.
	for _, remote := range []string{here, there} {
		for _, path := range []string{"/", "/screen.js", "/screen.css", "/events/", "/ticket", "/ticket/" + theirs.Ticket, "/status", "/api", "/api/tickets", "/metrics", "/debug/pprof/", "/states.json", "/kiosk/states.json", "/static/", "/..%2fkiosk/pin.key"} {
			if _, got := ask(t, h, remote, "GET", path, ""); strings.Contains(got, theirs.Ticket) || strings.Contains(got, theirs.PIN) || strings.Contains(got, mine.PIN) {
				t.Errorf("%s from %s holds a ticket or a PIN", path, remote)
			}
		}
	}
	if st, _ := s.now(false); st.Ticket+st.PIN+st.Button+st.LabelID+st.LabelEN != "" {
		t.Errorf("the stream says elsewhere: %+v", st)
	}
	if st, _ := s.now(true); st.Ticket != theirs.Ticket {
		t.Errorf("the screen shows %q, want the newest, %q", st.Ticket, theirs.Ticket)
	}
	ask(t, h, here, "POST", "/more", `{"Ticket":"`+mine.Ticket+`"}`)
	if st, _ := s.now(true); st.Ticket != theirs.Ticket {
		t.Errorf("to show one longer brings it back: %q", st.Ticket)
	}
}

// Nothing of it may be stored on the way or in the browser, and no other page may
// look in.
func TestNothingMayBeStored(t *testing.T) {
	s, k := booth(t, nil)
	kept, err := k.Touch(t.Context(), "road")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for _, q := range [][3]string{{"GET", "/", ""}, {"GET", "/events", ""}, {"GET", "/screen.js", ""}, {"POST", "/ticket", slip(kept)}, {"POST", "/ticket", `{"Text":"x"}`}, {"POST", "/touch", `{"Button":"water"}`}, {"POST", "/more", `{"Ticket":"x"}`}, {"GET", "/nothing", ""}} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, q[0], srv.URL+q[1], strings.NewReader(q[2]))
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = a.Body.Close()
		for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; "} {
			if got := a.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s %s: %s is %q, want %q", q[0], q[1], name, got, want)
			}
		}
		if got := a.Header.Get("Set-Cookie") + a.Header.Get("ETag") + a.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s %s: %s", q[0], q[1], got)
		}
	}
}

// slowly is a kiosk that takes its time to look at a PIN.
type slowly struct{ *played }

func (s slowly) Ask(t report.Ticket, pin string) (report.TicketStatus, error) {
	time.Sleep(5 * time.Millisecond)
	return s.played.Ask(t, pin)
}

// Guesses that come side by side are counted as those that come in turn.
func TestGuessesSideBySide(t *testing.T) {
	h := New(settings(t), slowly{newPlayed()}).Handler()
	body := `{"Text":"` + report.NewTicket(7, 3).String() + ` 0000"}`
	var mu sync.Mutex
	looked := 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if status, _ := ask(t, h, there, "POST", "/ticket", body); status == http.StatusNotFound {
				mu.Lock()
				looked++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if looked != pinLimits.Wrong {
		t.Errorf("%d PINs of a ticket were looked at, want %d", looked, pinLimits.Wrong)
	}
}

// stopped is a kiosk that does not say how it is, from when free is made.
type stopped struct {
	*played
	hang <-chan struct{}
}

func (s stopped) Show() kiosk.Show {
	<-s.hang
	return s.played.Show()
}

// The board's watchdog learns that the page is not answered; that its address is
// taken, or that there are more pages than seats, is no such thing.
func TestAnswers(t *testing.T) {
	free := make(chan struct{})
	for name, tt := range map[string]struct {
		hang  chan struct{}
		seats int
		want  string
	}{"well": {seats: maxPages}, "full": {}, "hangs": {free, maxPages, "ask for the page"}} {
		t.Run(name, func(t *testing.T) {
			var k Kiosk = newPlayed()
			if tt.hang != nil {
				k = stopped{newPlayed(), tt.hang}
			}
			s := New(settings(t), k)
			s.seats = make(chan struct{}, tt.seats)
			s.alive.every = 10 * time.Millisecond
			if tt.hang != nil {
				s.alive.limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			if tt.hang == nil {
				defer func() { cancel(); <-ended }()
			} else {
				defer func() { close(free); cancel(); <-ended }()
			}
			asked := func() (time.Time, error) {
				s.alive.mu.Lock()
				defer s.alive.mu.Unlock()
				return s.alive.asked, s.alive.err
			}
			first, _ := asked()
			for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				at, err := asked()
				if first.IsZero() {
					first = at
				}
				if !first.IsZero() && at.After(first) && (tt.want == "") == (err == nil) {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("asked at %v: %v", at, err)
				}
			}
			if err := s.Answers(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("answers %v, want %q", err, tt.want)
			}
		})
	}
	s := New(settings(t), newPlayed())
	if err := s.Answers(); err != nil {
		t.Errorf("not served: %v", err)
	}
	s.alive.note(time.Now().Add(-2*time.Minute), nil)
	if err := s.Answers(); err == nil {
		t.Error("not asked for two minutes, and well")
	}
}

// The stream of another machine, read over the wire, never names a ticket.
func TestStreamElsewhere(t *testing.T) {
	s, k := booth(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = there
		s.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	kept, err := k.Touch(t.Context(), "road")
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	n := 0
	for lines := bufio.NewScanner(a.Body); n < 3 && lines.Scan(); {
		if text := lines.Text(); strings.HasPrefix(text, "data:") {
			n++
			if strings.Contains(text, kept.Ticket) || strings.Contains(text, kept.PIN) || !strings.Contains(text, `"state":"saved"`) {
				t.Errorf("the stream says %s", text)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d states", n)
	}
}
