package console_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
)

const secret = "kuda baterai jepit benar"

func (s *seeder) withPassword() {
	a := account(s.t, s.room, access.Account{Name: "budi", Role: access.Operator})
	if err := s.room.SetPassword(s.t.Context(), a.ID, secret, ""); err != nil {
		s.t.Fatal(err)
	}
}

// logIn tries a password as a browser that carries a cookie.
func logIn(t *testing.T, at, name, password, next, cookie string, header ...string) (*http.Response, string) {
	t.Helper()
	return send(t, at+"/login", url.Values{"name": {name}, "password": {password}, "next": {next}}, append([]string{"Cookie", "kentongan=" + cookie}, header...)...)
}

// A session that somebody put into the browser beforehand does not become the one
// of who logs in there.
func TestSessionIsNotFixed(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).withPassword)
	for name, planted := range map[string]string{"made up": strings.Repeat("x", 43), "the attacker's own": browse(t, s.room, "sari")} {
		res, _ := logIn(t, srv.URL, "budi", secret, "", planted)
		if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 || res.Cookies()[0].Value == planted || res.Cookies()[0].Value == "" {
			t.Errorf("%s: %s with %v", name, res.Status, res.Cookies())
		}
		if session, err := s.room.Session(t.Context(), planted, false); err == nil && session.Account.Name == "budi" {
			t.Errorf("%s: it became budi's", name)
		}
	}
}

// After the log-in one comes to a page of ours, whatever the address says.
func TestLogInLeadsNowhereElse(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).withPassword)
	for next, want := range map[string]string{
		"/alarms?x=1": "/alarms?x=1", "": "/", "//evil.example": "/", "///evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"javascript:alert(1)": "/", "evil.example": "/", "/\t/evil.example": "/", "/\r\nX: y": "/",
	} {
		res, to := logIn(t, srv.URL, "budi", secret, next, "x")
		if res.StatusCode != http.StatusSeeOther || to != want || res.Header.Get("X") != "" {
			t.Errorf("%q: %s to %q, want %q", next, res.Status, to, want)
		}
	}
}

// Who does not know a password learns neither who has an account nor a way past
// the limit.
func TestStrangersLearnNothing(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).withPassword)
	answer := map[string]string{}
	for _, name := range []string{"budi", "nobody"} {
		res, err := http.PostForm(srv.URL+"/login", url.Values{"name": {name}, "password": {"wrong"}})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatal(res.Status, err)
		}
		_ = res.Body.Close()
		answer[name] = strings.ReplaceAll(string(raw), name, "")
	}
	if answer["budi"] != answer["nobody"] {
		t.Errorf("who has an account is told apart:\n%s\n%s", answer["budi"], answer["nobody"])
	}
	limited := 0
	for n := range 40 { // the header is a stranger's here: there is no proxy
		res, _ := logIn(t, srv.URL, fmt.Sprint("name-", n), "wrong", "", "x", "X-Forwarded-For", fmt.Sprint("192.0.2.", n))
		if res.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 20 {
		t.Errorf("%d of 40 attempts were limited", limited)
	}
	for range 30 {
		if res, _ := send(t, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)+"/login/passkey?id=x", url.Values{}, "Cookie", "kentongan=x"); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a passkey of nothing: %s", res.Status)
		}
	}
	if list, err := s.room.Journal(t.Context(), "", "login", 0, 1000); err != nil || len(list) > 24 {
		t.Errorf("a stranger wrote %d lines into the access log, %v", len(list), err)
	}
}

// Behind a proxy the address that it saw counts, and not those that a stranger
// wrote before it.
func TestProxysWordIsTheLast(t *testing.T) {
	_, s, _ := serve(t, (*seeder).withPassword)
	c, err := console.New(console.Config{Store: s.st, Access: s.room, Proxy: true, Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	defer srv.Close()
	limited := 0
	for n := range 30 {
		res, _ := logIn(t, srv.URL, fmt.Sprint("name-", n), "wrong", "", "x", "X-Forwarded-For", fmt.Sprintf("192.0.2.%d, 198.51.100.7", n))
		if res.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 10 {
		t.Errorf("%d of 30 attempts by one address were limited, want 10", limited)
	}
	if res, _ := logIn(t, srv.URL, "budi", secret, "", "x", "X-Forwarded-For", "192.0.2.1, 198.51.100.8"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("another address: %s", res.Status)
	}
}

// A proxy may add the port to the address. One that says no address makes one client
// of all, which the log says, once.
func TestProxyThatNamesNoClient(t *testing.T) {
	_, s, _ := serve(t)
	for name, tt := range map[string]struct {
		head   []string // of each client
		apart  bool
		warned int
	}{
		"bare":           {[]string{"198.51.100.7", "198.51.100.8"}, true, 0},
		"IPv4, port":     {[]string{"198.51.100.7:4711", "198.51.100.8:4712"}, true, 0},
		"one of IPv4":    {[]string{"198.51.100.7:4711", "198.51.100.7"}, false, 0},
		"IPv6, port":     {[]string{"[2001:db8:0:7::1]:4711", "[2001:db8:0:8::1]:4711"}, true, 0},
		"IPv6, brackets": {[]string{"[2001:db8:0:7::1]", "[2001:db8:0:8::1]"}, true, 0},
		"one /64":        {[]string{"[2001:db8:0:7::1]:4711", "2001:db8:0:7::2"}, false, 0},
		"mapped":         {[]string{"::ffff:198.51.100.7", "[::ffff:198.51.100.7]:4711"}, false, 0},
		"unknown":        {[]string{"unknown", "unknown"}, false, 1},
		"missing":        {[]string{"", ""}, false, 1},
		"both":           {[]string{"", "192.0.2.1, _hidden"}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c, err := console.New(console.Config{Store: s.st, Access: s.room, Proxy: true, Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			c.Requests(2, time.Hour)
			srv := httptest.NewServer(c.Handler())
			var last int
			for _, head := range []string{tt.head[0], tt.head[0], tt.head[1]} {
				var headers []string
				if head != "" {
					headers = []string{"X-Forwarded-For", head}
				}
				res, _ := get(t, srv.URL+"/static/style.css", headers...)
				last = res.StatusCode
			}
			srv.Close()
			if apart := last == http.StatusOK; apart != tt.apart {
				t.Errorf("the second client is answered %d, want two clients: %v", last, tt.apart)
			}
			if n := strings.Count(log.String(), "proxy names no client"); n != tt.warned {
				t.Errorf("%d lines of the proxy, want %d:\n%s", n, tt.warned, &log)
			}
		})
	}
}

// A proxy that the centre was not told of has one address for all: the log says so,
// once.
func TestUntoldProxyIsNoticed(t *testing.T) {
	_, s, _ := serve(t, (*seeder).withPassword)
	var log bytes.Buffer
	c, err := console.New(console.Config{Store: s.st, Access: s.room, Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	for range 3 {
		get(t, srv.URL+"/login", "X-Forwarded-For", "192.0.2.1")
	}
	srv.Close()
	if n := strings.Count(log.String(), "start with --behind-proxy"); n != 1 {
		t.Errorf("%d lines of the proxy, want 1:\n%s", n, &log)
	}
}

// A program's token is no cookie, a browser's session no program's token, and
// nobody is logged out by a page of another site.
func TestSessionsStayWhatTheyAre(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	token, cookie := s.tokenOf("program", access.Admin, ""), browse(t, s.room, "sari")
	for name, header := range map[string][]string{"a token as a cookie": {"Cookie", "kentongan=" + token}, "a session as a token": {"Authorization", "Bearer " + cookie}} {
		if res, _ := get(t, srv.URL+"/api/v1/devices", header...); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	for name, header := range map[string][]string{"without its form": nil, "from another site": {"Sec-Fetch-Site", "cross-site"}, "from another origin": {"Origin", "https://evil.example"}} {
		if res, _ := send(t, srv.URL+"/logout", url.Values{}, append([]string{"Cookie", "kentongan=" + cookie}, header...)...); res.StatusCode != http.StatusForbidden {
			t.Errorf("log-out %s: %s", name, res.Status)
		}
	}
	if res, _ := get(t, srv.URL+"/events", "Cookie", "kentongan=x"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("events for nobody: %s", res.Status)
	}
	if res, _ := get(t, srv.URL+"/", "Cookie", "kentongan="+cookie); res.StatusCode != http.StatusOK {
		t.Errorf("the session is over: %s", res.Status)
	}
}

// Who was thrown out is told nothing more, on a page that was open.
func TestEventsEndWithTheirSession(t *testing.T) {
	srv, s, c := serve(t, (*seeder).province)
	c.Beat(10 * time.Millisecond)
	token := s.tokenOf("budi", access.Viewer, "")
	tokens.Store(strings.TrimPrefix(srv.URL, "http://"), token)
	_, in := listen(t, srv.URL)
	untilLine(t, in, ": still here")
	a, err := s.room.Named(t.Context(), "budi")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.room.EndAll(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	for in.Scan() { // to its end, or for as long as the test's limit
	}
}
