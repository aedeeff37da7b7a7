package screen

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/kiosk/screen/chromium"
	"kentongan/agent/report"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 30 * time.Second

// browser is a Chromium, with what these tests do in it.
type browser struct{ *chromium.Browser }

func startChromium(t *testing.T) *browser { return &browser{chromium.Start(t)} }

// With -screens DIR the page is also kept as pictures:
// go test ./agent/kiosk/screen -run Browser -screens DIR
var screens = flag.String("screens", "", "directory for pictures of the page")

// axeSource is axe-core, as axe.sh brings it into the cache.
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

// scene is one thing that the page shows.
type scene struct {
	name string
	play func(*played)
	do   string // script
	when string // until then
}

func scenes() []scene {
	ticket := report.NewTicket(7, 2).String()
	state := func(s string) string { return fmt.Sprintf("document.body.dataset.state === %q", s) }
	return []scene{
		{"ready", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{} }) }, "0", state("ready")},
		{"saving", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Working: true} }) }, "0", state("saving")},
		{"saved", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{} }); p.kept(2) }, "0", state("saved") + " && !document.getElementById('kept').hidden"},
		{"received", func(p *played) { p.set(func(s *kiosk.Show) { s.Received, s.Takeable = true, false }) }, "0", state("received")},
		{"withdrawn", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Cancelled: ticket} }) }, "0", state("ready")},
		{"unkept", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Out: true, Unkept: true} }) }, "0", state("unkept")},
		{"out", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Out: true} }) }, "0", state("out")},
		{"part", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Dead: []string{"water", "aid"}} }) }, "0", state("ready") + " && document.getElementById('more').textContent.includes(document.querySelector('[data-button=water]').textContent + ', ')"},
		{"waiting", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{Waiting: 12} }) }, "0", state("ready") + " && document.getElementById('more').textContent.startsWith('12 ')"},
		{"answer", func(p *played) { p.set(func(s *kiosk.Show) { *s = kiosk.Show{} }) },
			fmt.Sprintf("document.getElementById('field').value = %q; document.getElementById('form').requestSubmit()", ticket+" 4K7P"),
			state("ready") + " && !document.getElementById('answer').hidden"},
	}
}

// contrast lists texts that stand out less than WCAG 2.2 AA asks (1.4.3: 4.5 to 1,
// 3 to 1 when large), and edges of what can be pressed that stand out less than 3
// to 1 (1.4.11).
const contrast = `(() => {
	const px = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = c => { px.clearRect(0,0,1,1); px.fillStyle = c; px.fillRect(0,0,1,1); return px.getImageData(0,0,1,1).data; };
	const lum = c => { const f = v => (v /= 255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4; return .2126*f(c[0]) + .7152*f(c[1]) + .0722*f(c[2]); };
	const ground = el => { for (; el; el = el.parentElement) { const c = rgba(getComputedStyle(el).backgroundColor); if (c[3] > 250) return c; } return [255,255,255,255]; };
	const ratio = (a, b) => { a = lum(a); b = lum(b); return (Math.max(a,b)+.05)/(Math.min(a,b)+.05); };
	const bad = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walk.nextNode();) {
		const el = n.parentElement;
		if (!n.textContent.trim() || el.closest('[hidden], script') || !el.getClientRects().length) continue;
		const s = getComputedStyle(el), r = ratio(rgba(s.color), ground(el)), large = parseFloat(s.fontSize) >= 24 || parseFloat(s.fontSize) >= 18.6 && s.fontWeight >= 700;
		if (r < (large ? 3 : 4.5)) bad.push(r.toFixed(2) + ' ' + n.textContent.trim().slice(0, 40));
	}
	for (const el of document.querySelectorAll('button, input')) {
		if (!el.getClientRects().length) continue;
		const r = ratio(rgba(getComputedStyle(el).borderTopColor), ground(el.parentElement));
		if (r < 3) bad.push(r.toFixed(2) + ' edge of ' + (el.textContent.trim() || el.id));
	}
	return [...new Set(bad)].join('; ');
})()`

// small lists what is smaller to hit than 44 CSS pixels; WCAG 2.2 AA asks for 24
// (2.5.8), a public screen for more.
const small = `[...document.querySelectorAll('button, input')].filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.width < 44 || r.height < 44); }).map(e => e.textContent.trim() || e.id).join('; ')`

const widest = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + '.' + e.id + ' ' + e.textContent.trim().slice(0, 30)).join('; ')`

// sundanese is a directory of languages with the example in it, as an installer
// would put it there.
func sundanese(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "su.json"), must(os.ReadFile("../../../cmd/kentongan/examples/su.json")), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each thing that the page shows, in three languages, from the narrowest phone to
// a large screen: axe finds nothing, nothing is cut off or hard to read or hit.
func TestBrowserShowsEachState(t *testing.T) {
	axe := axeSource(t)
	srv, k := serve(t, func(c *Config) { c.Languages = must(Languages(sundanese(t))) })
	b := startChromium(t)
	for _, lang := range []string{"id", "en", "su"} {
		b.Size(1280, 900)
		b.Open(srv.URL + "/")
		b.Eval(axe + "; 0")
		b.Eval(fmt.Sprintf("document.querySelector('[data-lang=%s]').click()", lang))
		for _, sc := range scenes() {
			sc.play(k)
			b.Eval(sc.do)
			b.Until(sc.name, sc.when)
			b.Eval("document.activeElement.blur()")
			for _, width := range []int{320, 768, 1024, 1280, 1920} {
				b.Size(width, 1080)
				if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > width {
					t.Errorf("%s in %s is %v pixels wide on a screen of %d: %v", sc.name, lang, got, width, b.Eval(widest))
				}
				if bad := b.Eval(small); bad != "" {
					t.Errorf("%s in %s on a screen of %d: hard to hit: %v", sc.name, lang, width, bad)
				}
				if *screens != "" {
					file := filepath.Join(*screens, fmt.Sprintf("%s-%s-%d.png", sc.name, lang, width))
					if err := os.WriteFile(file, b.Screen(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if low := b.Eval(contrast); low != "" {
				t.Errorf("%s in %s: low contrast: %v", sc.name, lang, low)
			}
			if found := b.axe(); found != "" {
				t.Errorf("%s in %s: %s", sc.name, lang, found)
			}
			if got := b.Eval("document.documentElement.lang"); got != lang {
				t.Errorf("the page says that it is in %v, want %s", got, lang)
			}
		}
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the page complains: %s", e)
	}
}

// axe runs all rules for WCAG 2.2 A and AA and the best practices, and returns what
// they find.
func (b *browser) axe() string {
	b.T.Helper()
	raw := b.Eval(`axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}})
		.then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.target.join(' ')).join(', '))}))`).(string)
	var r struct {
		Passes     int
		Violations []string
	}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		b.T.Fatal(err)
	}
	if r.Passes < 15 {
		b.T.Errorf("axe looked at %d rules only", r.Passes)
	}
	return strings.Join(r.Violations, "\n")
}

// axe would find what it is here to find.
func TestBrowserAxeFindsFaults(t *testing.T) {
	srv, _ := serve(t, nil)
	b := startChromium(t)
	b.Open(srv.URL + "/")
	b.Eval(axeSource(t) + "; 0")
	b.Eval("document.querySelector('label').remove(); document.documentElement.lang = ''; 0")
	if found := b.axe(); !strings.Contains(found, "html-has-lang") || !strings.Contains(found, "label") {
		t.Errorf("axe finds only: %s", found)
	}
}

// A touch makes a complaint; its ticket is on the screen, can be shown longer and
// taken back, and is gone after its time. Nothing is in the address.
func TestBrowserTouch(t *testing.T) {
	srv, k := serve(t, func(c *Config) { c.ShowFor = 2 * time.Second })
	b := startChromium(t)
	b.Open(srv.URL + "/")
	b.Until("ready", "document.body.dataset.state === 'ready'")
	b.Eval("document.querySelector('[data-button=water]').click()")
	ticket := report.NewTicket(7, 1).String()
	b.Until("the ticket", fmt.Sprintf("document.getElementById('ticket').textContent === %q && document.getElementById('pin').textContent === '4K7P'", ticket))
	b.Eval("document.getElementById('longer').click()")
	b.Until("more time", "parseInt(document.getElementById('left-time').textContent.replace(/\\D/g, '')) > 20")
	b.Until("an end of motion", "document.getAnimations().every(a => a.effect.getComputedTiming().endTime <= 5000)")
	b.Eval("document.getElementById('cancel').click()")
	b.Until("taken back", "document.getElementById('kept').hidden && document.getElementById('say').dataset.t === 'withdrawn'")
	b.Eval("document.querySelector('[data-button=road]').click()")
	b.Until("the next ticket", fmt.Sprintf("document.getElementById('ticket').textContent === %q", report.NewTicket(7, 2).String()))
	b.Until("its end", "document.getElementById('kept').hidden && document.getElementById('ticket').textContent === '' && document.body.dataset.state === 'ready'")
	if !slices.Equal(k.touches, []string{"water", "road"}) || len(k.cancelled) != 1 {
		t.Errorf("touched %v, cancelled %v", k.touches, k.cancelled)
	}
	if got := b.Eval("location.href"); got != srv.URL+"/" {
		t.Errorf("the address is %v", got)
	}
	if got := b.Eval("history.length"); got.(float64) > 2 {
		t.Errorf("%v entries in the history", got)
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the page complains: %s", e)
	}
}

// key presses a key, as a keyboard or a scanner does.
func (b *browser) key(keys ...string) {
	b.T.Helper()
	for _, k := range keys {
		text := k
		switch k {
		case "Enter":
			text = "\r"
		case "Tab":
			text = ""
		}
		code := map[string]int{"Enter": 13, "Tab": 9}[k]
		b.Call(nil, "Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": k, "text": text, "windowsVirtualKeyCode": code})
		b.Call(nil, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": k, "windowsVirtualKeyCode": code})
	}
}

// A ticket can be scanned wherever the focus is, typed, or touched key by key. The
// answer is read out, and nothing of it stays.
func TestBrowserAsk(t *testing.T) {
	srv, _ := serve(t, nil)
	b := startChromium(t)
	b.Size(1280, 800) // the common kiosk screen, lower than the page
	b.Open(srv.URL + "/")
	b.Until("ready", "document.body.dataset.state === 'ready'")
	ticket := report.NewTicket(7, 2).String()
	answered := "document.getElementById('answered').textContent.startsWith('" + ticket + ": Sudah diteruskan ke dinas. Sejak 2026-11-25. Dinas PUPR')"

	b.key(strings.Split("https://lapor.example/t#"+ticket+".4K7P", "")...)
	b.key("Enter")
	b.Until("the answer to a scan", answered+" && document.getElementById('field').value === ''")
	b.Until("the answer is on the screen", "document.getElementById('answer').getBoundingClientRect().top >= 0 && document.getElementById('after').getBoundingClientRect().bottom <= innerHeight + 1")
	b.Eval("document.getElementById('close').click()")
	b.Until("it closed", "document.getElementById('answer').hidden && document.getElementById('answered').textContent === ''")

	b.key(strings.Split(strings.ToLower(strings.ReplaceAll(ticket, "-", ""))+"4k7p", "")...)
	if got := b.Eval("document.getElementById('field').value"); got != ticket+" 4K7P" {
		t.Errorf("the field holds %v", got)
	}
	b.key("Enter")
	b.Until("the answer to typing", answered)

	for _, c := range strings.ReplaceAll(ticket, "-", "") + "X" {
		b.Eval(fmt.Sprintf("document.querySelector('[data-key=\"%c\"]').click()", c))
	}
	b.Eval("document.getElementById('back').click()")
	for _, c := range "4K7X" {
		b.Eval(fmt.Sprintf("document.querySelector('[data-key=\"%c\"]').click()", c))
	}
	b.Eval("document.querySelector('[type=submit]').click()")
	b.Until("the refusal of a wrong PIN", "document.getElementById('answered').textContent.includes('tidak cocok')")
	if got := b.Eval("location.href"); got != srv.URL+"/" {
		t.Errorf("the address is %v", got)
	}
	if got := b.Eval("JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])"); got != `[0,0,""]` {
		t.Errorf("the page keeps %v", got)
	}
	if got := b.Eval("document.getElementById('answer').getAttribute('role')"); got != "status" {
		t.Errorf("the answer is not read out: role %v", got)
	}
}

// What one person asked for can be kept on the screen while he reads (WCAG 2.2,
// 2.2.1), is read out in its own language (3.1.2), and goes when somebody else
// presses.
func TestBrowserAnswerIsForOne(t *testing.T) {
	srv, k := serve(t, nil)
	b := startChromium(t)
	b.Open(srv.URL + "/")
	b.Until("ready", "document.body.dataset.state === 'ready'")
	b.Eval(fmt.Sprintf("document.querySelector('[data-lang=en]').click(); document.getElementById('field').value = %q; document.getElementById('form').requestSubmit()", report.NewTicket(7, 2).String()+" 4K7P"))
	b.Until("the answer", "document.querySelector('#answered span[lang=en]')?.textContent === ' Public works'")
	left := "parseInt(document.getElementById('answer-left').textContent.replace(/\\D/g, ''))"
	b.Until("a few seconds less", left+" < 28")
	b.Eval("document.getElementById('answer-longer').click()")
	b.Until("more time", left+" > 28")
	k.kept(9)
	b.Until("the next one's ticket, and no answer", "!document.getElementById('kept').hidden && document.getElementById('after').hidden && document.getElementById('answer').hidden && document.getElementById('answered').textContent === ''")
	b.Open(srv.URL + "/")
	b.Until("nothing of it on the page loaded anew", "document.getElementById('answered').textContent === '' && document.getElementById('field').value === ''")
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the page complains: %s", e)
	}
}

// Who sets wider letters, words and lines in his browser reads all of it (WCAG 2.2,
// 1.4.12), and who makes the letters twice as large as well (1.4.4).
func TestBrowserTextSpacing(t *testing.T) {
	srv, k := serve(t, nil)
	b := startChromium(t)
	b.Size(1280, 900)
	b.Open(srv.URL + "/")
	k.kept(3)
	b.Until("the ticket", "!document.getElementById('kept').hidden")
	// By the script's own hand: the page's policy allows no styles of others.
	b.Eval(`(() => { for (const el of document.querySelectorAll('body *')) { el.style.lineHeight = '1.5'; el.style.letterSpacing = '.12em'; el.style.wordSpacing = '.16em'; } })(); 0`)
	cut := `[...document.querySelectorAll('button, p, h1, h2, label')].filter(e => e.getClientRects().length && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) && getComputedStyle(e).overflow !== 'visible').map(e => e.textContent).join('; ')`
	for _, tt := range []struct {
		letters string
		width   int
	}{{"100%", 320}, {"100%", 1280}, {"200%", 1280}} {
		b.Eval(fmt.Sprintf("document.documentElement.style.fontSize = %q; 0", tt.letters))
		b.Size(tt.width, 900)
		if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > tt.width {
			t.Errorf("%s letters: %v pixels wide on %d: %v", tt.letters, got, tt.width, b.Eval(widest))
		}
		if got := b.Eval(cut); got != "" {
			t.Errorf("%s letters on %d: cut off: %v", tt.letters, tt.width, got)
		}
	}
}

// The page notices by itself, within seconds, that the agent is gone, and forgets
// the ticket; and it comes back with it.
func TestBrowserNoticesTheEndOfTheAgent(t *testing.T) {
	cfg, k := settings(t), newPlayed()
	stop, addr := listenAt(t, "127.0.0.1:0", New(cfg, k))
	b := startChromium(t)
	b.Open("http://" + addr + "/")
	b.Until("ready", "document.body.dataset.state === 'ready'")
	k.kept(5)
	b.Until("the ticket", "!document.getElementById('kept').hidden")
	stop()
	began := time.Now()
	b.Until("out of service", "document.body.dataset.state === 'out' && document.getElementById('kept').hidden && document.getElementById('ticket').textContent === ''")
	took := time.Since(began)
	t.Logf("out of service %v after the end", took.Round(time.Millisecond))
	if took > 20*time.Second { // 5 s and what a busy machine adds
		t.Errorf("it took %v", took)
	}
	if got := b.Eval("document.getElementById('more').textContent"); !strings.Contains(got.(string), "112") {
		t.Errorf("no number to call: %v", got)
	}
	stop, _ = listenAt(t, addr, New(cfg, newPlayed()))
	defer stop()
	b.Until("in service again", "document.body.dataset.state === 'ready'")
}

// Who has no mouse goes through the page in the order of sight, and sees where he
// is; who wants no motion sees none.
func TestBrowserKeyboardAndMotion(t *testing.T) {
	srv, k := serve(t, nil)
	b := startChromium(t)
	b.Scheme(false) // and reduced motion
	b.Size(1280, 900)
	b.Open(srv.URL + "/")
	k.kept(3)
	b.Until("the ticket", "!document.getElementById('kept').hidden")
	if got := b.Eval("getComputedStyle(document.querySelector('#status svg')).animationName"); got != "none" {
		t.Errorf("motion: %v", got)
	}
	want := []string{"Indonesia", "English", "Tampilkan lebih lama", "Batalkan pengaduan ini", "Jalan rusak", "Lampu jalan mati", "Air bersih mati", "Bantuan sosial", "field", "1"}
	for _, w := range want {
		b.key("Tab")
		got := b.Eval("document.activeElement.id === 'field' ? 'field' : document.activeElement.textContent.trim()")
		if got != w {
			t.Fatalf("the focus is on %v, want %s", got, w)
		}
		if style := b.Eval("getComputedStyle(document.activeElement).outlineStyle + parseFloat(getComputedStyle(document.activeElement).outlineWidth)"); style != "solid4" {
			t.Errorf("the focus on %s does not show: %v", w, style)
		}
	}
}

// A language is a file, its key is large; a text that it does not have is
// Indonesian, and says so to who reads it out.
func TestBrowserFurtherLanguage(t *testing.T) {
	dir := t.TempDir()
	text := `{"name": "Basa Sunda", "services": {"road": "Jalan ruksak"}, "texts": {"services": "Pilih palayanan", "saved": "Geus kasimpen."}}`
	if err := os.WriteFile(filepath.Join(dir, "su.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	srv, k := serve(t, func(c *Config) { c.Languages = must(Languages(dir)) })
	b := startChromium(t)
	b.Open(srv.URL + "/")
	if size := b.Eval("(r => Math.min(r.width, r.height))(document.querySelector('[data-lang=su]').getBoundingClientRect())").(float64); size < 48 {
		t.Errorf("its key is %v pixels wide or high, want 48", size)
	}
	b.Eval("document.querySelector('[data-lang=su]').click()")
	b.Until("Sundanese", "document.documentElement.lang === 'su' && document.getElementById('servicesname').textContent === 'Pilih palayanan' && document.querySelector('[data-button=road]').textContent === 'Jalan ruksak'")
	b.Until("the state in Indonesian", "document.getElementById('say').textContent.startsWith('Siap.') && document.getElementById('say').lang === 'id'")
	k.kept(4)
	b.Until("the state in Sundanese", "document.getElementById('say').textContent === 'Geus kasimpen.' && document.getElementById('say').lang === ''")
}
