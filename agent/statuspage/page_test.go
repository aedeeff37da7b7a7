package statuspage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/web"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 60 * time.Second

// files are a Disk in a directory.
type files struct{}

func (files) Save(file string, text []byte) error { return os.WriteFile(file, text, 0o600) }
func (files) Remove(file string) error            { return os.Remove(file) }
func (files) Load(file string, _ int64) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// played is a device that a test plays.
type played struct {
	mu      sync.Mutex // guards what follows
	st      Status
	log     []Entry
	did     []string
	text    string
	applied []string
	wrong   []Problem
	picture error
}

func (p *played) set(change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.st)
}

func (p *played) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.st
	st.Lines = slices.Clone(st.Lines)
	st.Streams = slices.Clone(st.Streams)
	return st
}

func (p *played) Lines() []Line { return p.Status().Lines }

func (p *played) Log(after uint64) ([]Entry, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log[min(after, uint64(len(p.log))):], uint64(len(p.log))
}

func (p *played) Identify(d time.Duration) (string, error) {
	return "the kiosk's lamps for " + d.String(), nil
}

func (p *played) Picture(context.Context, string) (Picture, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Picture{Type: "image/jpeg", Bytes: still, TakenAt: time.Date(2026, 11, 26, 3, 4, 5, 0, time.UTC)}, p.picture
}

func (p *played) Examine(_ context.Context, each func(Check)) error {
	each(Check{"board", "ok", report.Text{ID: "Papan", EN: "Board"}, report.Text{ID: "tegangan baik", EN: "voltage is good"}, report.Text{}})
	each(Check{"time", "warn", report.Text{ID: "Jam", EN: "Time"}, report.Text{ID: "belum disetel", EN: "not set"}, report.Text{ID: "Tunggu layanan waktu.", EN: "Wait for the time service."}})
	each(Check{"broker", "fail", report.Text{ID: "Broker", EN: "Broker"}, report.Text{ID: "ditolak", EN: "refused"}, report.Text{ID: "Periksa kata sandi.", EN: "Look at the password."}})
	each(Check{"centre", "skipped", report.Text{ID: "Pusat", EN: "Centre"}, report.Text{ID: "broker tidak terjangkau", EN: "the broker is not reached"}, report.Text{}})
	return nil
}

func (p *played) ConfigText() (string, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text, fmt.Sprint(len(p.applied)), nil
}

func (p *played) CheckConfig(text, base string) ([]Problem, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if base != fmt.Sprint(len(p.applied)) {
		return nil, ErrChanged
	}
	if strings.Contains(text, "wrong") {
		return p.wrong, nil
	}
	return nil, nil
}

func (p *played) ApplyConfig(text, base string) ([]Problem, error) {
	if problems, err := p.CheckConfig(text, base); err != nil || len(problems) > 0 {
		return problems, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = append(p.applied, text)
	p.st.Config.TrialMS, p.st.Config.From = 299_000, "page"
	return nil, nil
}

func (p *played) StartAnew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, "starts anew")
}

func (p *played) KeepConfig() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.st.Config.TrialMS == 0 {
		return errors.New("no configuration is on trial")
	}
	p.st.Config.TrialMS = 0
	return nil
}

func (p *played) Used(u report.PageUse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, strings.TrimSpace(u.Did+" "+u.Detail))
}

func (p *played) uses() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.did, ", ")
}

// site is a device with something of everything.
func site() *played {
	since := time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC)
	temp, volts := 41.5, 12.1
	looked := since
	return &played{
		text:  "device: kiosk-7\nuplink:\n  brokers:\n    - url: mqtts://centre.example\n      password: xxxxx\n",
		wrong: []Problem{{Line: 2, Column: 1, Path: "uplnk", Text: "unknown key; did you mean uplink?"}, {Line: 5, Column: 7, Path: "uplink.brokers[0].pasword", Text: "unknown key; did you mean password?"}},
		log:   []Entry{{since, "INFO", "agent started device=\"kiosk-7\""}, {since, "WARN", "session over stream=\"gate\" <b>"}, {since, "ERROR", "store is slow"}},
		st: Status{
			Device: "kiosk-7", Site: "Balai Kota Serang", Version: "v1.2.3", Board: "gpio", Time: since, Clock: report.ClockSynced, UptimeMS: 3_723_000,
			Link:  Link{Connected: true, Broker: "centre.example:8883", Since: since, Sent: 123 << 20},
			Lanes: []Lane{{Name: report.Complaint, Waiting: 0, Used: 4096, Quota: 32 << 20}, {Name: report.Event, Waiting: 3, Used: 9000, Quota: 64 << 20}, {Name: report.Telemetry, Waiting: 120, Used: 90000, Quota: 256 << 20}},
			Alarms: []report.Alarm{
				{ID: "a1", Source: "stream/hall", Condition: "down", Severity: report.Major, State: "raised", Since: since, Text: report.Text{ID: "Kamera mati", EN: "The camera is down"}, Action: report.Text{ID: "Periksa daya dan kabel.", EN: "Look at its power and cable."}, Detail: "timeout: no answer from 192.0.2.8:554"},
				{ID: "a2", Source: "sensor/cabinet", Condition: "too_hot", Severity: report.Warning, State: "raised", Since: since, Text: report.Text{ID: "Kabinet panas", EN: "The cabinet is hot"}, Action: report.Text{ID: "Periksa kipas.", EN: "Look at the fan."}},
			},
			Streams: []Stream{
				{StreamState: report.StreamState{Name: "gate", State: "playing", Since: since, URL: "rtsp://192.0.2.7/main", Codec: "H264", Width: 1920, Height: 1080, Picture: &report.PictureState{Checked: true, Looked: &looked}}, FPS: 25, BitsPerS: 2_400_000, KeyMS: 2000, Shows: true},
				{StreamState: report.StreamState{Name: "hall", State: "failed", Class: "timeout", Since: since, URL: "rtsp://192.0.2.8/a-rather-long-path/that-has-to-be-broken-somewhere/on-a-phone", Detail: "dial tcp 192.0.2.8:554: i/o timeout"}, Shows: true},
				{StreamState: report.StreamState{Name: "yard", State: "playing", Since: since, URL: "rtsp://192.0.2.9/", Codec: "H265", Width: 3840, Height: 2160, Picture: &report.PictureState{Checked: true, Found: []report.PictureVerdict{{Condition: "covered"}}}}, FPS: 12, Why: "masked"},
			},
			Lines:   []Line{{Name: "road", Kind: "button", State: "ok"}, {Name: "water", Kind: "button", State: "stuck", Detail: "active for more than 30s", Active: true, Changes: 1}, {Name: "door", Kind: "door", State: "ok", Active: true, Changes: 5}},
			Sensors: []Sensor{{Name: "cabinet", TempC: &temp, At: since}, {Name: "supply", Volts: &volts, Error: "read: input/output error", At: since}},
			Machine: Machine{RSS: 17 << 20, DiskFree: 3 << 30, TempMilliC: 51000, Load1: 0.4},
			Config:  ConfigState{File: "/etc/kentongan/kentongan.yaml", From: "file"},
		},
	}
}

// rig is a page on the wire.
type rig struct {
	t    *testing.T
	dir  string
	page *Page
	dev  *played
	url  string
	mu   sync.Mutex // guards now
	now  report.Stamp
	c    *http.Client
}

func (g *rig) stamp() report.Stamp {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *rig) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now.Uptime += d
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{t: t, dir: t.TempDir(), dev: site(), now: report.Stamp{Boot: "1f2e3d4c", Uptime: time.Hour}}
	cert, err := Certificate(files{}, g.file("certificate.pem"), "kiosk-7", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	g.page = New(Config{
		Listen: "127.0.0.1:0", Device: "kiosk-7", Names: []string{"kiosk-7.local"}, Certificate: cert, CodeFile: g.file("code.json"), Sessions: g.file("sessions.json"),
		Disk: files{}, Doctor: g.dev, Now: g.stamp, Log: slog.New(slog.DiscardHandler),
	}, g.dev)
	srv := httptest.NewTLSServer(g.page.Handler())
	t.Cleanup(srv.Close)
	g.url, g.c = srv.URL, srv.Client()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	g.c.Jar = jar
	g.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return g
}

func (g *rig) file(name string) string { return filepath.Join(g.dir, name) }

func (g *rig) code() string {
	g.t.Helper()
	code, _, err := NewCode(files{}, g.file("code.json"), g.stamp())
	if err != nil {
		g.t.Fatal(err)
	}
	return code
}

// ask sends a request and returns its status and text.
func (g *rig) ask(method, path, body string, headers ...string) (int, string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := g.c.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (g *rig) enter(code string) int {
	g.t.Helper()
	status, _ := g.ask("POST", "/enter", url.Values{"code": {code}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	return status
}

// paths are all that a page asks for.
var paths = []string{"GET /live", "GET /status.json", "GET /log", "GET /picture/gate", "GET /config", "POST /config/check", "POST /config/apply", "POST /config/keep", "POST /identify", "POST /doctor", "POST /leave"}

func TestNobodyElseSeesAnything(t *testing.T) {
	g := newRig(t)
	for _, p := range paths {
		method, path, _ := strings.Cut(p, " ")
		if status, text := g.ask(method, path, "{}"); status != http.StatusUnauthorized || strings.Contains(text, "centre.example") {
			t.Errorf("%s: %d %s", p, status, text)
		}
	}
	status, text := g.ask("GET", "/", "")
	if status != 200 || strings.Contains(text, "rtsp://") || strings.Contains(text, "v1.2.3") || strings.Contains(text, "Balai Kota") {
		t.Errorf("the door tells: %d %s", status, text)
	}
	if uses := g.dev.uses(); uses != "" {
		t.Errorf("something was done: %s", uses)
	}
	mux := regexp.MustCompile(`"((?:GET|POST) /[^"]*)": +p\.`) // each that is wrapped is in the list
	src, err := os.ReadFile("page.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(mux.FindAllString(string(src), -1)); n != len(paths) {
		t.Errorf("%d requests are known in page.go, and %d are tried here", n, len(paths))
	}
}

func TestCodeLetsOneIn(t *testing.T) {
	g := newRig(t)
	if got := g.enter("0000-0000"); got != http.StatusForbidden {
		t.Errorf("without any code: %d", got)
	}
	old := g.code()
	code := g.code()
	if got := g.enter(old); got != http.StatusForbidden {
		t.Errorf("the code before the newest: %d", got)
	}
	if got := g.enter(strings.ToLower(strings.ReplaceAll(code, "-", " "))); got != http.StatusSeeOther {
		t.Fatalf("the code: %d", got)
	}
	if status, text := g.ask("GET", "/", ""); status != 200 || !strings.Contains(text, "rtsp://192.0.2.7/main") {
		t.Errorf("who is in sees: %d %s", status, text)
	}
	at, _ := url.Parse(g.url)
	for _, c := range g.c.Jar.Cookies(at) {
		if c.Name != cookieName {
			t.Errorf("a cookie %s", c.Name)
		}
	}
	g.c.Jar, _ = cookiejar.New(nil)
	if got := g.enter(code); got != http.StatusForbidden {
		t.Errorf("the same code again: %d", got)
	}
	if uses := g.dev.uses(); uses != "refused, refused, entered, refused" {
		t.Errorf("told: %s", uses)
	}
	for name, spoil := range map[string]func(){
		"after ten minutes": func() { g.pass(codeFor) },
		"after a boot":      func() { g.mu.Lock(); g.now.Boot = "00000000"; g.mu.Unlock() },
	} {
		g.page.guesses = web.NewGuesses(codeLimits)
		code = g.code()
		spoil()
		if got := g.enter(code); got != http.StatusForbidden {
			t.Errorf("%s: %d", name, got)
		}
	}
	text, err := os.ReadFile(g.file("code.json"))
	if err != nil || strings.Contains(string(text), strings.ReplaceAll(code, "-", "")) {
		t.Errorf("the code stands on the disk: %s %v", text, err)
	}
}

func TestCookieIsForThisPageAlone(t *testing.T) {
	g := newRig(t)
	res, err := g.c.PostForm(g.url+"/enter", url.Values{"code": {g.code()}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	c := res.Cookies()
	if len(c) != 1 || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/" || c[0].Domain != "" || len(c[0].Value) != 64 {
		t.Errorf("cookie: %v", c)
	}
	text, err := os.ReadFile(g.file("sessions.json"))
	if err != nil || strings.Contains(string(text), c[0].Value) {
		t.Errorf("the cookie stands on the disk: %v", err)
	}
}

// A session lasts its time, over a restart of the agent, and not over a boot; it
// ends when somebody leaves, and the oldest gives way.
func TestSessions(t *testing.T) {
	g := newRig(t)
	in := func() bool {
		status, _ := g.ask("GET", "/status.json", "")
		return status == 200
	}
	g.enter(g.code())
	if !in() {
		t.Fatal("not in")
	}
	var err error
	if g.page.sessions, err = openSessions(files{}, g.file("sessions.json"), g.stamp); err != nil || !in() {
		t.Errorf("not in after a restart: %v", err)
	}
	if status, _ := g.ask("POST", "/leave", ""); status != http.StatusSeeOther || in() {
		t.Errorf("still in after leaving: %d", status)
	}
	g.enter(g.code())
	g.pass(sessionFor)
	if in() {
		t.Error("in after the time is over")
	}
	g.enter(g.code())
	mine := g.c.Jar
	for range maxSessions {
		g.c.Jar, _ = cookiejar.New(nil)
		g.enter(g.code())
	}
	if !in() {
		t.Error("the newest is not in")
	}
	if g.c.Jar = mine; in() {
		t.Error("the oldest is in beside four others")
	}
	if err := os.WriteFile(g.file("sessions.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := openSessions(files{}, g.file("sessions.json"), g.stamp); err == nil || len(s.all) != 0 {
		t.Errorf("a damaged file lets %d in: %v", len(s.all), err)
	}
}

// Whoever guesses is shut out soon; others are not.
func TestGuessesOfCodes(t *testing.T) {
	g := newRig(t)
	code := g.code()
	h := g.page.Handler()
	try := func(from, code string) int {
		r := httptest.NewRequest("POST", "https://192.0.2.1/enter", strings.NewReader(url.Values{"code": {code}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for n := range 5 {
		if got := try("192.0.2.66:1", "0000-0000"); got != http.StatusForbidden {
			t.Errorf("guess %d: %d", n, got)
		}
	}
	if got := try("192.0.2.66:2", code); got != http.StatusTooManyRequests {
		t.Errorf("after five wrong ones even the right one is taken from there: %d", got)
	}
	wrong := 0
	for n := range 200 {
		g.page.asks = New(g.page.cfg, g.dev).asks // this test is not about requests
		if try(fmt.Sprintf("[2001:db8:0:%x::%x]:1", n/20, n), "0000-0000") == http.StatusForbidden {
			wrong++
		}
	}
	if wrong > 50 {
		t.Errorf("%d guesses by 10 neighbours, want no more than 50", wrong)
	}
	if got := try("192.0.2.7:1", code); got != http.StatusSeeOther {
		t.Errorf("the technician is kept out by them: %d", got)
	}
}

func TestOtherPagesCantUseIt(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	for name, tt := range map[string]struct { // under our name the jar has no cookie, so it is asked for one
		want    int
		headers []string
	}{
		"our page":              {200, []string{"Sec-Fetch-Site", "same-origin"}},
		"another site":          {403, []string{"Sec-Fetch-Site", "cross-site"}},
		"another port":          {403, []string{"Sec-Fetch-Site", "same-site"}},
		"an old browser":        {403, []string{"Origin", "https://evil.example"}},
		"another's name for us": {421, []string{"Host", "evil.example", "Sec-Fetch-Site", "same-origin"}},
		"our name":              {401, []string{"Host", "kiosk-7.local:8443", "Sec-Fetch-Site", "same-origin"}},
	} {
		if status, text := g.ask("POST", "/identify", "{}", tt.headers...); status != tt.want {
			t.Errorf("%s: %d %s, want %d", name, status, text, tt.want)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	big, err := json.Marshal(sent{Text: strings.Repeat("x", maxConfig), Base: "0"})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := g.ask("POST", "/config/check", string(big)); status != http.StatusBadRequest {
		t.Errorf("a large configuration: %d", status)
	}
	if status, _ := g.ask("POST", "/enter", "code="+strings.Repeat("x", maxForm), "Content-Type", "application/x-www-form-urlencoded"); status != http.StatusBadRequest {
		t.Errorf("a large form: %d", status)
	}
	h := g.page.Handler()
	refused := 0
	for range 10 * askBurst {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "https://192.0.2.1/page.css", nil))
		if w.Code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a flood is answered whole")
	}
}

// listener is an open page.
func (g *rig) listener() (res *http.Response, next func(what string, ok func(news) bool)) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), "GET", g.url+"/live", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err = g.c.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = res.Body.Close() })
	in := bufio.NewReader(res.Body)
	return res, func(what string, ok func(news) bool) {
		g.t.Helper()
		over := time.AfterFunc(patience, func() { _ = res.Body.Close() })
		defer over.Stop()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				g.t.Fatalf("waited in vain for %s: %v", what, err)
			}
			text, ours := strings.CutPrefix(line, "data: ")
			var n news
			if ours && json.Unmarshal([]byte(text), &n) == nil && ok(n) {
				return
			}
		}
	}
}

// What changes is sent, and nothing else; the session's end ends it.
func TestLive(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	_, next := g.listener()
	next("the whole", func(n news) bool {
		return strings.Contains(n.Parts["link"], "centre.example") && n.Parts["l-road"] != ""
	})
	next("a beat without news", func(n news) bool { return len(n.Parts) == 0 && n.Layout == g.dev.Status().layout() })
	g.dev.set(func(s *Status) { s.Lines[0].Active, s.Lines[0].Changes = true, 1 })
	next("the touch alone", func(n news) bool { return strings.Contains(n.Parts["l-road"], "DITEKAN") && len(n.Parts) == 1 })
	g.dev.set(func(s *Status) { s.Streams[0].State = "silent" })
	next("the camera and the verdict", func(n news) bool {
		return strings.Contains(n.Parts["s-gate"], "TANPA GAMBAR") && strings.Contains(n.Parts["verdict"], "gate")
	})
	g.dev.set(func(s *Status) { s.Lines = s.Lines[:1] })
	next("another layout", func(n news) bool { return n.Layout == g.dev.Status().layout() })
	res, _ := g.listener()
	g.pass(sessionFor)
	over := time.AfterFunc(patience, func() { t.Error("the stream goes on after the session"); _ = res.Body.Close() })
	defer over.Stop()
	_, _ = io.Copy(io.Discard, res.Body)
}

func TestTooManyPages(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	for range maxPages {
		if res, _ := g.listener(); res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if res, _ := g.listener(); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d for one page too many", res.StatusCode)
	}
}

func TestConfiguration(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	status, text := g.ask("GET", "/config", "")
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 || a.Text != g.dev.text {
		t.Fatalf("%d %s %v", status, text, err)
	}
	body := func(text, base string) string { return fmt.Sprintf(`{"Text":%q,"Base":%q}`, text, base) }
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/config/check", body("good", a.Base), 200, "Benar"},
		{"/config/check", body("wrong", a.Base), 422, `"line":2,"column":1,"path":"uplnk"`},
		{"/config/apply", body("wrong", a.Base), 422, "yang lama tetap"},
		{"/config/apply", body("good", "another"), 409, "sudah berubah"},
		{"/config/keep", "{}", 503, "Tidak ada percobaan"},
		{"/config/apply", body("good", a.Base), 200, "Diterapkan"},
		{"/config/keep", "{}", 200, "dipertahankan"},
	} {
		if status, text := g.ask("POST", tt.path, tt.body); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.path, tt.body, status, text, tt.status, tt.want)
		}
	}
	if len(g.dev.applied) != 1 || g.dev.applied[0] != "good" {
		t.Errorf("applied: %q", g.dev.applied)
	}
	if uses := g.dev.uses(); uses != "entered, configured, starts anew, kept" {
		t.Errorf("told: %s", uses)
	}
}

func TestPicture(t *testing.T) {
	g := newRig(t)
	g.enter(g.code())
	if status, text := g.ask("GET", "/picture/gate", ""); status != 200 || text != string(still) {
		t.Errorf("%d, %d bytes", status, len(text))
	}
	g.dev.picture = errors.New("privacy masks are configured and nothing here can decode the picture")
	if status, text := g.ask("GET", "/picture/gate", ""); status != 503 || !strings.Contains(text, "privacy masks") {
		t.Errorf("%d %s", status, text)
	}
	if uses := g.dev.uses(); uses != "entered, picture gate" {
		t.Errorf("told: %s", uses)
	}
	g.page.look <- struct{}{}
	if status, _ := g.ask("GET", "/picture/gate", ""); status != http.StatusConflict {
		t.Errorf("two at a time: %d", status)
	}
}

// All that a browser loads.
func TestPageIsSmall(t *testing.T) {
	g := newRig(t)
	_, door := g.ask("GET", "/", "")
	g.enter(g.code())
	sum := len(door)
	for _, path := range []string{"/?lang=id", "/page.css", "/page.js"} {
		status, text := g.ask("GET", path, "")
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		sum += len(text)
		for _, outside := range []string{"http://", "https://", "//cdn", "style=", "onclick=\""} {
			if strings.Contains(text, outside) {
				t.Errorf("%s has %s", path, outside)
			}
		}
	}
	t.Logf("%d bytes", sum)
	if sum > 100_000 {
		t.Errorf("the page is %d bytes, want 100,000 at most", sum)
	}
}

var place = regexp.MustCompile(`\[\[([^\]]*)\]\]`)

// Every place is filled, in both languages, and what the device says is text.
func TestPageHoldsTextsAsText(t *testing.T) {
	g := newRig(t)
	evil := `"><script>alert(1)</script>&[[enter]]`
	g.dev.set(func(s *Status) {
		s.Site, s.Version, s.Board, s.Kiosk, s.Mirror = evil, evil, evil, evil, evil
		s.Link.Connected, s.Link.Broker, s.Link.Error = false, evil, evil
		s.Lanes[0].Error = evil
		s.Alarms[0].Text, s.Alarms[0].Action, s.Alarms[0].Detail, s.Alarms[0].Source, s.Alarms[0].Severity = report.Text{ID: evil, EN: evil}, report.Text{ID: evil, EN: evil}, evil, evil, evil
		s.Streams[0].Name, s.Streams[0].State, s.Streams[0].Class, s.Streams[0].Detail, s.Streams[0].URL, s.Streams[0].Codec = evil, evil, evil, evil, evil, evil
		s.Lines[0].Name, s.Lines[0].Kind, s.Lines[0].State, s.Lines[0].Detail = evil, evil, evil, evil
		s.Sensors[0].Name, s.Sensors[0].Error = evil, evil
		s.Config.File, s.Config.From, s.Config.Outcome, s.Config.Wrong, s.Config.TrialMS = evil, evil, evil, []Problem{{1, 2, evil, evil}}, 1000
		s.Config.NeedsRestart = []string{evil}
	})
	g.page.cfg.Device = evil
	_, door := g.ask("GET", "/", "")
	g.enter(g.code())
	for _, l := range []string{"id", "en"} {
		_, page := g.ask("GET", "/?lang="+l, "")
		for _, text := range []string{page, door} {
			if strings.Contains(text, "<script>alert") {
				t.Errorf("a text is taken for markup: %s", text)
			}
		}
		if n := strings.Count(page, "<script"); n != 2 {
			t.Errorf("%d scripts on the page", n)
		}
		for _, m := range place.FindAllStringSubmatch(page, -1) {
			if m[1] != "enter" { // of what the device said
				t.Errorf("a place is not filled: %s", m[0])
			}
		}
	}
}

// Every text that the page and its script ask for is there, in two languages.
func TestTextsAreWhole(t *testing.T) {
	asked := map[string]bool{}
	for _, m := range place.FindAllStringSubmatch(frame+doorFrame, -1) {
		if !strings.HasPrefix(m[1], ":") {
			asked[m[1]] = true
		}
	}
	source, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`\bt\("(err\.)?([a-z_.]+)"\)|\.(?:say|door|failed)\(w, r, [a-zA-Z., ]*"([a-z]+)"`)
	for _, file := range source {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range calls.FindAllStringSubmatch(string(text), -1) {
			if m[3] != "" {
				asked["err."+m[3]] = true
			} else {
				asked[m[1]+m[2]] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`text\('([a-z.]+)'\)`).FindAllStringSubmatch(js, -1) {
		if !slices.Contains(scriptTexts, m[1]) {
			t.Errorf("page.js asks for %s, which it is not given", m[1])
		}
	}
	for _, key := range scriptTexts {
		asked[key] = true
	}
	for key := range asked {
		if _, ok := texts[key]; !ok && key != "err." {
			t.Errorf("there is no text %q", key)
		}
	}
	if len(asked) < 60 {
		t.Errorf("%d texts are asked for", len(asked))
	}
	for key, two := range texts {
		if two[0] == "" || two[1] == "" {
			t.Errorf("%s has one language only", key)
		}
	}
}

func TestCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "certificate.pem")
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	make := func(device string, now time.Time) string {
		t.Helper()
		c, err := Certificate(files{}, file, device, []string{"kiosk-7.local"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore); d > 825*24*time.Hour {
			t.Errorf("it holds for %v; iPhones take no more than 825 days", d)
		}
		if err := c.Leaf.VerifyHostname("kiosk-7.local"); err != nil {
			t.Error(err)
		}
		return Fingerprint(c)
	}
	first := make("kiosk-7", now)
	if !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(first) {
		t.Errorf("fingerprint %s", first)
	}
	if got := make("kiosk-7", now.Add(365*24*time.Hour)); got != first {
		t.Error("it changed after a year")
	}
	second := make("kiosk-8", now)
	if second == first {
		t.Error("another device has the same")
	}
	if got := make("kiosk-8", now.Add(certificateFor-renewBefore+time.Hour)); got == second {
		t.Error("it is not made anew before it ends")
	}
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	make("kiosk-8", now)
}

// Run serves over TLS alone, answers its pulse, and ends with its context.
func TestRun(t *testing.T) {
	g := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.page.Run(ctx) }()
	asked, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for _, p := range g.page.Pulses() {
		if err := p.Ask(asked); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
