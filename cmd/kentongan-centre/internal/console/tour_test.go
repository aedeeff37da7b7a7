package console_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// axeSource is axe-core, as agent/kiosk/screen/axe.sh brings it into the cache.
func axeSource(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(cache, "kentongan", "axe-4.14.1.min.js"))
	if err != nil {
		t.Fatalf("%v; bring it with agent/kiosk/screen/axe.sh, or make tools", err)
	}
	return string(text)
}

// axe runs all rules for WCAG 2.2 A and AA and the best practices, and returns
// what they find.
func (b *browser) axe() string {
	b.T.Helper()
	raw := b.Eval(`axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}})
		.then(r => JSON.stringify({passes: r.passes.length, found: r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(' | '))}))`)
	var r struct {
		Passes int
		Found  []string
	}
	if err := json.Unmarshal([]byte(raw.(string)), &r); err != nil {
		b.T.Fatal(err)
	}
	if r.Passes < 10 {
		b.T.Errorf("axe looked at %d rules only", r.Passes)
	}
	return strings.Join(r.Found, "\n")
}

// tour is every page, with the picture of it that goes into the documents: "" is
// none. Widths are those of the pictures.
var tour = []struct {
	path, lang string
	width      int
	dark       bool
	picture    string
}{
	{"/", "id", 1280, false, "console-overview"},
	{"/", "id", 360, false, "console-overview-phone"},
	{"/wall", "id", 1920, false, "console-wall"},
	{"/wall", "en", 360, false, ""},
	{"/alarms", "en", 1280, true, "console-alarms"},
	{"/alarms", "id", 360, false, ""},
	{"/map", "id", 1280, false, "console-map"},
	{"/map?box=105.9,-6.4,106.4,-5.95", "en", 360, true, ""},
	{"/devices", "en", 1280, false, "console-devices"},
	{"/devices?state=red&q=cam", "id", 360, false, ""},
	{"/devices/kiosk-7", "en", 1280, false, "console-device"},
	{"/devices/kiosk-7", "id", 360, true, ""},
	{"/devices/kiosk-7/streams/gate", "id", 1280, false, "console-stream"},
	{"/devices/kiosk-7/streams/gate", "en", 360, false, ""},
	{"/apps", "id", 1280, false, "console-apps"},
	{"/apps", "en", 360, true, ""},
	{"/complaints", "en", 1280, false, "console-complaints"},
	{"/complaints?state=assigned", "id", 360, false, ""},
	{"/gaps", "en", 1280, false, "console-proof"},
	{"/gaps", "id", 360, false, ""},
	{"/agencies", "en", 1280, false, "console-agencies"},
	{"/agencies?q=kiosk", "id", 360, true, ""},
	{"/users", "en", 1280, false, "console-users"},
	{"/users", "id", 360, false, ""},
	{"/access-log", "en", 1280, false, "console-access-log"},
	{"/access-log", "id", 360, true, ""},
	{"/account", "en", 1280, true, ""},
	{"/account", "id", 360, false, "console-account-phone"},
	{"/login", "id", 360, false, "console-login-phone"},
	{"/login", "en", 1920, true, ""},
	{"/nowhere", "en", 360, false, ""},
}

// Every page, in a real browser, from a phone to the wall: nothing is cut off,
// axe finds nothing, the policy refuses nothing. With -update the pictures of the
// documents are made anew.
func TestBrowserTour(t *testing.T) {
	srv, s, _ := serve(t, everything, func(s *seeder) { s.fleet(240) }, (*seeder).history, (*seeder).agencies, (*seeder).people)
	b := startChromium(t)
	source := axeSource(t)
	for _, p := range tour {
		name := fmt.Sprintf("%s in %s at %d, dark %v", p.path, p.lang, p.width, p.dark)
		if p.path == "/login" {
			b.Call(nil, "Network.clearBrowserCookies", nil)
		} else {
			b.enter(srv.URL, s.room, "sari")
		}
		b.Size(p.width, map[bool]int{true: 800, false: 1080}[p.width == 360])
		b.Scheme(p.dark)
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(p.path, "?")]
		b.Open(srv.URL + p.path + sep + "lang=" + p.lang)
		if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > p.width {
			t.Errorf("%s is %v pixels wide: %v", name, got, b.Eval(widest))
		}
		if p.path == "/wall" && p.width == 1920 {
			if got := b.Eval("document.documentElement.scrollHeight").(float64); got > 1080 {
				t.Errorf("%s: the wall is %v pixels high, and nobody scrolls it", name, got)
			}
		}
		b.Eval(source + "; 0")
		if found := b.axe(); found != "" {
			t.Errorf("%s: %s", name, found)
		}
		picture := p.picture
		if *screens != "" && picture == "" {
			picture = strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(strings.Trim(p.path, "/")) + fmt.Sprintf("-%s-%d", p.lang, p.width)
		}
		switch {
		case *screens != "":
			savePicture(t, filepath.Join(*screens, picture+".png"), b.Screen())
		case *update && picture != "":
			savePicture(t, filepath.Join("../../../../docs/images", picture+".png"), b.Screen())
		}
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the pages complain: %s", e)
	}
}

func savePicture(t *testing.T, file string, png []byte) {
	t.Helper()
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// people adds accounts, and things for the access log.
func (s *seeder) people() {
	for _, a := range []access.Account{
		{Name: "budi", FullName: "Budi Santoso", Role: access.Operator, Agency: "dishub"},
		{Name: "ani", FullName: "Ani Rahmawati", Role: access.Viewer, Agency: "dinkes"},
		{Name: "e-pormas", FullName: "Sistem e-pormas", Role: access.Operator},
	} {
		account(s.t, s.room, a)
	}
	for _, e := range []access.Entry{
		{Name: "budi", Agency: "dishub", Action: "login", Object: "passkey", Addr: "192.0.2.20"},
		{Name: "budi", Agency: "dishub", Action: "snapshot", Object: "/devices/kiosk-7/streams/gate/snapshot", Detail: "reason: laporan warga 0007-000E-7", Addr: "192.0.2.20"},
		{Name: "budi", Agency: "dishub", Action: "picture", Object: "/pictures/kiosk-7/5f0c9a1d2e4b5a00", Addr: "192.0.2.20"},
		{Name: "ani", Agency: "dinkes", Action: "login", Object: "password", Addr: "198.51.100.7", Outcome: access.Refused},
	} {
		if err := s.room.Note(s.t.Context(), e); err != nil {
			s.t.Fatal(err)
		}
	}
}
