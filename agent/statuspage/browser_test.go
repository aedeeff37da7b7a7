package statuspage

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/kiosk/screen/chromium"
)

// With -screens DIR the page is kept as pictures; with -update the ones of the
// documents are made anew.
var (
	screens = flag.String("screens", "", "directory for pictures of the page")
	update  = flag.Bool("update", false, "make the pictures in docs/images anew")
)

// browser is a Chromium that takes the device's own certificate, as a technician
// does who has compared its fingerprint.
func (g *rig) browser() *chromium.Browser {
	b := chromium.Start(g.t)
	b.Call(nil, "Security.setIgnoreCertificateErrors", map[string]any{"ignore": true})
	return b
}

// come enters with a code, as a technician does, in a language.
func (g *rig) come(b *chromium.Browser, lang string) {
	g.t.Helper()
	b.Open(g.url + "/?lang=" + lang)
	b.Eval(fmt.Sprintf("document.getElementById('code').value = %q; document.querySelector('main form').requestSubmit(); 0", strings.ToLower(g.code())))
	b.Until("the page", "document.getElementById('verdict') !== null && document.readyState === 'complete'")
}

func savePicture(t *testing.T, file string, png []byte) {
	t.Helper()
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// look sees that nothing is wrong with what is shown, from a phone to a large
// screen.
func look(t *testing.T, b *chromium.Browser, name string) {
	t.Helper()
	b.UseAxe()
	for _, width := range []int{320, 768, 1920} {
		b.Size(width, 900)
		if bad := b.Wider(width); bad != "" {
			t.Errorf("%s on %d: too wide: %s", name, width, bad)
		}
		if bad := b.Small(44); bad != "" {
			t.Errorf("%s on %d: hard to hit: %s", name, width, bad)
		}
		if found := b.Axe(); found != "" {
			t.Errorf("%s on %d: %s", name, width, found)
		}
		if *screens != "" {
			savePicture(t, filepath.Join(*screens, fmt.Sprintf("%s-%d.png", strings.ReplaceAll(name, " ", "-"), width)), b.Screen())
		}
	}
	if low := b.Contrast(); low != "" {
		t.Errorf("%s: low contrast: %s", name, low)
	}
}

// All that the page shows, in both languages, light and dark.
func TestBrowserShowsAll(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	for _, l := range []string{"id", "en"} {
		dark := l == "en"
		b.Call(nil, "Network.clearBrowserCookies", nil)
		b.Scheme(dark)
		b.Open(g.url + "/?lang=" + l)
		look(t, b, "door "+l)
		g.come(b, l)
		if got := b.Eval("document.documentElement.lang"); got != l {
			t.Errorf("the page is in %v, want %s", got, l)
		}
		look(t, b, "state "+l)
		b.Size(360, 780)
		if *update {
			at := map[string]string{"id": "statuspage-phone.png", "en": "statuspage-phone-en.png"}[l]
			b.Scheme(false)
			var r struct{ Data []byte }
			b.Call(&r, "Page.captureScreenshot", map[string]any{"format": "png"})
			savePicture(t, filepath.Join("../../docs/images", at), r.Data)
			b.Scheme(dark)
		}
		b.Eval("document.getElementById('identify').click(); document.querySelector('[data-picture=gate]').click(); document.getElementById('examine').click(); document.getElementById('showlog').click(); document.getElementById('open').click(); 0")
		b.Until("the lamp", "document.getElementById('identified').textContent.includes(\"the kiosk's lamps\")")
		b.Until("the picture", "document.querySelector('.picture img')?.naturalWidth === 320 && document.querySelector('.picture img').alt.endsWith('gate')")
		b.Until("four checks", "document.getElementById('checks').childElementCount === 4 && document.getElementById('examined').textContent.includes('1 ')")
		b.Until("the log", "document.getElementById('tail').textContent.includes('session over') && document.querySelector('#tail b') === null")
		b.Until("the configuration", "document.getElementById('text').value.includes('password: xxxxx')")
		b.Eval("document.getElementById('text').value += 'wrong'; document.getElementById('check').click(); 0")
		b.Until("two problems", "document.getElementById('problems').childElementCount === 2")
		b.Eval("document.querySelectorAll('#problems button')[1].click(); 0")
		if got := b.Eval("document.activeElement.id + document.getElementById('text').value.slice(0, document.getElementById('text').selectionStart).split('\\n').length + '.' + (document.getElementById('text').selectionStart - document.getElementById('text').value.lastIndexOf('\\n', document.getElementById('text').selectionStart - 1))"); got != "text5.7" {
			t.Errorf("a problem leads to %v, want line 5, column 7 of the text", got)
		}
		look(t, b, "all "+l)
	}
	for _, e := range b.Errors() {
		if !strings.Contains(e, "422") { // of the check of what is wrong
			t.Errorf("the page complains: %s", e)
		}
	}
}

// A button that is touched shows at once, a picture stays while its camera's state
// changes, and what is applied can be kept.
func TestBrowserIsLive(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	g.come(b, "id")
	b.Eval("window.same = true; document.querySelector('[data-picture=gate]').click(); 0")
	b.Until("the picture", "document.querySelector('.picture img') !== null")
	g.dev.set(func(s *Status) { s.Lines[0].Active, s.Lines[0].Changes = true, 7 })
	b.Until("the touch", "document.getElementById('l-road').textContent.includes('DITEKAN') && document.getElementById('l-road').textContent.includes('7')")
	g.dev.set(func(s *Status) { s.Streams[0].State, s.Streams[0].Class = "failed", "auth" })
	b.Until("the camera's fault", "document.getElementById('s-gate').textContent.includes('kata sandi salah')")
	if b.Eval("document.querySelector('.picture img') !== null && window.same") != true {
		t.Error("the picture went, or the page was loaded again")
	}
	b.Eval("document.getElementById('open').click(); 0")
	b.Until("the configuration", "document.getElementById('text').value !== ''")
	b.Eval("document.getElementById('text').value += '# better'; document.getElementById('apply').click(); 0")
	b.Until("the trial", "document.getElementById('trial').textContent.includes('Percobaan') && document.getElementById('trial').textContent.includes('halaman ini')")
	b.Until("the way to keep it", "!document.getElementById('keep').hidden")
	b.Eval("document.getElementById('keep').click(); 0")
	b.Until("its end", "!document.getElementById('trial').textContent.includes('Percobaan') && document.getElementById('judged').textContent.includes('dipertahankan')")
	g.dev.set(func(s *Status) { s.Version = "v1.2.4" })
	b.Until("another version: the page is loaded again", "window.same === undefined && document.getElementById('machine') !== null && document.getElementById('machine').textContent.includes('v1.2.4')")
	g.pass(sessionFor)
	b.Until("the door, after the session", "document.getElementById('code') !== null")
}

// Without a script the state is there, and is loaded anew.
func TestBrowserWithoutScript(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	g.come(b, "id")
	b.Call(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	b.Call(nil, "Page.reload", nil)
	b.Until("the notice", "document.body !== null && document.body.innerText.includes('Tanpa JavaScript')")
	text := b.Eval("document.body.innerText").(string)
	for _, want := range []string{"centre.example:8883", "192.0.2.7", "Kamera mati", "road"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown without a script", want)
		}
	}
	g.dev.set(func(s *Status) { s.Site = "Pasar Lama" })
	b.Until("loaded anew by itself", "document.body !== null && document.body.innerText.includes('Pasar Lama')")
}

// Who has no mouse reaches everything in the order of sight, and sees where he is.
func TestBrowserKeyboard(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	g.come(b, "id")
	want := []string{"Langsung ke isi", "Indonesia", "English", "Keluar", "Lihat gambar gate", "Lihat gambar hall", "Kedipkan lampu perangkat", "Jalankan pemeriksaan", "Buka konfigurasi", "Tampilkan log"}
	for _, w := range want {
		for _, kind := range []string{"keyDown", "keyUp"} {
			b.Call(nil, "Input.dispatchKeyEvent", map[string]any{"type": kind, "key": "Tab", "windowsVirtualKeyCode": 9})
		}
		if got := b.Eval("document.activeElement.textContent.trim()"); got != w {
			t.Fatalf("the focus is on %v, want %s", got, w)
		}
		if got := b.Eval("getComputedStyle(document.activeElement).outlineStyle"); got != "solid" {
			t.Errorf("the focus on %s does not show: %v", w, got)
		}
	}
}
