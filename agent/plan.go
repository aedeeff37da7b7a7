package agent

import (
	"fmt"
	"slices"

	"kentongan/agent/config"
)

// plan is the units that a configuration wants, in the order in which they
// begin. The key of a unit is the digest of the values that make it.
func (a *Agent) plan(c *config.Config) []planned {
	plan := []planned{{name: "stats", key: c.Digest("stats_every"), make: a.makeStats(c)}}
	if a.recordKey != "" {
		plan = append(plan, planned{name: "checkpoint", key: c.Digest("checkpoints"), make: a.makeCheckpoints(c)})
	}
	if len(c.Kiosk.Buttons) > 0 {
		plan = append(plan, planned{name: "kiosk", key: c.Digest("kiosk"), listens: c.Kiosk.Screen.Listen, try: a.tryKiosk(c), make: a.makeKiosk(c)})
	}
	if len(c.Sensors)+len(c.Lines) > 0 {
		plan = append(plan, planned{name: "sensors", key: c.Digest("sensors", "lines"), try: a.trySensors(c), make: a.makeSensors(c)})
	}
	if len(c.Streams) > 0 {
		plan = append(plan, planned{name: "pictures", key: c.Digest("pictures.ffmpeg"), try: tryEye(c), make: a.makeEye(c)})
	}
	if c.Metrics.Listen != "" {
		plan = append(plan, planned{name: "metrics", key: c.Digest("metrics"), listens: c.Metrics.Listen, make: a.makeMetrics(c)})
	}
	for i, s := range c.Streams {
		plan = append(plan, planned{
			name: "stream " + s.Name, key: c.Digest("streams["+s.Name+"]", "pictures", "stats_every"), at: fmt.Sprintf("streams[%d]", i), try: tryStream(c, i), make: a.makeStream(c, s),
		})
	}
	for i, app := range c.Apps {
		plan = append(plan, planned{name: "app " + app.Name, key: c.Digest("apps[" + app.Name + "]"), at: fmt.Sprintf("apps[%d]", i), try: a.tryApp(app), make: a.makeApp(app)})
	}
	if c.Page.Listen != "" {
		plan = append(plan, planned{name: "page", key: c.Digest("page.listen"), listens: c.Page.Listen, make: a.makePage(c)})
	}
	return plan
}

// makeUnits makes the units of the configuration that the agent starts with.
func (a *Agent) makeUnits() (all []*unit, err error) {
	for _, p := range a.plan(a.current()) {
		u, err := p.make()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		u.name, u.key = p.name, p.key
		all = append(all, u)
	}
	return all, nil
}

// sourcesOf are the sources of alarms whose units begin anew.
func sourcesOf(c *config.Config, begins []planned) (all []string) {
	begun := func(name string) bool {
		return slices.ContainsFunc(begins, func(p planned) bool { return p.name == name })
	}
	for _, s := range c.Streams {
		if begun("stream " + s.Name) {
			all = append(all, alarmSources(s)...)
		}
	}
	for _, app := range c.Apps {
		if begun("app " + app.Name) {
			all = append(all, "app/"+app.Name)
		}
	}
	if begun("sensors") {
		all = append(all, sensorSources(c)...)
	}
	if begun("kiosk") {
		all = append(all, kioskSources(c)...)
	}
	return all
}
