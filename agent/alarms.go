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

// newAlarms makes the engine for what the configuration has.
func (a *Agent) newAlarms(c *config.Config) *alarm.Engine {
	file := filepath.Join(a.cfg.Data, "alarms.json")
	saved, err := loadFile(file, maxAlarmsFile)
	if err != nil {
		a.o.Log.Warn("saved alarms not read", "part", "alarm", "err", err)
	}
	sources, groups := alarmsOf(c)
	return alarm.New(alarm.Config{
		Sources: sources, Groups: groups, Saved: saved,
		Save: func(text []byte) error { return saveFile(file, text) },
	}, a.journal, a.o.Log)
}

// alarmsOf is what can be found about what the configuration has.
func alarmsOf(c *config.Config) (sources []string, groups []alarm.Group) {
	groups = alarmGroups(c)
	for _, name := range c.WatchedStreams() {
		sources = append(sources, "stream/"+name)
	}
	sources = append(sources, sensorSources(c)...)
	sources = append(sources, kioskSources(c)...)
	sources = append(sources, updateSources(c)...)
	g := alarm.Group{Name: "apps", Kind: alarm.GroupApps, Auto: true}
	for _, name := range appNames(c.Apps) {
		g.Members = append(g.Members, "app/"+name)
	}
	sources = append(sources, g.Members...)
	if len(g.Members) > 1 {
		groups = append(groups, g)
	}
	return sources, groups
}

// alarmGroups is the declared groups, then one for each address of two or more
// streams.
func alarmGroups(c *config.Config) (groups []alarm.Group) {
	for _, g := range c.Groups {
		ag := alarm.Group{Name: g.Name, Kind: g.Kind, Label: g.Label}
		for _, s := range c.Streams {
			if s.Group == g.Name {
				ag.Members = append(ag.Members, alarmSources(s)...)
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
		behind[host] = append(behind[host], alarmSources(s)...)
	}
	taken := map[string]bool{}
	for _, host := range order {
		if members := behind[host]; len(members) > 1 {
			groups = append(groups, alarm.Group{Name: addressName(host, taken), Kind: alarm.GroupAddress, Label: host, Members: members, Auto: true})
		}
	}
	return groups
}

// alarmSources are the sources of one camera.
func alarmSources(s config.Stream) (all []string) {
	for _, name := range s.Watched() {
		all = append(all, "stream/"+name)
	}
	return all
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
