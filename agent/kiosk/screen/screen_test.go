package screen

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
)

// played is a kiosk that a test plays.
type played struct {
	mu        sync.Mutex // guards what follows
	show      kiosk.Show
	changed   chan struct{}
	touches   []string
	cancelled []string
	touch     error
}

func newPlayed() *played { return &played{changed: make(chan struct{})} }

func (p *played) set(change func(*kiosk.Show)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.show)
	close(p.changed)
	p.changed = make(chan struct{})
}

// kept plays a press that was kept.
func (p *played) kept(seq uint64) kiosk.Kept {
	k := kiosk.Kept{Button: "road", Ticket: report.NewTicket(7, seq).String(), PIN: "4K7P",
		Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1, Seq: seq, At: time.Now()}
	p.set(func(s *kiosk.Show) { s.Newest, s.Received, s.Takeable, s.Cancelled = &k, false, true, "" })
	return k
}

func (p *played) Show() kiosk.Show {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.show
}

func (p *played) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *played) Touch(_ context.Context, button string) (kiosk.Kept, error) {
	p.mu.Lock()
	p.touches = append(p.touches, button)
	n, err := uint64(len(p.touches)), p.touch
	p.mu.Unlock()
	if err != nil {
		return kiosk.Kept{}, err
	}
	return p.kept(n), nil
}

func (p *played) Cancel(_ context.Context, _, ticket string) error {
	n := p.Show().Newest
	if n == nil || n.Ticket != ticket {
		return kiosk.ErrNothingToCancel
	}
	p.mu.Lock()
	p.cancelled = append(p.cancelled, ticket)
	p.mu.Unlock()
	p.set(func(s *kiosk.Show) { s.Newest, s.Cancelled = nil, ticket })
	return nil
}

func (p *played) Ask(t report.Ticket, pin string) (report.TicketStatus, error) {
	if pin != "4K7P" {
		return report.TicketStatus{}, kiosk.ErrTicket
	}
	return report.TicketStatus{Ticket: t.String(), State: report.TicketAssigned, At: time.Date(2026, 11, 25, 9, 0, 0, 0, time.Local), Note: report.Text{ID: "Dinas PUPR", EN: "Public works"}}, nil
}

func settings(t testing.TB) Config {
	t.Helper()
	languages, err := Languages("")
	if err != nil {
		t.Fatal(err)
	}
	all := []Choice{
		{"road", report.Text{ID: "Jalan rusak", EN: "Damaged road"}}, {"light", report.Text{ID: "Lampu jalan mati", EN: "Street light out"}},
		{"water", report.Text{ID: "Air bersih mati", EN: "No clean water"}}, {"aid", report.Text{ID: "Bantuan sosial", EN: "Social aid"}},
	}
	return Config{
		Listen: "127.0.0.1:0", Title: "", Help: "112", CanCancel: true, ShowFor: 30 * time.Second, Languages: languages,
		Buttons: all, Touch: all, Log: slog.New(slog.DiscardHandler),
	}
}

func serve(t *testing.T, change func(*Config)) (*httptest.Server, *played) {
	t.Helper()
	cfg, k := settings(t), newPlayed()
	if change != nil {
		change(&cfg)
	}
	srv := httptest.NewServer(New(cfg, k).Handler())
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv, k
}

// ask sends a request as a client at an address, and returns the answer.
func ask(t *testing.T, h http.Handler, remote, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8070"+path, strings.NewReader(body))
	r.RemoteAddr = remote
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

const (
	here  = "127.0.0.1:4000"
	there = "192.168.1.9:4000"
)

func TestRequests(t *testing.T) {
	ticket := report.NewTicket(7, 3).String()
	wrong := ticket[:10] + map[bool]string{true: "0", false: "1"}[ticket[10] != '0']
	tests := map[string]struct {
		remote, method, path, body string
		headers                    []string
		status                     int
		want                       string
	}{
		"ticket":               {here, "POST", "/ticket", `{"Text":"` + ticket + ` 4k7p"}`, nil, 200, `{"ticket":"` + ticket + `","state":"assigned","at":"2026-11-25","note_id":"Dinas PUPR","note_en":"Public works"}`},
		"from elsewhere":       {there, "POST", "/ticket", `{"Text":"` + ticket + ` 4k7p"}`, nil, 200, `{"ticket":"` + ticket + `","state":"assigned","at":"2026-11-25","note_id":"Dinas PUPR","note_en":"Public works"}`},
		"wrong PIN":            {here, "POST", "/ticket", `{"Text":"` + ticket + ` 4K7X"}`, nil, 404, `{"error":"wrong"}`},
		"wrong ticket":         {here, "POST", "/ticket", `{"Text":"` + wrong + ` 4K7P"}`, nil, 400, `{"error":"ticket"}`},
		"no PIN":               {here, "POST", "/ticket", `{"Text":"` + ticket + `"}`, nil, 400, `{"error":"ticket"}`},
		"no JSON":              {here, "POST", "/ticket", `Text`, nil, 400, `{"error":"form"}`},
		"too long":             {here, "POST", "/ticket", `{"Text":"` + strings.Repeat("x", 2000) + `"}`, nil, 400, `{"error":"form"}`},
		"touch":                {here, "POST", "/touch", `{"Button":"road"}`, nil, 200, `{"ticket":"` + report.NewTicket(7, 1).String() + `","pin":"4K7P"}`},
		"touch of nothing":     {here, "POST", "/touch", `{"Button":"cancel"}`, nil, 404, `{"error":"form"}`},
		"touch from elsewhere": {there, "POST", "/touch", `{"Button":"road"}`, nil, 403, `{"error":"remote"}`},
		"cancel too late":      {here, "POST", "/cancel", `{"Button":"road","Ticket":"` + ticket + `"}`, nil, 409, `{"error":"late"}`},
		"cancel elsewhere":     {there, "POST", "/cancel", `{"Button":"road","Ticket":"` + ticket + `"}`, nil, 403, `{"error":"remote"}`},
		"another page's touch": {here, "POST", "/touch", `{"Button":"road"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross-origin request detected from Sec-Fetch-Site header"},
		"another's name":       {here, "GET", "/", "", []string{"Host", "evil.example:8070"}, 421, "open this page by its address, as 127.0.0.1:PORT or localhost:PORT"},
		"a get for a ticket":   {here, "GET", "/ticket?text=" + ticket, "", nil, 405, "Method Not Allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(settings(t), newPlayed()).Handler()
			status, got := ask(t, h, tt.remote, tt.method, tt.path, tt.body, tt.headers...)
			if status != tt.status || got != tt.want {
				t.Errorf("%d %s, want %d %s", status, got, tt.status, tt.want)
			}
		})
	}
}

func TestTouchErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		unkept bool
		status int
		want   string
	}{
		{kiosk.ErrCancelled, false, 409, "cancelled"}, {kiosk.ErrBusy, false, 429, "busy"},
		{context.DeadlineExceeded, true, 503, "unkept"}, {context.DeadlineExceeded, false, 202, "counted"},
	} {
		k := newPlayed()
		k.touch, k.show.Unkept = tt.err, tt.unkept
		status, got := ask(t, New(settings(t), k).Handler(), here, "POST", "/touch", `{"Button":"road"}`)
		if want := `{"error":"` + tt.want + `"}`; status != tt.status || got != want {
			t.Errorf("%v: %d %s, want %d %s", tt.err, status, got, tt.status, want)
		}
	}
}

// Only who stands before the kiosk sees the newest ticket, and not for long. The
// time is the bubble's, and stands.
func TestWhoSeesTheTicket(t *testing.T) { synctest.Test(t, whoSeesTheTicket) }

func whoSeesTheTicket(t *testing.T) {
	k := newPlayed()
	s := New(settings(t), k)
	kept := k.kept(3)
	if st, _ := s.now(true); st.State != "saved" || st.Ticket != kept.Ticket || st.PIN != kept.PIN || !st.Cancel || st.Left != 30 {
		t.Errorf("here: %+v", st)
	}
	if st, _ := s.now(false); st.State != "saved" || st.Ticket+st.PIN+st.LabelID+st.Button != "" || st.Cancel {
		t.Errorf("elsewhere: %+v", st)
	}
	k.set(func(sh *kiosk.Show) { sh.Received = true })
	if st, _ := s.now(false); st.State != "received" {
		t.Errorf("received: %+v", st)
	}
	k.set(func(sh *kiosk.Show) { sh.Newest.At = time.Now().Add(-31 * time.Second) })
	if st, _ := s.now(true); st.State != "ready" || st.Ticket != "" {
		t.Errorf("31 s later: %+v", st)
	}
	if status, _ := ask(t, s.Handler(), here, "POST", "/more", `{"Ticket":"`+kept.Ticket+`"}`); status != 200 {
		t.Error(status)
	}
	if st, _ := s.now(true); st.Ticket != kept.Ticket || st.Left != 30 {
		t.Errorf("after more time: %+v", st)
	}
	for range 10 {
		ask(t, s.Handler(), here, "POST", "/more", `{"Ticket":"`+kept.Ticket+`"}`)
	}
	if st, _ := s.now(true); st.Left != 30 {
		t.Errorf("%d s after asking ten times at once, want 30", st.Left)
	}
	k.set(func(sh *kiosk.Show) { sh.Newest.At = time.Now().Add(-30*time.Second - mostTime + 10*time.Second) })
	ask(t, s.Handler(), here, "POST", "/more", `{"Ticket":"`+kept.Ticket+`"}`)
	if st, _ := s.now(true); st.Left != 10 {
		t.Errorf("%d s at the end of %v, want 10", st.Left, mostTime)
	}
	k.set(func(sh *kiosk.Show) { sh.Newest.At = time.Now().Add(-31*time.Second - mostTime) })
	s.more.ask("another", time.Now(), time.Now().Add(time.Hour))
	if st, _ := s.now(true); st.State != "ready" || st.Ticket != "" {
		t.Errorf("after the longest time: %+v", st)
	}
	k.set(func(sh *kiosk.Show) { sh.Unkept, sh.Out = true, true })
	if st, _ := s.now(true); st.State != "unkept" || st.Ticket != "" {
		t.Errorf("a press that is not saved: %+v", st)
	}
	k.set(func(sh *kiosk.Show) { sh.Unkept, sh.Newest = false, nil })
	if st, _ := s.now(true); st.State != "out" {
		t.Errorf("out of service: %+v", st)
	}
}

func TestGuessesOverTheWire(t *testing.T) {
	h := New(settings(t), newPlayed()).Handler()
	body := `{"Text":"` + report.NewTicket(7, 3).String() + ` 0000"}`
	var last string
	for range pinLimits.Wrong + 1 {
		_, last = ask(t, h, here, "POST", "/ticket", body)
	}
	if last != `{"error":"guesses"}` {
		t.Errorf("after too many: %s", last)
	}
}

// TestGuessesElsewhere: who guesses over the network shuts nobody out at the kiosk,
// be it from one ticket or from all.
func TestGuessesElsewhere(t *testing.T) {
	h := New(settings(t), newPlayed()).Handler()
	body := func(n uint64) string { return `{"Text":"` + report.NewTicket(7, n).String() + ` 0000"}` }
	refused := false
	for n := uint64(0); !refused && n < 3*uint64(pinLimits.Burst); n++ { // a slow machine is given some back meanwhile
		_, last := ask(t, h, there, "POST", "/ticket", body(3+n/uint64(pinLimits.Wrong)))
		refused = last == `{"error":"guesses"}`
	}
	if !refused {
		t.Fatalf("%d guesses over the network, and none is refused", 3*pinLimits.Burst)
	}
	if _, got := ask(t, h, here, "POST", "/ticket", body(3)); got != `{"error":"wrong"}` {
		t.Errorf("the kiosk's own screen after that: %s", got)
	}
}

func TestParseSlip(t *testing.T) {
	ticket := report.NewTicket(7, 2)
	full := ticket.String()
	bare := strings.ReplaceAll(full, "-", "")
	tests := map[string]struct {
		text string
		pin  string // "" is an error
	}{
		"as printed":      {full + " 4K7P", "4K7P"},
		"lower case":      {strings.ToLower(full) + " 4k7p", "4K7P"},
		"without spaces":  {bare + "4K7P", "4K7P"},
		"address, hash":   {"https://lapor.example/t#" + full + ".4K7P", "4K7P"},
		"address, query":  {"https://lapor.example/t?ticket=" + full + "&pin=4K7P", "4K7P"},
		"look-alikes":     {strings.ReplaceAll(full, "0", "o") + " 4K7P", "4K7P"},
		"no PIN":          {full, ""},
		"short PIN":       {full + " 4K7", ""},
		"wrong check":     {full[:10] + "U 4K7P", ""},
		"nothing":         {"", ""},
		"another address": {"https://lapor.example/", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, pin, err := parseSlip(tt.text)
			if (err != nil) != (tt.pin == "") || pin != tt.pin || err == nil && got != ticket {
				t.Errorf("%q is %v, %q, %v; want %v, %q", tt.text, got, pin, err, ticket, tt.pin)
			}
		})
	}
}

// FuzzParseSlip: what is read as a slip is one, whatever was typed or scanned.
func FuzzParseSlip(f *testing.F) {
	f.Add("https://lapor.example/t#0007-0002-Z.4K7P")
	f.Add("\x1b00070002z4k7p\n")
	f.Fuzz(func(t *testing.T, text string) {
		ticket, pin, err := parseSlip(text)
		if err != nil {
			return
		}
		again, pin2, err := parseSlip(ticket.String() + " " + pin)
		if pin != "" && (err != nil || again != ticket || pin2 != pin) {
			t.Fatalf("%q is %v %q, which comes back as %v %q, %v", text, ticket, pin, again, pin2, err)
		}
	})
}

func TestEventsBeatAndChange(t *testing.T) {
	srv, k := serve(t, nil)
	res, err := http.Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	states := make(chan state, 64)
	go func() {
		defer close(states)
		d := json.NewDecoder(&dataOnly{res.Body})
		for {
			var s state
			if d.Decode(&s) != nil {
				return
			}
			states <- s
		}
	}()
	next := func(what string, ok func(state) bool) {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case s := <-states:
				if ok(s) {
					return
				}
			case <-limit:
				t.Fatalf("waited in vain for %s", what)
			}
		}
	}
	next("ready", func(s state) bool { return s.State == "ready" })
	next("the beat", func(s state) bool { return s.State == "ready" })
	kept := k.kept(3)
	next("the ticket", func(s state) bool { return s.Ticket == kept.Ticket })
	k.set(func(s *kiosk.Show) { s.Received = true })
	next("received", func(s state) bool { return s.State == "received" })
}

// dataOnly leaves what stands behind "data: " of server-sent events.
type dataOnly struct{ r io.Reader }

func (d *dataOnly) Read(p []byte) (int, error) {
	buf := make([]byte, len(p))
	n, err := d.r.Read(buf)
	text := strings.NewReplacer("data: ", "", "retry: 1000", "").Replace(string(buf[:n]))
	return copy(p, text), err
}

func TestTooManyPages(t *testing.T) {
	srv, _ := serve(t, nil)
	for range maxPages {
		res, err := http.Get(srv.URL + "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	res, err := http.Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d for one page too many", res.StatusCode)
	}
}

// Pages elsewhere take the kiosk's own no seat away: its citizens would read that it is out
// of service.
func TestTooManyPagesElsewhere(t *testing.T) {
	s, _ := booth(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := r.Header.Get("From"); from != "" {
			r.RemoteAddr = from
		}
		s.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave() // before the server waits for them
	open := func(from string, want int) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("From", from)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode != want {
			t.Errorf("from %q: status %d, want %d", from, res.StatusCode, want)
		}
	}
	for range maxPages {
		open(there, http.StatusOK)
	}
	open(there, http.StatusServiceUnavailable)
	open("", http.StatusOK)
}

// The address may be taken for a while, after a restart for instance.
func TestRunWaitsForItsAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := settings(t)
	cfg.Listen = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(cfg, newPlayed()).Run(ctx) }()
	time.Sleep(50 * time.Millisecond) // it fails to listen meanwhile; if it does not yet, the test shows less
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// Who opens connections and keeps them gets some of them only.
func TestConnectionsAreBounded(t *testing.T) {
	cfg := settings(t)
	cfg.Listen = brokertest.FreeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(cfg, newPlayed()).Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	answered := 0
	const many = 80
	for range many {
		var c net.Conn
		var err error
		for end := time.Now().Add(90 * time.Second); ; <-time.After(10 * time.Millisecond) {
			if c, err = net.Dial("tcp", cfg.Listen); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err) // it never listens
			}
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") // closed unread is an answer, too
		if n, _ := c.Read(make([]byte, 1)); n == 1 {
			answered++
		}
	}
	if answered == 0 || answered == many {
		t.Errorf("%d of %d connections that stay open are served", answered, many)
	}
}

// All that a browser loads, with the longest languages that are ours.
func TestPageIsSmall(t *testing.T) {
	h := New(settings(t), newPlayed()).Handler()
	sum := 0
	for _, path := range []string{"/", "/screen.css", "/screen.js"} {
		status, body := ask(t, h, here, "GET", path, "")
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		sum += len(body)
		for _, outside := range []string{"http://", "https://", "//cdn"} {
			if strings.Contains(body, outside) {
				t.Errorf("%s names something elsewhere: %s", path, outside)
			}
		}
	}
	t.Logf("%d bytes", sum)
	if sum > 100_000 {
		t.Errorf("the page is %d bytes, want 100,000 at most", sum)
	}
}

// What the configuration and the languages say is text, and every place is filled.
func TestPageHoldsTextsAsText(t *testing.T) {
	cfg := settings(t)
	evil := `"><script>alert(1)</script>&[[pin]]`
	cfg.Title, cfg.Help = evil, evil
	cfg.Touch[0].Label = report.Text{ID: evil, EN: evil}
	cfg.Languages[0].Name = evil
	_, body := ask(t, New(cfg, newPlayed()).Handler(), here, "GET", "/", "")
	if strings.Contains(body, "<script>alert") || strings.Count(body, "<script") != 2 {
		t.Errorf("a text is taken for markup: %s", body)
	}
	body = strings.NewReplacer("[[pin]]", "").Replace(body) // it stands in the texts
	if i := strings.Index(body, "[["); i >= 0 {
		t.Errorf("a place is not filled: %s", body[i:min(len(body), i+40)])
	}
}

func TestLanguages(t *testing.T) {
	good := strings.Replace(string(must(ours.ReadFile("lang/id.json"))), `"Indonesia"`, `"Basa Sunda"`, 1)
	tests := map[string]struct{ file, text, want string }{ // want "" is no error
		"good":               {"su.json", good, ""},
		"with services":      {"su.json", strings.Replace(good, `"texts"`, `"services": {"road": "Jalan ruksak"}, "texts"`, 1), ""},
		"replaces ours":      {"en.json", good, ""},
		"no language":        {"Sunda.json", good, `"Sunda" is no code of a language`},
		"no JSON":            {"su.json", "{\n\"name\": \n", "line 3: unexpected EOF"},
		"unknown key":        {"su.json", `{"name": "x", "text": {}}`, `unknown field "text"`},
		"missing":            {"su.json", strings.Replace(good, `"pin": "PIN",`, "", 1), ""},
		"nothing but a name": {"su.json", `{"name": "Basa Sunda"}`, ""},
		"twice":              {"su.json", strings.Replace(good, `"pin": "PIN",`, "\"pin\": \"PIN\",\n\"pin\": \"x\",", 1), "line 20: texts.pin is in line 19 too"},
		"unknown text":       {"su.json", strings.Replace(good, `"pin":`, `"pen": "x", "pin":`, 1), "line 19: texts.pen: there is no such text"},
		"lost a place":       {"su.json", strings.Replace(good, "{help}", "112", 1), "line 15: texts.out.help: does not hold {help}"},
		"too long":           {"su.json", strings.Replace(good, `"PIN"`, `"`+strings.Repeat("x", 201)+`"`, 1), "line 19: texts.pin: more than 200 characters"},
		"no name":            {"su.json", strings.Replace(good, "Basa Sunda", "", 1), "line 2: name is missing"},
		"more behind it":     {"su.json", good + "{}", "something follows the closing brace"},
		"far too long":       {"su.json", good + strings.Repeat(" ", maxLangFile), "more than 65536 bytes"},
		"another's bytes":    {"su.json", strings.Replace(good, `"PIN"`, `"\u0007"`, 1), "texts.pin: holds a control character"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := Languages(dir)
			switch {
			case tt.want == "" && (err != nil || len(all) < 2):
				t.Errorf("%d languages, %v", len(all), err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file)):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	if _, err := Languages("/nowhere"); err == nil || !strings.Contains(err.Error(), "no such directory") {
		t.Errorf("no directory: %v", err)
	}
	if all, _ := Languages("/nowhere"); len(all) != 2 {
		t.Errorf("without the directory there are %d languages, want ours", len(all))
	}
	id, en := mustRead("id"), mustRead("en")
	for code, file := range map[string]string{"en": "lang/en.json", "su": "../../../cmd/kentongan/examples/su.json"} {
		if l, err := parseLanguage(code, must(os.ReadFile(file)), id.Texts); err != nil || len(l.Borrowed) > 0 {
			t.Errorf("%s: %v, and it borrows %v", file, err, l.Borrowed)
		}
	}
	short, err := parseLanguage("jv", []byte(`{"name": "Basa Jawa", "texts": {"saved": "Wis disimpen."}}`), id.Texts)
	if err != nil || short.Texts["saved"] != "Wis disimpen." || short.Texts["out"] != id.Texts["out"] || !slices.Contains(short.Borrowed, "out") || slices.Contains(short.Borrowed, "saved") {
		t.Errorf("a language of one text: %+v, %v", short, err)
	}
	if got := en.Service(Choice{"road", report.Text{ID: "Jalan", EN: "Road"}}); got != "Road" {
		t.Errorf("a service in English is %q", got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// FuzzLanguage: whatever a file holds, it is refused or has every text.
func FuzzLanguage(f *testing.F) {
	want := mustRead("id").Texts
	f.Add(must(ours.ReadFile("lang/en.json")))
	f.Add([]byte(`{"name":"x","texts":{"pin":"\u0000"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLanguage("su", text, want)
		if err == nil && len(l.Texts) != len(want) {
			t.Fatalf("%d texts, want %d", len(l.Texts), len(want))
		}
	})
}

// listenAt serves a screen at an address until stop.
func listenAt(t *testing.T, addr string, s *Screen) (stop func(), at string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		l, err = net.Listen("tcp", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s.Handler()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l)
	}()
	return func() {
		_ = srv.Close()
		<-ended
	}, l.Addr().String()
}
