package console_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/audit"
	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/webhook"
)

// serve gives a console over a seeded store; its clock stands at noon.
func serve(t *testing.T, seed ...func(*seeder)) (*httptest.Server, *seeder, *console.Console) {
	t.Helper()
	s := &seeder{t: t, st: openStore(t, t.TempDir()), now: noon}
	skey, _, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	desk := orders.New(orders.Config{Store: s.st, Signer: signer, Wake: func() {}, Changed: func() {}, Keep: 7 * 24 * time.Hour, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	var token string
	s.room, token = openRoom(t, s.st, func() time.Time { return noon })
	for _, f := range seed {
		f(s)
	}
	auditor := audit.NewAuditor(audit.AuditorConfig{Centre: note.VerifierList(), Every: time.Minute, Full: 24 * time.Hour}, s.st.For(store.Everything()), slog.New(slog.DiscardHandler))
	if err := auditor.Round(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	s.lead = rollout.New(rollout.Config{Store: s.st, Desk: desk, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	for _, f := range s.later {
		f()
	}
	c, err := console.New(console.Config{
		Rollouts: s.lead, Auditor: auditor, Store: s.st, Access: s.room, Desk: desk, KeepPictures: 7 * 24 * time.Hour, Ingest: func() ingest.Status { return ingest.Status{Connected: true, Messages: 7} },
		Webhook: func() webhook.Status { return webhook.Status{Sent: 1} },
		Broker:  "mqtt://127.0.0.1:1883", BrokerClients: func() int { return 3 }, Verifier: "kentongan-centre+00000000+AAAA",
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close)
	tokens.Store(strings.TrimPrefix(srv.URL, "http://"), token)
	return srv, s, c
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

var tags = regexp.MustCompile(`<[^>]*>`)

// words is a page's text, spaces made single.
func words(html string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
}

func TestPagesSay(t *testing.T) {
	all := func(s *seeder) { s.province(); s.wound() }
	tests := map[string]struct {
		seed func(*seeder)
		path string
		want []string
	}{
		"empty, id":     {func(*seeder) {}, "/?lang=id", []string{"Belum ada perangkat", "mqtt://127.0.0.1:1883", "Tidak ada yang merah."}},
		"empty, en":     {func(*seeder) {}, "/?lang=en", []string{"No device yet", "Nothing is red."}},
		"good, id":      {(*seeder).province, "/?lang=id", []string{"Semua catatan lengkap", "Perangkat daring 3 dari 4", "Kamera menayangkan 2 dari 6", "Pengaduan hari ini 17", "Nomor hilang 0", "Perangkat luring cam-pandeglang", "Nama pengguna atau sandi ditolak.", "Lampu jalan mati", "0007-000E-7"}},
		"good, en":      {(*seeder).province, "/?lang=en", []string{"Every record is accounted for", "Devices online 3 of 4", "Device offline cam-pandeglang", "User name or password refused.", "Street light out", "Arrived after 2 h 40 min"}},
		"wounded, en":   {all, "/?lang=en", []string{"3 numbers missing without explanation · 1 contradicting record", "Conflicting records 1 · complaint kiosk-7", "Missing numbers 3 · event cam-kp3b"}},
		"devices, en":   {all, "/devices?lang=en", []string{"cam-pandeglang offline since 44 min ago Alun-alun Pandeglang", "kiosk-7 online since 3 h ago Balai Kota Serang 1 of 2 1 in trouble 14 0"}},
		"device, en":    {all, "/devices/kiosk-7?lang=en", []string{"gate playing since 3 h ago H264 1920×1080 tcp 25.0 2.4 Mbit/s 38 ms", "lobby silent", "complaint conflict 14 14 0 0 0 0 1", "Button, lamp or contact GPIO24 · stuck", "Device started again after an abrupt end"}},
		"device, id":    {all, "/devices/kiosk-7?lang=id", []string{"25,0", "2,4 Mbit/s", "Perangkat menyala lagi setelah padam mendadak"}},
		"complaints":    {all, "/complaints?lang=en", []string{"000C-0003-Z Social aid not received", "clock not set", "estimated", "2 h 40 min"}},
		"of one kiosk":  {all, "/complaints?lang=en&device=kiosk-12", []string{"000C-0003-Z", "Show all"}},
		"ticket found":  {all, "/complaints?lang=en&ticket=ooo7+oooe+7", []string{"0007-000E-7", "Street light out"}},
		"not a ticket":  {all, "/complaints?lang=en&ticket=0007-000E-8", []string{"That is not a ticket number"}},
		"not arrived":   {all, "/complaints?lang=en&ticket=" + report.NewTicket(7, 999).String(), []string{"has not arrived here"}},
		"gaps":          {all, "/gaps?lang=en", []string{"cam-kp3b event missing 3 6 3 2", "3–5 cam-kp3b event missing without explanation", "400–899 kiosk-12 telemetry dropped to make room", "1–399 kiosk-12 telemetry still on the device"}},
		"no such place": {all, "/nowhere?lang=en", []string{"Page not found"}},
		"no such kiosk": {all, "/devices/nobody?lang=id", []string{"Tidak ada perangkat bernama itu."}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, _, _ := serve(t, tt.seed)
			_, html := get(t, srv.URL+tt.path)
			text := words(html)
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in: %s", want, text)
				}
			}
		})
	}
}

// The example that the search gives is a ticket that a kiosk could make.
func TestSearchGivesARealExample(t *testing.T) {
	srv, _, _ := serve(t)
	_, html := get(t, srv.URL+"/complaints?lang=en")
	if want := "Example: " + report.NewTicket(7, 1).String(); !strings.Contains(html, want) {
		t.Errorf("no %q on the page", want)
	}
}

// What devices say is text, never markup, on no page.
func TestForeignTextIsEscaped(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province, (*seeder).hostile)
	for _, path := range []string{"/", "/devices", "/devices/kiosk-9", "/devices/kiosk-9/streams/cam", "/map", "/complaints", "/gaps", "/complaints?ticket=%3Cscript%3Ealert(1)%3C/script%3E"} {
		res, html := get(t, srv.URL+path)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
		if strings.Contains(html, "<script>alert") || strings.Contains(html, `"'>`) {
			t.Errorf("%s: foreign markup in the page", path)
		}
		if path != "/gaps" && !strings.Contains(html, "&lt;script&gt;alert") {
			t.Errorf("%s: the foreign text is not on the page, so this test checks nothing", path)
		}
	}
}

func TestLanguageIsChosen(t *testing.T) {
	srv, _, _ := serve(t)
	tests := map[string]struct {
		path   string
		header []string
		want   string
	}{
		"nothing said":             {"/", nil, "id"},
		"browser wants English":    {"/", []string{"Accept-Language", "en-GB,en;q=0.9"}, "en"},
		"browser wants Javanese":   {"/", []string{"Accept-Language", "jv, id;q=0.8, en;q=0.5"}, "id"},
		"cookie over the browser":  {"/", []string{"Accept-Language", "en", "Cookie", "lang=id"}, "id"},
		"address over the cookie":  {"/?lang=en", []string{"Cookie", "lang=id"}, "en"},
		"unknown language ignored": {"/?lang=xx", []string{"Accept-Language", "en"}, "en"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, html := get(t, srv.URL+tt.path, tt.header...)
			if want := `<html lang="` + tt.want + `">`; !strings.Contains(html, want) {
				t.Errorf("no %s in the page", want)
			}
		})
	}
}

func TestHeadersProtectThePage(t *testing.T) {
	srv, _, _ := serve(t)
	res, html := get(t, srv.URL+"/")
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if regexp.MustCompile(`<script>|<style|\sstyle=|\son[a-z]+=`).MatchString(html) {
		t.Error("the page has script or style of its own, which its policy forbids")
	}
	if regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(html) {
		t.Error("the page loads from elsewhere")
	}
	if res, _ := get(t, srv.URL+"/", "Host", "evil.example"); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign host name is answered: %s", res.Status)
	}
	if res, err := http.Post(srv.URL+"/api/v1/devices", "text/plain", strings.NewReader("x")); err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", res.Status, err)
	}
}

func TestAPI(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province, (*seeder).wound)
	var lanes struct{ Lanes []store.Lane }
	_, body := get(t, srv.URL+"/api/v1/lanes?device=cam-kp3b")
	if err := json.Unmarshal([]byte(body), &lanes); err != nil {
		t.Fatal(err)
	}
	if len(lanes.Lanes) != 2 {
		t.Fatalf("%d lanes, want 2: %s", len(lanes.Lanes), body)
	}
	l := lanes.Lanes[0]
	if l.Lane != "event" || l.First != 6 || l.Next != 9 || l.Thru != 6 || l.Received != 3 || l.Missing != 3 || l.Waiting != 2 {
		t.Errorf("lane %+v", l)
	}
	var complaints struct{ Complaints []store.Complaint }
	_, body = get(t, srv.URL+"/api/v1/complaints?device=kiosk-7&limit=3")
	if err := json.Unmarshal([]byte(body), &complaints); err != nil || len(complaints.Complaints) != 3 || complaints.Complaints[0].Seq != 14 {
		t.Errorf("complaints (%v): %s", err, body)
	}
	for path, want := range map[string]int{
		"/api/v1/devices": 200, "/api/v1/streams": 200, "/api/v1/problems": 200, "/healthz": 200,
		"/api/v1/devices?device=A*": 400, "/api/v1/complaints?limit=0": 400, "/api/v1/complaints?limit=9999": 400,
		"/api/v1/complaints?ticket=zzz": 400, "/api/v1/complaints?before=x": 400, "/api/v1/nothing": 404, "/static/nothing": 404, "/static/live.js": 200,
	} {
		if res, body := get(t, srv.URL+path); res.StatusCode != want {
			t.Errorf("%s: %s, want %d: %s", path, res.Status, want, body)
		}
	}
}

func TestMetrics(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province, (*seeder).wound)
	_, body := get(t, srv.URL+"/metrics")
	for _, want := range []string{
		`kentongan_devices{state="online"} 3`, `kentongan_devices{state="offline"} 1`, `kentongan_streams{state="failed"} 2`,
		"kentongan_records_missing 3", "kentongan_records_conflict 1", "kentongan_records_explained 500", "kentongan_complaints 17",
		"kentongan_ingest_messages_total 7", "kentongan_broker_clients 3",
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no line %q in:\n%s", want, body)
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) kentongan_[a-z_]+ .+|kentongan_[a-z_]+(\{[a-z]+="[a-z]+"\})? -?[0-9.]+)$`)
	for l := range strings.Lines(body) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not Prometheus text: %q", l)
		}
	}
}
