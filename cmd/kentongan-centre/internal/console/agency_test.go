package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// open is all that is served to whoever asks, logged in or not.
var open = []string{"GET /healthz", "GET /static/{file}", "GET /favicon.ico", "GET /login", "POST /login", "POST /login/passkey/begin", "POST /login/passkey", "GET /link/{token}", "POST /link/{token}", "GET /open311/v2/{path...}", "GET /.well-known/security.txt"}

// agencies gives all that is seeded to one agency, and people to two.
func (s *seeder) agencies() {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	for _, a := range []store.Agency{{ID: "dishub", Name: report.Text{ID: "Dinas Perhubungan", EN: "Transport Agency"}}, {ID: "dinkes", Name: report.Text{ID: "Dinas Kesehatan", EN: "Health Agency"}}, {ID: "dpupr", Name: report.Text{ID: "Dinas PUPR", EN: "Public Works Agency"}}} {
		if err := s.st.PutAgency(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.st.Devices(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if err := s.st.SetDeviceAgency(ctx, d.ID, "dishub"); err != nil {
			t.Fatal(err)
		}
	}
}

// tokenOf makes an account, and a program's token for it.
func (s *seeder) tokenOf(name string, role access.Role, agency string) string {
	s.t.Helper()
	a := account(s.t, s.room, access.Account{Name: name, Role: role, Agency: agency})
	token, err := s.room.NewToken(s.t.Context(), a.ID, "test", time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// ofDishub are words that only its own people may read.
var ofDishub = []string{"kiosk-7", "kiosk-12", "cam-kp3b", "cam-pandeglang", "Balai Kota Serang", "Pasar Rau", "KP3B", "0007-000E-7", "000C-0003-Z", "5f0c9a1d", "0000000000000004", "Jalan rusak", "Damaged road", "e-bansos"}

// ask sends a request as somebody, to a path of a pattern, with a form that has
// all that any form has.
func ask(t *testing.T, srv *httptest.Server, s *seeder, pattern, token string) (status int, body string) {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	if path == "" {
		method, path = http.MethodGet, "/nowhere"
	}
	id := "5f0c9a1d2e4b5a00" // a picture
	switch {
	case strings.HasPrefix(path, "/alarms/"):
		id = "0000000000000004"
	case strings.HasPrefix(path, "/devices/"):
		id = "kiosk-7"
	case strings.Contains(path, "/rollouts/"):
		id = "1"
	case strings.Contains(path, "/complaints/"), strings.HasPrefix(path, "/open311/"):
		id = complaintID(t, s, 3)
	}
	path = strings.NewReplacer("{$}", "", "{device}", "kiosk-7", "{id}", id, "{name}", "gate", "{file}", "style.css", "{token}", "x", "{hash}", "x", "{code}", "jalan-rusak", "{do}", "cancel").Replace(path)
	form := url.Values{"state": {"done"}, "note": {"x"}, "reason": {"x"}, "hours": {"8"}, "agency": {"dinkes"}, "source": {"stream/gate"}, "condition": {"down"}, "back": {"/"}, "device": {"kiosk-7"}, "code": {"x"}, "role": {"viewer"}, "name_id": {"x"}, "key": {"x"}, "level": {"debug"}, "minutes": {"5"}, "seconds": {"5"}, "text": {"x: 1"}, "url": {"https://centre.example/firmware"}}
	var in io.Reader
	if method == http.MethodPost {
		in = strings.NewReader(form.Encode())
		if strings.HasPrefix(path, "/api/") {
			in = strings.NewReader(`{"state":"done","note":"x","reason":"x","seconds":5,"text":"x: 1","url":"https://centre.example/firmware"}`)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end, or a stream
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res.StatusCode, ""
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	// What was asked for may be said back.
	return res.StatusCode, strings.NewReplacer(path, "", url.QueryEscape(path), "").Replace(string(raw))
}

// everything is a store with all that can be shown, of one agency.
func everything(s *seeder) {
	s.province()
	s.wound()
	s.trouble()
	s.applications()
}

// Whoever is of another agency finds nothing, on any route, and changes nothing.
func TestAnotherAgencyFindsNothing(t *testing.T) {
	srv, s, c := serve(t, everything, (*seeder).agencies, (*seeder).rollouts)
	own, foreign := s.tokenOf("own", access.Approver, "dishub"), s.tokenOf("foreign", access.Approver, "dinkes")
	before := tablesOf(t, s)
	seen := 0
	for pattern, need := range c.Routes() {
		if need == access.Nobody || pattern == "POST /logout" { // that ends the walk
			continue
		}
		status, body := ask(t, srv, s, pattern, foreign)
		for _, word := range ofDishub {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q to another agency", pattern, word)
			}
		}
		if need == access.Admin && status != http.StatusForbidden {
			t.Errorf("%s: %d for who is no admin", pattern, status)
		}
		if strings.HasPrefix(pattern, "GET ") && need != access.Admin {
			if _, body := ask(t, srv, s, pattern, own); slices.ContainsFunc(ofDishub, func(w string) bool { return strings.Contains(body, w) }) {
				seen++
			}
		}
	}
	if seen < 12 {
		t.Errorf("only %d routes show the own agency its things, so this test proves little", seen)
	}
	if after := tablesOf(t, s); after != before {
		t.Errorf("another agency changed something:\nbefore %s\nafter  %s", before, after)
	}
}

// tablesOf counts what people can change.
func tablesOf(t *testing.T, s *seeder) string {
	t.Helper()
	read, _ := s.st.Tables()
	var out []string
	for _, q := range []string{`SELECT count(*) FROM orders`, `SELECT count(*) FROM shelf`, `SELECT count(*) FROM complaint_agency`, `SELECT count(*) FROM complaint_status`, `SELECT count(*) FROM picture WHERE state = 'whole'`,
		`SELECT count(*) FROM agency`, `SELECT count(*) FROM device_agency WHERE agency = 'dishub'`, `SELECT count(*) FROM service`, `SELECT count(*) FROM account`, `SELECT count(*) FROM rollout`, `SELECT count(*) FROM rollout WHERE state = 'cancelled'`} {
		var n int
		if err := read.QueryRowContext(t.Context(), q).Scan(&n); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(strings.TrimPrefix(q, "SELECT count(*) FROM "), ": ", n))
	}
	return strings.Join(out, ", ")
}

// Nobody gets past the log-in page, on any route, but for those that are meant.
func TestNobodyFindsNothing(t *testing.T) {
	srv, s, c := serve(t, everything, (*seeder).agencies)
	for pattern, need := range c.Routes() {
		if (need == access.Nobody) != slices.Contains(open, pattern) {
			t.Errorf("%s needs %q; say in this test that everybody may, or give it a role", pattern, need)
		}
		if need == access.Nobody {
			continue
		}
		status, body := ask(t, srv, s, pattern, strings.Repeat("x", 43))
		if status != http.StatusSeeOther && status != http.StatusUnauthorized {
			t.Errorf("%s: %d for nobody", pattern, status)
		}
		for _, word := range ofDishub {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q to nobody", pattern, word)
			}
		}
	}
}

// A viewer changes nothing, whatever they post.
func TestViewerOnlySees(t *testing.T) {
	srv, s, c := serve(t, everything, (*seeder).agencies)
	viewer := s.tokenOf("viewer", access.Viewer, "dishub")
	before := tablesOf(t, s)
	for pattern, need := range c.Routes() {
		if strings.HasPrefix(pattern, "POST") && need != access.Nobody && !strings.Contains(pattern, "/account") && pattern != "POST /logout" && pattern != "POST /wall/keep" { // of their own sessions
			if status, _ := ask(t, srv, s, pattern, viewer); status != http.StatusForbidden {
				t.Errorf("%s: %d", pattern, status)
			}
		}
	}
	if after := tablesOf(t, s); after != before {
		t.Errorf("a viewer changed something:\nbefore %s\nafter  %s", before, after)
	}
}

// Events tell an agency of its own devices only.
func TestEventsAreOfTheOwnAgency(t *testing.T) {
	srv, s, c := serve(t, (*seeder).province, (*seeder).agencies)
	c.ReadDirectory()
	tokens.Store(strings.TrimPrefix(srv.URL, "http://"), s.tokenOf("foreign", access.Viewer, "dinkes"))
	_, in := listen(t, srv.URL)
	untilLine(t, in, "event: hello")
	if err := s.st.SetDeviceAgency(t.Context(), "cam-kp3b", "dinkes"); err != nil {
		t.Fatal(err)
	}
	c.ReadDirectory()
	c.Notify(store.Committed{Records: 1, Urgent: true, Devices: []string{"kiosk-7"}}) // would be told at once
	c.Notify(store.Committed{Records: 1, Devices: []string{"cam-kp3b"}})
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "data: ") {
			if in.Text() == "data: soon" {
				return
			}
			if strings.HasPrefix(in.Text(), "data: now") {
				t.Fatal("told of another agency's device")
			}
		}
	}
}

// Forms of browsers carry the token of their session: without it, with another
// one, or from another session nothing is done.
func TestFormsAreOfTheirSession(t *testing.T) {
	srv, s, _ := serve(t, everything)
	cookie := browse(t, s.room, "sari")
	other := browse(t, s.room, "sari")
	page := func(cookie string) string {
		_, html := get(t, srv.URL+"/alarms", "Cookie", "kentongan="+cookie)
		_, rest, _ := strings.Cut(html, `name="csrf" value="`)
		token, _, _ := strings.Cut(rest, `"`)
		return token
	}
	mine, theirs := page(cookie), page(other)
	if len(mine) < 40 || mine == theirs {
		t.Fatalf("tokens %q and %q", mine, theirs)
	}
	for name, tt := range map[string]struct {
		token  string
		status int
	}{"own": {mine, http.StatusSeeOther}, "none": {"", http.StatusForbidden}, "of another session": {theirs, http.StatusForbidden}, "the mark of the templates": {strings.Repeat("0", 32), http.StatusForbidden}} {
		res, _ := send(t, srv.URL+"/alarms/kiosk-7/0000000000000004/ack", url.Values{"note": {"x"}, "csrf": {tt.token}}, "Cookie", "kentongan="+cookie)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, res.Status, tt.status)
		}
	}
}
