package statuspage

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"kentongan/agent/report"
)

// The page is static/page.html with places to fill: [[key]] is a text, [[:name]]
// is made here, as html/template would, which the device program leaves out for
// its size. What changes is made by stateParts and lineParts alone, for the page
// as it is loaded and for what is sent later.

//go:embed static/page.html
var frame string

//go:embed static/door.html
var doorFrame string

// scriptTexts are what the page's script says by itself.
var scriptTexts = []string{"stale", "err.gone", "picture.of", "taken", "doctor.works", "doctor.done", "next", "line", "column", "check.ok", "check.warn", "check.fail", "check.skipped"}

// page shows the state to who is in, and the door to others.
func (p *Page) page(w http.ResponseWriter, r *http.Request) {
	l := language(r)
	if r.URL.Query().Has("lang") {
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: string(l), Path: "/", MaxAge: 400 * 24 * 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	if !p.sessions.has(r) {
		p.door(w, r, http.StatusOK, "")
		return
	}
	st := p.device.Status()
	parts := map[string]string{}
	l.stateParts(st, parts)
	own := map[string]string{}
	for _, key := range scriptTexts {
		own[key] = l.t(key)
	}
	data, err := json.Marshal(map[string]any{"texts": own, "layout": st.layout()}) // escapes < > &
	if err != nil {
		http.Error(w, "page not made", http.StatusInternalServerError)
		return
	}
	fill := []string{
		"[[:device]]", html.EscapeString(st.Device), "[[:site]]", html.EscapeString(st.Site),
		"[[:streams]]", l.streamRows(st, parts), "[[:lines]]", l.lineRows(st, parts), "[[:data]]", string(data),
		"[[:hidden-sensors]]", hiddenIf(len(st.Sensors) == 0), "[[:hidden-lines]]", hiddenIf(len(st.Lines) == 0), "[[:hidden-streams]]", hiddenIf(len(st.Streams) == 0),
		"[[:hidden-doctor]]", hiddenIf(p.cfg.Doctor == nil),
	}
	for id, text := range parts {
		fill = append(fill, "[[:"+id+"]]", text)
	}
	p.send(w, r, http.StatusOK, l, frame, fill)
}

func hiddenIf(yes bool) string {
	if yes {
		return " hidden"
	}
	return ""
}

// door asks for a code.
func (p *Page) door(w http.ResponseWriter, r *http.Request, status int, problem string) {
	l := language(r)
	text := ""
	if problem != "" {
		text = `<p role="alert" class="said bad">` + html.EscapeString(l.t("err."+problem)) + `</p>`
	}
	p.send(w, r, status, l, doorFrame, []string{"[[:device]]", html.EscapeString(p.cfg.Device), "[[:problem]]", text})
}

func (p *Page) send(w http.ResponseWriter, r *http.Request, status int, l lang, frame string, fill []string) {
	fill = append(fill, "[[:lang]]", string(l), "[[:languages]]", l.languageLinks())
	for key, two := range texts {
		text := two[0]
		if l == english {
			text = two[1]
		}
		fill = append(fill, "[["+key+"]]", html.EscapeString(text))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = strings.NewReplacer(fill...).WriteString(w, frame) // the client may have gone
}

func (l lang) languageLinks() string {
	var b strings.Builder
	for _, o := range []struct {
		code lang
		name string
	}{{indonesian, "Indonesia"}, {english, "English"}} {
		current := ""
		if o.code == l {
			current = ` aria-current="true"`
		}
		fmt.Fprintf(&b, `<a href="/?lang=%s" lang="%s" hreflang="%s"%s>%s</a> `, o.code, o.code, o.code, current, o.name)
	}
	return b.String()
}

// layout names the elements that there are.
func (s Status) layout() string {
	var b strings.Builder
	for _, x := range s.Streams {
		fmt.Fprintf(&b, "s:%s:%t;", x.Name, x.Shows)
	}
	for _, x := range s.Lines {
		b.WriteString("l:" + x.Name + ";")
	}
	fmt.Fprintf(&b, "%d:%s", len(s.Sensors), s.Version)
	return b.String()
}

// Marks of how something is: colour is never alone.
const (
	markGood = `<b class="mark good" aria-hidden="true">✓</b> `
	markBad  = `<b class="mark bad" aria-hidden="true">✗</b> `
	markWarn = `<b class="mark warn" aria-hidden="true">!</b> `
)

// streamRows are the cameras; a link to a picture stays while the rest changes.
func (l lang) streamRows(st Status, parts map[string]string) string {
	var b strings.Builder
	for _, s := range st.Streams {
		name := html.EscapeString(s.Name)
		fmt.Fprintf(&b, `<li><div id="s-%s">%s</div>`, name, parts["s-"+s.Name])
		switch {
		case s.Shows:
			fmt.Fprintf(&b, `<p><a class="button" href="/picture/%s" data-picture="%s">%s<span class="sr"> %s</span></a></p><div class="picture"></div>`, name, name, html.EscapeString(l.t("picture")), name)
		case s.Why != "":
			fmt.Fprintf(&b, `<p class="small">%s</p>`, html.EscapeString(l.t(s.Why)))
		}
		b.WriteString("</li>\n")
	}
	return b.String()
}

func (l lang) lineRows(st Status, parts map[string]string) string {
	var b strings.Builder
	for _, x := range st.Lines {
		name := html.EscapeString(x.Name)
		fmt.Fprintf(&b, `<li id="l-%s">%s</li>`, name, parts["l-"+x.Name])
	}
	return b.String()
}

// stateParts makes all that changes with the state.
func (l lang) stateParts(st Status, parts map[string]string) {
	parts["verdict"] = l.verdict(st)
	parts["alarms"] = l.alarms(st)
	parts["link"] = l.link(st.Link)
	parts["spool"] = l.spool(st)
	parts["sensors"] = l.sensors(st)
	parts["machine"] = l.machine(st)
	parts["trial"] = l.trial(st.Config)
	for _, s := range st.Streams {
		parts["s-"+s.Name] = l.stream(s)
	}
	l.lineParts(st.Lines, parts)
}

// lineParts makes the rows of the inputs.
func (l lang) lineParts(lines []Line, parts map[string]string) {
	for _, x := range lines {
		mark, state := "", l.t("idle")
		if x.Active {
			mark, state = " on", l.t("active")
		}
		if x.State != "" && x.State != "ok" {
			mark, state = " broken", l.word("line", x.State)
		}
		text := fmt.Sprintf(`<span class="dot%s" aria-hidden="true"></span><b>%s</b> <span class="small">%s</span> <span class="state%s">%s</span> <span class="small">%s %d</span>`,
			mark, html.EscapeString(x.Name), html.EscapeString(l.word("kind", x.Kind)), mark, html.EscapeString(state), html.EscapeString(l.t("changes")), x.Changes)
		if x.Detail != "" {
			text += ` <span class="small">` + html.EscapeString(x.Detail) + `</span>`
		}
		parts["l-"+x.Name] = text
	}
}

// wrong is what is to be looked at; nothing while all is well.
func (l lang) wrong(st Status) []string {
	var all []string
	if st.Kiosk != "" {
		all = append(all, l.t("look.kiosk")+": "+st.Kiosk)
	}
	if !st.Link.Connected {
		all = append(all, l.t("look.link"))
	}
	for _, lane := range st.Lanes {
		if lane.Error != "" {
			all = append(all, l.t("look.lane")+" "+l.word("lane", string(lane.Name))+": "+lane.Error)
		}
	}
	for _, s := range st.Streams {
		if s.State == "failed" || s.State == "silent" {
			all = append(all, l.t("look.stream")+" "+s.Name+": "+l.word("stream", s.State))
		} else if found := l.found(s); found != "" {
			all = append(all, l.t("look.stream")+" "+s.Name+": "+found)
		}
	}
	if st.Clock == report.ClockUnset {
		all = append(all, l.t("look.clock"))
	}
	for _, a := range st.Alarms {
		if a.Source == "device" || len(all) == 0 {
			all = append(all, l.of(a.Text))
		}
	}
	return all
}

// verdict says first what a technician wants to know first.
func (l lang) verdict(st Status) string {
	all := l.wrong(st)
	if len(all) == 0 {
		return `<p class="good">` + markGood + html.EscapeString(l.t("good")) + `</p>`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<p class="bad">%s%s</p><ul>`, markBad, html.EscapeString(l.t("look")))
	for _, text := range all {
		fmt.Fprintf(&b, "<li>%s</li>", html.EscapeString(text))
	}
	b.WriteString("</ul>")
	return b.String()
}

func (l lang) alarms(st Status) string {
	if len(st.Alarms) == 0 {
		return "<p>" + html.EscapeString(l.t("none")) + "</p>"
	}
	var b strings.Builder
	b.WriteString("<ul>")
	for _, a := range st.Alarms {
		mark := markBad
		if a.Severity == report.Minor || a.Severity == report.Warning {
			mark = markWarn
		}
		fmt.Fprintf(&b, `<li>%s<b>%s</b> %s: %s <span class="small">%s %s</span><br>%s %s`, mark, html.EscapeString(l.word("severity", a.Severity)), html.EscapeString(a.Source),
			html.EscapeString(l.of(a.Text)), html.EscapeString(l.t("since")), when(a.Since), html.EscapeString(l.t("next")), html.EscapeString(l.of(a.Action)))
		if a.Detail != "" {
			fmt.Fprintf(&b, `<br><span class="small" lang="en">%s</span>`, html.EscapeString(a.Detail))
		}
		b.WriteString("</li>")
	}
	b.WriteString("</ul>")
	return b.String()
}

// when is a time of the device, by its own zone; the tooltip has UTC.
func when(t time.Time) string {
	utc := t.UTC().Format("2006-01-02 15:04:05Z")
	return fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), utc, t.Local().Format("2006-01-02 15:04 MST"))
}

func (l lang) link(k Link) string {
	var b strings.Builder
	if k.Connected {
		fmt.Fprintf(&b, `<p>%s<b>%s</b> %s %s %s</p>`, markGood, html.EscapeString(l.t("up")), html.EscapeString(k.Broker), html.EscapeString(l.t("since")), when(k.Since))
	} else {
		fmt.Fprintf(&b, `<p>%s<b>%s</b> %s %s %s</p>`, markBad, html.EscapeString(l.t("down")), html.EscapeString(k.Broker), html.EscapeString(l.t("since")), when(k.Since))
		if k.Error != "" {
			fmt.Fprintf(&b, `<p lang="en">%s</p>`, html.EscapeString(k.Error))
		}
	}
	fmt.Fprintf(&b, `<p class="small">%s %s</p>`, html.EscapeString(l.t("sent")), size(k.Sent))
	return b.String()
}

func (l lang) spool(st Status) string {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, lane := range st.Lanes {
		mark := markGood
		if lane.Error != "" {
			mark = markBad
		}
		fmt.Fprintf(&b, `<li>%s%s: <b>%d</b> %s <span class="small">%s / %s</span>`, mark, html.EscapeString(l.word("lane", string(lane.Name))), lane.Waiting, html.EscapeString(l.t("waiting")), size(lane.Used), size(lane.Quota))
		if lane.Error != "" {
			fmt.Fprintf(&b, ` <span lang="en">%s</span>`, html.EscapeString(lane.Error))
		}
		b.WriteString("</li>")
	}
	b.WriteString("</ul>")
	if st.Mirror != "" {
		fmt.Fprintf(&b, `<p>%s%s <span lang="en">%s</span></p>`, markBad, html.EscapeString(l.t("mirror")), html.EscapeString(st.Mirror))
	}
	return b.String()
}

func (l lang) found(s Stream) string {
	if s.StreamState.Picture == nil {
		return ""
	}
	var all []string
	for _, f := range s.StreamState.Picture.Found {
		all = append(all, l.word("found", f.Condition))
	}
	return strings.Join(all, ", ")
}

func (l lang) stream(s Stream) string {
	mark := markWarn
	switch s.State {
	case "playing":
		mark = markGood
	case "failed", "silent":
		mark = markBad
	}
	found := l.found(s)
	if found != "" {
		mark = markBad
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<p>%s<b>%s</b> %s`, mark, html.EscapeString(s.Name), html.EscapeString(l.word("stream", s.State)))
	if found != "" {
		b.WriteString(": <b>" + html.EscapeString(found) + "</b>")
	}
	if !s.Since.IsZero() {
		fmt.Fprintf(&b, ` <span class="small">%s %s</span>`, html.EscapeString(l.t("since")), when(s.Since))
	}
	b.WriteString("</p>")
	if s.Class != "" {
		fmt.Fprintf(&b, `<p>%s</p>`, html.EscapeString(l.word("class", s.Class)))
	}
	if s.Detail != "" {
		fmt.Fprintf(&b, `<p class="small" lang="en">%s</p>`, html.EscapeString(s.Detail))
	}
	figures := []string{html.EscapeString(s.URL)}
	if s.Codec != "" {
		figures = append(figures, html.EscapeString(fmt.Sprintf("%s %d×%d", s.Codec, s.Width, s.Height)))
	}
	if s.FPS > 0 {
		figures = append(figures, fmt.Sprintf("%.0f fps, %d kbit/s", s.FPS, s.BitsPerS/1000))
	}
	if s.KeyMS > 0 {
		figures = append(figures, fmt.Sprintf("%s %.1f s", html.EscapeString(l.t("keyframes")), float64(s.KeyMS)/1000))
	}
	b.WriteString(`<p class="small">` + strings.Join(figures, ", ") + "</p>")
	return b.String()
}

func (l lang) sensors(st Status) string {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, s := range st.Sensors {
		all := s.values()
		mark := markGood
		if s.Error != "" {
			mark = markBad
			all = append(all, html.EscapeString(s.Error))
		}
		fmt.Fprintf(&b, `<li>%s<b>%s</b> %s</li>`, mark, html.EscapeString(s.Name), strings.Join(all, ", "))
	}
	b.WriteString("</ul>")
	return b.String()
}

func (l lang) machine(st Status) string {
	var b strings.Builder
	b.WriteString("<dl>")
	row := func(key, value string) {
		fmt.Fprintf(&b, "<div><dt>%s</dt><dd>%s</dd></div>", html.EscapeString(l.t(key)), value)
	}
	row("version", html.EscapeString(st.Version))
	row("board", html.EscapeString(st.Board))
	row("clock", when(st.Time)+" "+html.EscapeString(l.word("clock", string(st.Clock))))
	up := time.Duration(st.UptimeMS) * time.Millisecond
	row("uptime", html.EscapeString(up.Truncate(time.Minute).String()))
	row("memory", size(st.Machine.RSS))
	row("disk", size(st.Machine.DiskFree))
	if st.Machine.TempMilliC != 0 {
		row("heat", fmt.Sprintf("%.0f °C", float64(st.Machine.TempMilliC)/1000))
	}
	row("load", fmt.Sprintf("%.2f", st.Machine.Load1))
	b.WriteString("</dl>")
	return b.String()
}

func (l lang) trial(c ConfigState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<p>%s <b>%s</b> <span class=\"small\">%s</span></p>", html.EscapeString(l.t("config.from")), html.EscapeString(l.word("from", c.From)), html.EscapeString(c.File))
	if c.TrialMS > 0 {
		left := (time.Duration(c.TrialMS) * time.Millisecond).Truncate(10 * time.Second)
		fmt.Fprintf(&b, `<p data-trial>%s%s</p>`, markWarn, html.EscapeString(strings.ReplaceAll(l.t("config.trial"), "{t}", left.String())))
	}
	if len(c.NeedsRestart) > 0 {
		fmt.Fprintf(&b, `<p>%s%s %s</p>`, markWarn, html.EscapeString(l.t("config.restart")), html.EscapeString(strings.Join(c.NeedsRestart, ", ")))
	}
	if c.Outcome != "" {
		fmt.Fprintf(&b, `<p>%s%s <span lang="en">%s</span></p>`, markBad, html.EscapeString(l.t("config.undone")), html.EscapeString(c.Outcome))
	}
	if len(c.Wrong) > 0 {
		fmt.Fprintf(&b, `<p>%s%s</p><ul>`, markBad, html.EscapeString(l.t("config.wrong")))
		for _, w := range c.Wrong {
			fmt.Fprintf(&b, `<li>%s %d, %s %d: <span lang="en">%s</span></li>`, html.EscapeString(l.t("line")), w.Line, html.EscapeString(l.t("column")), w.Column, html.EscapeString(strings.TrimPrefix(w.Path+": "+w.Text, ": ")))
		}
		b.WriteString("</ul>")
	}
	return b.String()
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
