package statuspage

import (
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Row is one line of a status, for who has a terminal and no page.
type Row struct {
	Mark string // ok, warn or fail; "" is neither
	Name string
	Text string
}

// Rows tells the status in Indonesian or English, what is wrong first.
func (s Status) Rows(inEnglish bool) []Row {
	l := indonesian
	if inEnglish {
		l = english
	}
	var all []Row
	add := func(mark, name, text string) { all = append(all, Row{mark, name, strings.TrimSpace(text)}) }
	if wrong := l.wrong(s); len(wrong) == 0 {
		add("ok", l.t("row.state"), l.t("good"))
	} else {
		for _, text := range wrong {
			add("fail", l.t("row.state"), text)
		}
	}
	if s.Link.Connected {
		add("ok", l.t("row.link"), fmt.Sprintf("%s %s %s %s", l.t("up"), s.Link.Broker, l.t("since"), clockTime(s.Link.Since)))
	} else {
		add("fail", l.t("row.link"), fmt.Sprintf("%s %s %s", l.t("down"), s.Link.Broker, s.Link.Error))
	}
	for _, lane := range s.Lanes {
		add(markOf(lane.Error == ""), l.word("lane", string(lane.Name)), fmt.Sprintf("%d %s, %s / %s %s", lane.Waiting, l.t("waiting"), size(lane.Used), size(lane.Quota), lane.Error))
	}
	if s.Mirror != "" {
		add("fail", strings.TrimSuffix(l.t("mirror"), ":"), s.Mirror)
	}
	for _, x := range s.Streams {
		all = append(all, l.streamRow(x))
	}
	for _, x := range s.Lines {
		state, mark := l.t("idle"), "ok"
		if x.Active {
			state = l.t("active")
		}
		if x.State != "" && x.State != "ok" {
			state, mark = l.word("line", x.State)+" "+x.Detail, "fail"
		}
		add(mark, l.word("kind", x.Kind)+" "+x.Name, state)
	}
	for _, x := range s.Sensors {
		add(markOf(x.Error == ""), "sensor "+x.Name, strings.Join(append(x.values(), x.Error), " "))
	}
	for _, a := range s.Alarms {
		add("fail", l.word("severity", a.Severity), a.Source+": "+l.of(a.Text))
	}
	all = append(all, l.configRows(s.Config)...)
	add(markOf(s.Clock != report.ClockUnset), l.t("clock"), clockTime(s.Time)+" "+l.word("clock", string(s.Clock)))
	add("", l.t("version"), s.Version+", "+s.Board)
	return all
}

func markOf(good bool) string {
	if good {
		return "ok"
	}
	return "fail"
}

func (l lang) streamRow(s Stream) Row {
	row := Row{"warn", l.t("look.stream") + " " + s.Name, l.word("stream", s.State)}
	found := l.found(s)
	switch {
	case s.State == "failed" || s.State == "silent" || found != "":
		row.Mark = "fail"
	case s.State == "playing":
		row.Mark = "ok"
	}
	if found != "" {
		row.Text += ": " + found
	}
	if s.Class != "" {
		row.Text += ": " + l.word("class", s.Class)
	}
	if s.FPS > 0 {
		row.Text += fmt.Sprintf(", %.0f fps, %d kbit/s", s.FPS, s.BitsPerS/1000)
	}
	return row
}

func (l lang) configRows(c ConfigState) (all []Row) {
	name := l.t("config")
	all = append(all, Row{"", name, l.t("config.from") + " " + l.word("from", c.From) + " " + c.File})
	if c.TrialMS > 0 {
		left := (time.Duration(c.TrialMS) * time.Millisecond).Truncate(time.Second)
		all = append(all, Row{"warn", name, strings.ReplaceAll(l.t("config.trial"), "{t}", left.String())})
	}
	if len(c.NeedsRestart) > 0 {
		all = append(all, Row{"warn", name, l.t("config.restart") + " " + strings.Join(c.NeedsRestart, ", ")})
	}
	if c.Outcome != "" {
		all = append(all, Row{"fail", name, l.t("config.undone") + " " + c.Outcome})
	}
	for _, w := range c.Wrong {
		all = append(all, Row{"fail", name, fmt.Sprintf("%s %s %d, %s %d: %s", l.t("config.wrong"), l.t("line"), w.Line, l.t("column"), w.Column, strings.TrimPrefix(w.Path+": "+w.Text, ": "))})
	}
	return all
}

// values are what the sensor measures, with units.
func (s Sensor) values() (all []string) {
	for _, v := range []struct {
		value *float64
		unit  string
	}{{s.TempC, "°C"}, {s.Humidity, "% RH"}, {s.Volts, "V"}} {
		if v.value != nil {
			all = append(all, fmt.Sprintf("%.1f %s", *v.value, v.unit))
		}
	}
	return all
}

// clockTime is a time for people, in the device's zone.
func clockTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
