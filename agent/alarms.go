package agent

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
)

// How findings become alarms, and alarms records.

// maxAlarmsFile is the most that is read of what was saved.
const maxAlarmsFile = 4 << 20

// newAlarms makes the engine for what the configuration has. apps are the names
// of the applications that are looked at.
func (a *Agent) newAlarms(apps []string) *alarm.Engine {
	file := filepath.Join(a.cfg.Data, "alarms.json")
	saved, err := loadFile(file, maxAlarmsFile)
	if err != nil {
		a.o.Log.Warn("saved alarms not read", "part", "alarm", "err", err)
	}
	c := alarm.Config{
		Groups: alarmGroups(a.cfg), Saved: saved,
		Save: func(text []byte) error { return saveFile(file, text) },
	}
	for _, s := range a.cfg.Streams {
		c.Sources = append(c.Sources, "stream/"+s.Name)
	}
	g := alarm.Group{Name: "apps", Kind: alarm.GroupApps, Auto: true}
	for _, name := range apps {
		g.Members = append(g.Members, "app/"+name)
	}
	c.Sources = append(c.Sources, g.Members...)
	if len(apps) > 1 {
		c.Groups = append(c.Groups, g)
	}
	return alarm.New(c, a.journal, a.o.Log)
}

// alarmGroups is the declared groups, then one for each address of two or more
// streams.
func alarmGroups(c *config.Config) (groups []alarm.Group) {
	for _, g := range c.Groups {
		ag := alarm.Group{Name: g.Name, Kind: g.Kind, Label: g.Label}
		for _, s := range c.Streams {
			if s.Group == g.Name {
				ag.Members = append(ag.Members, "stream/"+s.Name)
			}
		}
		groups = append(groups, ag)
	}
	behind, order := map[string][]string{}, []string{}
	for _, s := range c.Streams {
		u, err := url.Parse(s.URL)
		if err != nil || u.Hostname() == "" {
			continue // Load refuses it
		}
		host := strings.ToLower(u.Hostname())
		if behind[host] == nil {
			order = append(order, host)
		}
		behind[host] = append(behind[host], "stream/"+s.Name)
	}
	taken := map[string]bool{}
	for _, host := range order {
		if members := behind[host]; len(members) > 1 {
			groups = append(groups, alarm.Group{Name: addressName(host, taken), Kind: alarm.GroupAddress, Label: host, Members: members, Auto: true})
		}
	}
	return groups
}

// addressName makes a name out of a host, as address-10-0-0-1.
func addressName(host string, taken map[string]bool) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host)
	name := strings.Trim("address-"+clean[max(0, len(clean)-30):], "-")
	for taken[name] {
		name += "x"
	}
	taken[name] = true
	return name
}

// StreamFound implements stream.Output.
func (j *journal) StreamFound(name string, f stream.Finding) {
	if j.alarms == nil {
		return
	}
	j.alarms.Found(alarm.Finding{
		Source: "stream/" + name, Condition: f.Condition, Present: f.Present,
		Confidence: f.Confidence, Cause: f.Cause, Detail: f.Detail,
	})
}

// causeOf is who has to act, as far as the class of a failure tells.
var causeOf = map[string]string{
	stream.ClassAuth: stream.CauseCredentials, stream.ClassTLS: stream.CauseCredentials,
	stream.ClassDNS: stream.CauseNetwork, stream.ClassUnreachable: stream.CauseNetwork,
	stream.ClassNotFound: stream.CauseCamera, stream.ClassCodec: stream.CauseCamera, stream.ClassNoMedia: stream.CauseCamera,
	stream.ClassProtocol: stream.CauseCamera, stream.ClassClosed: stream.CauseCamera, stream.ClassRefused: stream.CauseCamera,
}

// foundByState makes findings of a stream's states. A camera that fell silent
// and then can't be reached any more is both until it plays.
func (j *journal) foundByState(s report.StreamState) {
	detail := s.Class
	if s.Detail != "" {
		detail = strings.TrimPrefix(s.Class+": "+s.Detail, ": ")
	}
	f := stream.Finding{Present: true, Confidence: 1, Cause: causeOf[s.Class], Detail: detail}
	switch s.State {
	case stream.StateFailed:
		f.Condition = stream.CondDown
	case stream.StateSilent:
		f.Condition = stream.CondSilent
	case stream.StatePlaying:
		for _, c := range []string{stream.CondDown, stream.CondSilent} {
			j.StreamFound(s.Name, stream.Finding{Condition: c, Confidence: 1})
		}
		return
	default:
		return
	}
	j.StreamFound(s.Name, f)
}

// AlarmChanged implements alarm.Output.
func (j *journal) AlarmChanged(a report.Alarm) {
	j.send(entry{lane: report.Event, kind: report.KindAlarm, body: a, kept: func() { j.alarms.Kept(a.ID, a.N) }})
}

// AlarmsNow implements alarm.Output.
func (j *journal) AlarmsNow(s report.AlarmSet) {
	payload, err := json.Marshal(s)
	if err != nil {
		j.log.Error("alarms not encoded", "err", err)
		return
	}
	j.states.SetState(j.topics.Alarms(), payload)
}
