package statuspage

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"kentongan/agent/report"
)

// FuzzPost: what somebody posts to the page, in or not, is answered; nobody comes in
// with a code that was not made, and files that are damaged let nobody in.
func FuzzPost(f *testing.F) {
	paths := []string{"/enter", "/config/check", "/config/apply", "/config/keep", "/identify", "/doctor", "/leave", "/log", "/live", "/picture/x"}
	for i := range paths {
		f.Add(uint8(i), true, "after=1", []byte(`{"text":"device: kiosk-7\n","base":"0"}`))
		f.Add(uint8(i), false, "", []byte("code=ABCD-EFGH"))
	}
	f.Add(uint8(1), true, "after=-1", []byte(`{"text":{"a":1}}`))
	f.Add(uint8(0), false, "", []byte(`[{"hash":"x","boot":"1f2e3d4c","until":9223372036854775807}]`))
	f.Add(uint8(0), false, "", []byte(`{"salt":"AA==","hash":"AA==","boot":"1f2e3d4c","until":9}`))
	dir := f.TempDir()
	cert, err := Certificate(files{}, filepath.Join(dir, "certificate.pem"), "kiosk-7", nil, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	now := report.Stamp{Boot: "1f2e3d4c", Uptime: time.Hour}
	dev := site()
	cfg := Config{
		Device: "kiosk-7", Certificate: cert, CodeFile: filepath.Join(dir, "code.json"), Sessions: filepath.Join(dir, "sessions.json"),
		Disk: files{}, Doctor: dev, Now: func() report.Stamp { return now }, Log: slog.New(slog.DiscardHandler),
	}
	f.Fuzz(func(t *testing.T, at uint8, in bool, query string, body []byte) {
		for _, file := range []string{cfg.CodeFile, cfg.Sessions} { // as a card that failed left them
			if err := (files{}).Save(file, body); err != nil {
				t.Fatal(err)
			}
		}
		p := New(cfg, dev)
		p.asks = rate.NewLimiter(rate.Inf, 1)
		path := paths[int(at)%len(paths)]
		method := http.MethodPost
		if path == "/log" || path == "/picture/x" {
			method = http.MethodGet
		}
		if path == "/live" {
			return // a stream, which ends with the browser
		}
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		r.Host, r.URL.RawQuery = "127.0.0.1", query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if in {
			cookie, err := p.sessions.begin()
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		answer, _ := io.ReadAll(w.Result().Body)
		switch {
		case w.Code == http.StatusInternalServerError:
			t.Errorf("%s: %d %s", path, w.Code, answer)
		case !in && w.Code < 300, !in && w.Code == http.StatusSeeOther && len(w.Result().Cookies()) > 0:
			t.Errorf("%s without a session: %d %s", path, w.Code, answer)
		}
	})
}
