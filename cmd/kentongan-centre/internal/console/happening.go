package console

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// happening says in words what an event of a device means.
func happening(lang string, h store.Happening) string {
	body := h.Record.Body
	switch h.Kind {
	case report.KindBoot:
		var b report.Boot
		if json.Unmarshal(body, &b) == nil {
			return bootText(lang, b)
		}
	case report.KindGap:
		var g report.Gap
		if json.Unmarshal(body, &g) == nil {
			return join(say(lang, "kind.gap"), sayAfter(lang, "lane", string(g.Lane))+" "+rangeText(lang, g.From, g.To), sayAfter(lang, "gap", g.Reason))
		}
	case report.KindDamage:
		var d report.Damage
		if json.Unmarshal(body, &d) == nil {
			return join(say(lang, "kind.damage"), sayAfter(lang, "lane", string(d.Lane)), d.Detail)
		}
	case report.KindDisk:
		var d report.DiskRefusal
		if json.Unmarshal(body, &d) == nil {
			return diskText(lang, d)
		}
	case report.KindEpoch:
		var n report.NewEpoch
		if json.Unmarshal(body, &n) == nil {
			return join(say(lang, "kind.epoch"), n.Was.String()+" → "+n.Epoch.String())
		}
	case report.KindClock:
		var s report.ClockSet
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.clock"), sayAfter(lang, "clock", string(s.Clock)), stepText(lang, s.StepMS))
		}
	case report.KindStream:
		var s report.StreamState
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.stream")+" "+s.Name, sayAfter(lang, "state", s.State), classText(lang, s.Class))
		}
	case report.KindLine:
		var s report.LineState
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.line")+" "+s.Line, sayAfter(lang, "state", s.State), s.Detail)
		}
	case report.KindInput:
		var s report.InputState
		if json.Unmarshal(body, &s) == nil {
			return inputText(lang, s)
		}
	case report.KindAlarm:
		var a report.Alarm
		if json.Unmarshal(body, &a) == nil {
			return join(say(lang, "kind.alarm")+": "+sayAfter(lang, "astate", a.State), pick(lang, a.Text), a.Source)
		}
	case report.KindCommand:
		var r report.CommandResult
		if json.Unmarshal(body, &r) == nil {
			return orderText(lang, r)
		}
	case report.KindSnapshot:
		var s report.Snapshot
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.snapshot"), s.Stream, s.Who, s.Reason)
		}
	case report.KindRecovery:
		var r report.Recovery
		if json.Unmarshal(body, &r) == nil {
			return recoveryText(lang, r)
		}
	case report.KindWatchdog:
		var s report.WatchdogState
		if json.Unmarshal(body, &s) == nil {
			return watchdogText(lang, s)
		}
	case report.KindApp:
		var s report.AppState
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.app")+" "+s.Name, sayAfter(lang, "state", s.State), appClassText(lang, s.Class))
		}
	case report.KindSelfTest, report.KindPrinter, report.KindCancel:
		if s := kioskText(lang, h.Kind, body); s != "" {
			return s
		}
	case report.KindUpdate:
		var u report.Update
		if json.Unmarshal(body, &u) == nil {
			return updateText(lang, u)
		}
	case report.KindConfig:
		var c report.Config
		if json.Unmarshal(body, &c) == nil {
			return configText(lang, c)
		}
	case report.KindUplink:
		var s report.UplinkState
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.uplink"), sayAfter(lang, "uplink", s.State), s.Reason)
		}
	}
	return sayAfter(lang, "kind", h.Kind)
}

// configText says what became of a configuration that was changed on a device.
func configText(lang string, c report.Config) string {
	text := join(say(lang, "kind.config"), sayAfter(lang, "cstate", c.State))
	if c.State == report.ConfigRefused {
		where := ""
		if c.Line > 0 {
			where = say(lang, "cstate.line") + " " + strconv.Itoa(c.Line)
		}
		return join(text, where, c.Path, c.Detail)
	}
	text = join(text, strings.Join(c.Changed, ", "))
	if len(c.NeedsRestart) > 0 {
		text = join(text, say(lang, "cstate.restart")+": "+strings.Join(c.NeedsRestart, ", "))
	}
	return text
}

// orderText says what became of an order, or that a stranger sent one.
func orderText(lang string, r report.CommandResult) string {
	if r.ID == "" {
		return join(say(lang, "kind.stranger"), sayAfter(lang, "oreason", r.Reason))
	}
	why := ""
	if r.Reason != "" {
		why = sayAfter(lang, "oreason", r.Reason)
	}
	return join(say(lang, "kind.command"), sayAfter(lang, "order", r.Name), sayAfter(lang, "ostate", r.State), why)
}

func bootText(lang string, b report.Boot) string {
	key := "kind.boot"
	if !b.Clean {
		key = "kind.boot.unclean"
	}
	return join(say(lang, key), b.Version, b.Arch)
}

func diskText(lang string, d report.DiskRefusal) string {
	key := "kind.disk"
	if d.Over {
		key = "kind.disk.over"
	}
	lost := ""
	if d.From > 0 {
		lost = rangeText(lang, d.From, d.To)
	}
	return join(say(lang, key), sayAfter(lang, "lane", d.Place)+" "+lost, d.Error)
}

func stepText(lang string, ms int64) string {
	const year = 365 * 24 * 3600 * 1000
	if ms < -year || ms > year {
		return "" // from 1970: it was not set before
	}
	d := time.Duration(ms) * time.Millisecond
	if d.Abs() < time.Second {
		return ""
	}
	sign := "+"
	if d < 0 {
		sign = "−"
	}
	return sign + span(lang, d.Abs())
}

func classText(lang, class string) string {
	if class == "" {
		return ""
	}
	return sayAfter(lang, "class", class)
}

// join puts a middle dot between the parts that say something.
func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " · ")
}
