package agent

import (
	"encoding/json"

	"kentongan/agent/alarm"
	"kentongan/agent/appcheck"
	"kentongan/agent/config"
	"kentongan/agent/report"
)

// appConfig is an application of the configuration as appcheck wants it.
func (a *Agent) appConfig(c config.App) appcheck.Config {
	return appcheck.Config{
		Name: c.Name, URL: c.URL, Label: report.Text{ID: c.Label.ID, EN: c.Label.EN},
		Every: c.Every, Timeout: c.Timeout, SlowAfter: c.SlowAfter,
		ExpectStatus: c.ExpectStatus, ExpectText: c.ExpectText,
		CA: c.CA, ExpiryDays: int(c.ExpiryDays), Family: c.Family,
		Redirects: int(c.Redirects), Confirm: int(c.Confirm),
		UserAgent: "kentongan/" + a.o.Version + " (application check)",
		Floor:     released,
	}
}

// makeApp makes a part of an application. When one seems to be out of reach, all
// are asked: a network that is down takes them together, and is one alarm only
// when they are seen to fail together.
func (a *Agent) makeApp(c config.App) func() (*unit, error) {
	return func() (*unit, error) {
		cfg := a.appConfig(c)
		cfg.OnDoubt = a.hurryApps
		check, err := appcheck.New(cfg, a.o.Log, a.journal)
		if err != nil {
			return nil, err
		}
		return &unit{beats: []beating{check}, parts: []part{{"app " + c.Name, check.Run}}}, nil
	}
}

func (a *Agent) tryApp(c config.App) func() error {
	return func() error {
		_, err := appcheck.New(a.appConfig(c), a.o.Log, a.journal)
		return err
	}
}

func (a *Agent) hurryApps() {
	for _, u := range a.crew.all() {
		for _, b := range u.beats {
			if check, ok := b.(*appcheck.Check); ok {
				check.Hurry()
			}
		}
	}
}

func appNames(apps []config.App) (names []string) {
	for _, c := range apps {
		names = append(names, c.Name)
	}
	return names
}

// AppChanged implements appcheck.Output. The state is announced once the event
// is on the disk.
func (j *journal) AppChanged(s report.AppState) {
	payload, err := json.Marshal(s)
	if err != nil {
		j.log.Error("state not encoded", "app", s.Name, "err", err)
		return
	}
	j.send(entry{lane: report.Event, kind: report.KindApp, body: s, topic: j.topics.AppState(s.Name), payload: payload})
}

// AppMeasured implements appcheck.Output.
func (j *journal) AppMeasured(s report.AppStats) {
	j.add(report.Telemetry, report.KindAppStats, s)
}

// AppFound implements appcheck.Output.
func (j *journal) AppFound(name string, f appcheck.Finding) {
	if j.alarms == nil {
		return
	}
	j.alarms.Found(alarm.Finding{
		Source: "app/" + name, Condition: f.Condition, Present: f.Present,
		Confidence: 1, Cause: f.Cause, Detail: f.Detail,
	})
}
