package console

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// wib is the zone of the viewers. It has had no summer time since 1964, so the
// zone database is not needed for it.
var wib = time.FixedZone("WIB", 7*3600)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// functions are what the templates can call, in one language.
func (c *Console) functions(lang string) template.FuncMap {
	t := func(key string) string { return say(lang, key) }
	return template.FuncMap{
		"t":       t,
		"csrf":    csrfField,
		"csrfval": func() string { return csrfMark },
		"tt":      func(prefix, key string) string { return sayAfter(lang, prefix, key) },
		"asset":   func(name string) string { return "/static/" + name + "?v=" + c.assets },
		"num":     func(n any) string { return number(lang, n) },
		"clock":   func(at time.Time) string { return clockText(lang, at) },
		"iso":     func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"ago":     func(at, now time.Time) string { return agoText(lang, now.Sub(at)) },
		"delay":   func(d time.Duration) string { return delayText(lang, d) },
		"label":   func(x report.Text) string { return pick(lang, x) },
		"bits":    func(n int64) string { return decimal(lang, bitText(n)) },
		"many":    func(n uint64, key string) string { return many(lang, n, key) },
		"upper":   capital,
		"named":   named,
		"fps":     func(f float64) string { return decimal(lang, strconv.FormatFloat(f, 'f', 1, 64)) },
		"frame":   func(ms int64) string { return frameText(lang, ms) },
		"tone":    tone,
		"percent": func(f float64) int { return int(f*100 + 0.5) },
		"happens": func(h store.Happening) string { return happening(lang, h) },
		"twice":   func(f float64) float64 { return 2 * f },
		"dayname": func(at time.Time) string { return dayName(lang, at) },
		"dec":     func(s string) string { return decimal(lang, s) },
		"short":   func(epoch string) string { return epoch[:min(6, len(epoch))] },
		"seqs":    func(from, to uint64) string { return rangeText(lang, from, to) },
		"todo":    func(p store.Problem) string { return advice(lang, p) },
		"online":  func(is bool) string { return map[bool]string{true: report.Online, false: report.Offline}[is] },
		"orderOf": orderOf, "subjectOf": subjectOf, "profiles": report.ProfileKinds,
		"formOf":  func(device, name string) orderForm { return orderForm{device, name} },
		"pair":    func(c complaint, at time.Time) row { return row{c, at} },
		"sparkOf": func(p []store.StreamPoint, at time.Time, rate bool) spark { return spark{p, at, rate} },
		"lanesOf": func(l []store.Lane, withDevice bool, at time.Time) laneView { return laneView{l, withDevice, at} },
	}
}

// row and laneView are what parts of pages get, which have one argument.
type row struct {
	C   complaint
	Now time.Time
}

type orderForm struct{ Device, Name string }

type laneView struct {
	Lanes      []store.Lane
	WithDevice bool
	Now        time.Time
}

// advice is what to do about a problem: about its class where there is one. The
// states of a line are words of their own: one that is missing is no number.
func advice(lang string, p store.Problem) string {
	keys := []string{"do." + p.Class, "do." + p.State, "do." + p.What}
	if p.What == "line" {
		keys = keys[2:]
	}
	for _, key := range keys {
		if _, ok := texts[key]; ok {
			return say(lang, key)
		}
	}
	return ""
}

// sayAfter looks a word up in a group of words; one that we don't know is shown
// as it came.
func sayAfter(lang, prefix, key string) string {
	if _, ok := texts[prefix+"."+key]; ok {
		return say(lang, prefix+"."+key)
	}
	return key
}

func pick(lang string, x report.Text) string {
	a, b := x.ID, x.EN
	if lang == "en" {
		a, b = b, a
	}
	if a == "" {
		return b
	}
	return a
}

// many takes the singular of a text for one; Indonesian has none.
func many(lang string, n uint64, key string) string {
	if n == 1 {
		key += "1"
	}
	return say(lang, key)
}

// capital begins a sentence.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// tone is how a state looks: good, bad, warn or idle; the word beside it says
// which, the colour never alone.
func tone(state string) string {
	switch state {
	case "online", "playing", "ok", "complete", "connected":
		return "good"
	case "failed", "offline", "missing", "conflict", "lost", "stuck", report.Critical, report.Major, report.AppUnreachable, report.AppWrong:
		return "bad"
	case "silent", "quiet", "chatter", "busy", report.Minor, report.Warning, report.AppSlow:
		return "warn"
	}
	return "idle"
}

// named is a source without its kind: lobby of stream/lobby; device as it is.
func named(source string) string {
	if _, name, ok := strings.Cut(source, "/"); ok {
		return name
	}
	return source
}

// number writes 12345 as 12.345 (id) or 12,345 (en).
func number(lang string, n any) string {
	s := fmt.Sprint(n)
	sep := "."
	if lang == "en" {
		sep = ","
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + sep + s[i:]
	}
	return s
}

func decimal(lang, s string) string {
	if lang == "id" {
		return strings.Replace(s, ".", ",", 1)
	}
	return s
}

var monthsID = [...]string{"Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"}

// clockText is a moment in WIB: 23 Nov 2026 14.05.10 or 23 Nov 2026 14:05:10.
func clockText(lang string, at time.Time) string {
	at = at.In(wib)
	if lang == "en" {
		return at.Format("2 Jan 2006 15:04:05")
	}
	return fmt.Sprintf("%d %s %s", at.Day(), monthsID[at.Month()-1], at.Format("2006 15.04.05"))
}

// span writes a length of time with its largest unit, and the next for hours
// and days, where a whole unit would hide much.
func span(lang string, d time.Duration) string {
	u := func(n time.Duration, unit string) string { return strconv.Itoa(int(n)) + " " + say(lang, "u."+unit) }
	and := func(n time.Duration, unit string) string {
		if n == 0 {
			return ""
		}
		return " " + u(n, unit)
	}
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return u(d/time.Second, "s")
	case d < time.Hour:
		return u(d/time.Minute, "m")
	case d < day:
		return u(d/time.Hour, "h") + and(d%time.Hour/time.Minute, "m")
	default:
		return u(d/day, "d") + and(d%day/time.Hour, "h")
	}
}

// agoText is written again by live.js, which has the same rules.
func agoText(lang string, d time.Duration) string {
	if d < 2*time.Second {
		return say(lang, "justnow")
	}
	return span(lang, d) + " " + say(lang, "ago")
}

func delayText(lang string, d time.Duration) string {
	if d < time.Second {
		return say(lang, "atonce")
	}
	return span(lang, d)
}

func frameText(lang string, ms int64) string {
	if ms < 0 {
		return say(lang, "noframe")
	}
	if ms < 1000 {
		return strconv.FormatInt(ms, 10) + " ms"
	}
	return span(lang, time.Duration(ms)*time.Millisecond)
}

func bitText(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kbit/s", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bit/s", n)
}

func rangeText(lang string, from, to uint64) string {
	if from == to {
		return number(lang, from)
	}
	return number(lang, from) + "–" + number(lang, to)
}

var daysID = [...]string{"Min", "Sen", "Sel", "Rab", "Kam", "Jum", "Sab"}

// dayName is a day in short: Sen 23 or Mon 23.
func dayName(lang string, at time.Time) string {
	at = at.In(wib)
	if lang == "en" {
		return at.Format("Mon 2")
	}
	return daysID[at.Weekday()] + " " + strconv.Itoa(at.Day())
}
