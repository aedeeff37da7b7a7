package console

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/audit"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/webhook"
)

var pathValue = regexp.MustCompile(`\{[^}]*\}`)

// FuzzForms: whatever somebody who is in, or is not, sends to any address of the
// console, with any path, query and body, is answered and is no fault of the centre.
func FuzzForms(f *testing.F) {
	c, token := forms(f)
	routes := c.routes()
	for i, rt := range routes {
		if i%3 > 0 && !strings.HasPrefix(rt.pattern, "POST") {
			continue
		}
		f.Add(uint8(i), true, "kiosk-7", "lang=en", []byte(`{"reason":"uji","seconds":5,"stages":[1,100],"state":"done"}`), false)
		if rt.need == access.Nobody || i%8 == 0 {
			f.Add(uint8(i), false, "a", "next=//evil", []byte("name=sari&password=x&csrf=y&hours=8&reason=a%00b&until=2026-13-01"), true)
		}
	}
	f.Add(uint8(0), true, "../..", "box=NaN,1,2,3&page=-1&limit=99999999999999999999", []byte("%zz"), true)
	f.Add(uint8(0), true, "", "from=0001-01-01&to=9999-12-31&hours=1e9", []byte(nil), true)
	h := c.Handler()
	f.Fuzz(func(t *testing.T, at uint8, in bool, value, query string, body []byte, form bool) {
		rt := routes[int(at)%len(routes)]
		method, path, both := bytes.Cut([]byte(rt.pattern), []byte(" "))
		if !both {
			method, path = []byte(http.MethodGet), method
		}
		if rt.pattern == "GET /events" {
			return // a stream, which ends with the browser
		}
		r := httptest.NewRequest(string(method), "/", bytes.NewReader(body))
		r.URL.Path = pathValue.ReplaceAllLiteralString(string(path), value)
		r.URL.RawQuery = query
		r.RemoteAddr, r.Host = "192.0.2.7:4711", "127.0.0.1"
		if in {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if r.Header.Set("Content-Type", "application/json"); form {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s?%s: %d %s", method, r.URL.Path, query, w.Code, w.Body)
		}
		if to, err := url.Parse(w.Header().Get("Location")); err != nil || to.Host != "" {
			t.Errorf("%s %s?%s leads to %q", method, r.URL.Path, query, w.Header().Get("Location"))
		}
	})
}

// forms is a console over an empty store, and a token of an admin.
func forms(f *testing.F) (*Console, string) {
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(f.TempDir(), log)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = st.Close() })
	secret, _, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Cost: access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Now: time.Now, Log: log})
	if err != nil {
		f.Fatal(err)
	}
	a, err := room.Add(f.Context(), access.Account{Name: "sari", Role: access.Admin})
	if err != nil {
		f.Fatal(err)
	}
	token, err := room.NewToken(f.Context(), a.ID, "test", 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	desk := orders.New(orders.Config{Store: st, Signer: signer, Wake: func() {}, Changed: func() {}, Keep: time.Hour, Log: log})
	c, err := New(Config{
		Rollouts: rollout.New(rollout.Config{Store: st, Desk: desk, Now: time.Now, Log: log}),
		Auditor:  audit.NewAuditor(audit.AuditorConfig{Centre: note.VerifierList(), Every: time.Minute, Full: 24 * time.Hour}, st.For(store.Everything()), log),
		Store:    st, Access: room, Desk: desk, KeepPictures: time.Hour, Ingest: func() ingest.Status { return ingest.Status{Connected: true} },
		Webhook: func() webhook.Status { return webhook.Status{} }, BrokerClients: func() int { return 0 }, Now: time.Now, Log: log,
	})
	if err != nil {
		f.Fatal(err)
	}
	c.Requests(1<<30, time.Nanosecond) // each is to be answered
	return c, token
}
