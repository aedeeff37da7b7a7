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

// buildApps makes a part of each application. When one seems to be out of
// reach, all are asked: a network that is down takes them together, and is one
// alarm only when they are seen to fail together.
func (a *Agent) buildApps() error {
	var checks []*appcheck.Check
	for _, c := range a.cfg.Apps {
		cfg := a.appConfig(c)
		cfg.OnDoubt = func() {
			for _, other := range checks {
				other.Hurry()
			}
		}
		check, err := appcheck.New(cfg, a.o.Log, a.journal)
		if err != nil {
			return err
		}
		checks = append(checks, check)
		a.beating = append(a.beating, check)
		a.parts = append(a.parts, part{"app " + c.Name, check.Run})
	}
	return nil
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
