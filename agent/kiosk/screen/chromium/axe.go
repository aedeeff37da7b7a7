package chromium

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// UseAxe brings axe-core into the page, from the cache where axe.sh puts it. It is
// the test's own hand, so the page's policy does not refuse it.
func (b *Browser) UseAxe() {
	b.T.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		b.T.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(cache, "kentongan", "axe-4.14.1.min.js"))
	if err != nil {
		b.T.Fatalf("%v; bring it with agent/kiosk/screen/axe.sh, or make tools", err)
	}
	b.Eval(string(text) + "; 0")
}

// Axe runs all rules for WCAG 2.2 A and AA and the best practices, and returns what
// they find. UseAxe comes before it.
func (b *Browser) Axe() string {
	b.T.Helper()
	raw := b.Eval(`axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}})
		.then(r => JSON.stringify({passes: r.passes.length, found: r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(' | '))}))`).(string)
	var r struct {
		Passes int
		Found  []string
	}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		b.T.Fatal(err)
	}
	if r.Passes < 10 {
		b.T.Errorf("axe looked at %d rules only", r.Passes)
	}
	return strings.Join(r.Found, "\n")
}

// Contrast lists texts that stand out less than WCAG 2.2 AA asks (1.4.3: 4.5 to 1,
// 3 to 1 when large), and edges of what can be pressed that stand out less than 3
// to 1 (1.4.11).
func (b *Browser) Contrast() string {
	b.T.Helper()
	return b.Eval(contrast).(string)
}

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
	for (const el of document.querySelectorAll('button, input, select, textarea')) {
		if (!el.getClientRects().length) continue;
		const r = ratio(rgba(getComputedStyle(el).borderTopColor), ground(el.parentElement));
		if (r < 3) bad.push(r.toFixed(2) + ' edge of ' + (el.textContent.trim() || el.id));
	}
	return [...new Set(bad)].join('; ');
})()`

// Small lists what is smaller to hit than so many CSS pixels; WCAG 2.2 AA asks for
// 24 (2.5.8), a public screen for more.
func (b *Browser) Small(pixels int) string {
	b.T.Helper()
	return b.Eval(strings.ReplaceAll(small, "PIXELS", strconv.Itoa(pixels))).(string)
}

const small = `[...document.querySelectorAll('button, input, select, textarea, summary')].filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.width < PIXELS || r.height < PIXELS); }).map(e => e.textContent.trim() || e.id).join('; ')`

// Wider names what reaches beyond a screen of so many pixels; "" when nothing
// does.
func (b *Browser) Wider(width int) string {
	b.T.Helper()
	if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) <= width {
		return ""
	}
	return b.Eval(widest).(string)
}

const widest = `'page: ' + document.documentElement.scrollWidth + ' pixels: ' + [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + '.' + e.id + ' ' + e.textContent.trim().slice(0, 30)).join('; ')`
