package screen

import (
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
	"kentongan/broker-config/brokertest"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 90 * time.Second

// browser is a Chromium, with what these tests do in it.
type browser struct{ *chromium.Browser }

func startChromium(t *testing.T) *browser { return &browser{chromium.Start(t)} }

// With -screens DIR the page is also kept as pictures:
// go test ./agent/kiosk/screen -run Browser -screens DIR
var screens = flag.String("screens", "", "directory for pictures of the page")

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
	srv, k := serve(t, func(c *Config) { c.Languages = must(Languages(sundanese(t))) })
	b := startChromium(t)
	for _, lang := range []string{"id", "en", "su"} {
		b.Size(1280, 900)
		b.Open(srv.URL + "/")
		b.UseAxe()
		b.Eval(fmt.Sprintf("document.querySelector('[data-lang=%s]').click()", lang))
		for _, sc := range scenes() {
			sc.play(k)
			b.Eval(sc.do)
			b.Until(sc.name, sc.when)
			b.Eval("document.activeElement.blur()")
			for _, width := range []int{320, 768, 1024, 1280, 1920} {
				b.Size(width, 1080)
				if bad := b.Wider(width); bad != "" {
					t.Errorf("%s in %s on a screen of %d: too wide: %s", sc.name, lang, width, bad)
				}
				if bad := b.Small(44); bad != "" {
					t.Errorf("%s in %s on a screen of %d: hard to hit: %v", sc.name, lang, width, bad)
				}
				if *screens != "" {
					file := filepath.Join(*screens, fmt.Sprintf("%s-%s-%d.png", sc.name, lang, width))
					if err := os.WriteFile(file, b.Screen(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if low := b.Contrast(); low != "" {
				t.Errorf("%s in %s: low contrast: %v", sc.name, lang, low)
			}
			if found := b.Axe(); found != "" {
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

// axe would find what it is here to find.
func TestBrowserAxeFindsFaults(t *testing.T) {
	srv, _ := serve(t, nil)
	b := startChromium(t)
	b.Open(srv.URL + "/")
	b.UseAxe()
	b.Eval("document.querySelector('label').remove(); document.documentElement.lang = ''; 0")
	if found := b.Axe(); !strings.Contains(found, "html-has-lang") || !strings.Contains(found, "label") {
		t.Errorf("axe finds only: %s", found)
	}
}

// A touch makes a complaint; its ticket is on the screen, for longer than a busy
// machine needs to see it, can be shown longer and
// taken back, and is gone after its time. Nothing is in the address.
func TestBrowserTouch(t *testing.T) {
	srv, k := serve(t, func(c *Config) { c.ShowFor = 12 * time.Second })
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
		if bad := b.Wider(tt.width); bad != "" {
			t.Errorf("%s letters on %d: %s", tt.letters, tt.width, bad)
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
	stop, addr := listenAt(t, brokertest.FreeAddress(t), New(cfg, k)) // again later
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
	if took > time.Minute { // 5 s and what a busy machine adds
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
