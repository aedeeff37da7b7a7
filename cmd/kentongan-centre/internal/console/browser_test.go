package console_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/kiosk/screen/chromium"
	"kentongan/agent/report"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 90 * time.Second

// browser is a Chromium, with what these tests do in it.
type browser struct{ *chromium.Browser }

func startChromium(t *testing.T) *browser { return &browser{chromium.Start(t)} }

// With -screens DIR the pages are also kept as pictures:
// go test ./cmd/kentongan-centre/internal/console -run Browser -screens DIR
// With -update the pictures of the documents are made anew.
var update = flag.Bool("update", false, "make the pictures in docs/images anew")

var screens = flag.String("screens", "", "directory for pictures of the pages")

// A complaint shows up by itself on a page that is open, and is announced.
func TestBrowserShowsComplaintWithoutReload(t *testing.T) {
	srv, s, c := serve(t, (*seeder).province)
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	b.Size(1280, 900)
	b.Open(srv.URL + "/?lang=en")
	b.Until("live", "!document.getElementById('livemark').hidden && !document.getElementById('livemark').classList.contains('off')")
	b.Eval("window.same = true")
	ticket := report.NewTicket(7, 15).String()
	if b.Eval(fmt.Sprintf("document.body.innerText.includes(%q)", ticket)) == true {
		t.Fatal("the ticket is there before its press")
	}

	began := time.Now()
	s.batchTold(c.Notify, "kiosk-7", report.Complaint, 15, 16, s.press("kiosk-7", 7, 15, noon, report.ClockSynced))
	b.Until("the new ticket", fmt.Sprintf("document.querySelector('.feed').innerText.includes(%q)", ticket))
	t.Logf("seen %s after its commit", time.Since(began).Round(time.Millisecond))
	b.Until("its announcement", fmt.Sprintf("document.getElementById('announce').textContent.includes(%q)", ticket))
	if b.Eval("window.same === true") != true {
		t.Error("the page was loaded again")
	}
	if b.Eval("document.querySelector('.fresh .ticket').textContent") != ticket {
		t.Error("the new one is not marked")
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the page complains: %s", e)
	}
}

// A page that found no room becomes live when there is some: a browser does not
// come back by itself after a 503.
func TestBrowserComesBackAfterARefusal(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	var others []*http.Response
	for range 50 { // of the account that looks
		res, in := listen(t, srv.URL)
		untilLine(t, in, "event: hello")
		others = append(others, res)
	}
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	b.Open(srv.URL + "/?lang=en")
	b.Until("not live", "!document.getElementById('livemark').hidden && document.getElementById('livemark').classList.contains('off')")
	for _, res := range others {
		_ = res.Body.Close() // its page is closed
	}
	b.Until("live after all", "!document.getElementById('livemark').classList.contains('off')")
}

// contrast lists texts that stand out less than WCAG 2.1 AA asks (4.5 to 1; 3 to 1
// when large).
const contrast = `(() => {
	const px = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = c => { px.clearRect(0,0,1,1); px.fillStyle = c; px.fillRect(0,0,1,1); return px.getImageData(0,0,1,1).data; };
	const lum = c => { const f = v => (v /= 255) <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4; return .2126*f(c[0]) + .7152*f(c[1]) + .0722*f(c[2]); };
	const ground = el => { for (; el; el = el.parentElement) { const c = rgba(getComputedStyle(el).backgroundColor); if (c[3] > 250) return c; } return [255,255,255,255]; };
	const bad = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walk.nextNode();) {
		const el = n.parentElement;
		if (!n.textContent.trim() || el.closest('.hide, noscript, .skip, [hidden]') || !el.getClientRects().length) continue;
		const s = getComputedStyle(el), a = lum(rgba(s.color)), b = lum(ground(el));
		const ratio = (Math.max(a,b)+.05)/(Math.min(a,b)+.05), large = parseFloat(s.fontSize) >= 24 || parseFloat(s.fontSize) >= 18.6 && s.fontWeight >= 700;
		if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + ' ' + n.textContent.trim().slice(0, 40));
	}
	return [...new Set(bad)].join('; ');
})()`

// fallen is how far below the first item of the menu its last one stands.
const fallen = `(() => { const a = [...document.querySelectorAll('.menu a')].map(e => e.getBoundingClientRect().top); return Math.round(a.at(-1) - a[0]); })()`

// Every page, in both languages, from the narrowest phone to a desk: nothing is
// cut off at the side, nothing hard to read, nothing that the policy refuses.
func TestBrowserPagesFitAndRead(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province, (*seeder).wound, (*seeder).trouble, (*seeder).agencies, (*seeder).rollouts)
	s.now = noon
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	for _, lang := range []string{"id", "en"} {
		for _, path := range []string{"/", "/devices", "/devices/kiosk-7", "/devices/cam-kp3b", "/alarms", "/devices/kiosk-7/streams/gate", "/devices/kiosk-7/streams/lobby", "/complaints", "/complaints?ticket=zzz", "/gaps", "/rollouts", "/rollouts/1", "/rollouts/2"} {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			b.Size(320, 900)
			b.Scheme(false)
			b.Open(srv.URL + path + sep + "lang=" + lang)
			for _, width := range []int{320, 360, 768, 1280} {
				b.Size(width, 900)
				if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > width {
					t.Errorf("%s in %s is %v pixels wide on a screen of %d: %v", path, lang, got, width, b.Eval(widest))
				}
				if got := b.Eval(fallen); width == 1280 && got != 0.0 {
					t.Errorf("%s in %s on a screen of %d: the last of the menu stands %v pixels below the first, it has two lines", path, lang, width, got)
				}
				if cut := b.Eval("[...document.querySelectorAll('.panel')].filter(e => e.scrollWidth > e.clientWidth).length"); cut != 0.0 {
					t.Errorf("%s in %s on a screen of %d: %v panels are wider than they show", path, lang, width, cut)
				}
				if *screens != "" {
					keep(t, b, path, lang, width, "light")
				}
			}
			for _, dark := range []bool{false, true} {
				b.Scheme(dark)
				if low := b.Eval(contrast); low != "" {
					t.Errorf("%s in %s, dark %v: low contrast: %v", path, lang, dark, low)
				}
			}
			if *screens != "" {
				keep(t, b, path, lang, 1280, "dark")
			}
			if n := b.Eval("[...document.querySelectorAll('table')].filter(t => !t.caption).length + [...document.querySelectorAll('img:not([alt]), input:not([id])')].filter(e => e.type !== 'hidden').length"); n != 0.0 {
				t.Errorf("%s: %v tables without caption, pictures without alt or fields without id", path, n)
			}
		}
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the pages complain: %s", e)
	}
}

// widest names what sticks out at the right.
const widest = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 30)).join('; ')`

func keep(t *testing.T, b *browser, path, lang string, width int, scheme string) {
	t.Helper()
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "-")
	if name == "" {
		name = "overview"
	}
	file := filepath.Join(*screens, fmt.Sprintf("%s-%s-%d-%s.png", name, lang, width, scheme))
	if err := os.WriteFile(file, b.Screen(), 0o644); err != nil {
		t.Fatal(err)
	}
}
