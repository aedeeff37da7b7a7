package agent

import (
	"errors"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/statuspage"
)

// The configuration on the page: shown without its secrets, checked, and put on
// trial as the centre's order does it.

// ConfigText implements statuspage.Device.
func (o onPage) ConfigText() (text, base string, err error) {
	c := o.agent.current()
	shown, err := config.Hide([]byte(c.Text()))
	if err != nil { // its secrets can't be told from the rest
		shown = []byte(c.String())
	}
	return string(shown), c.Version(), nil
}

// CheckConfig implements statuspage.Device.
func (o onPage) CheckConfig(text, base string) ([]statuspage.Problem, error) {
	_, problems, err := o.judge(text, base)
	return problems, err
}

// judge returns the text with its secrets, or what is wrong with it.
func (o onPage) judge(text, base string) ([]byte, []statuspage.Problem, error) {
	c := o.agent.current()
	if c.Version() != base {
		return nil, nil, statuspage.ErrChanged
	}
	// What was sent is checked first: its places are those that are seen there.
	if _, err := config.Parse(o.agent.cfg.File, []byte(text)); err != nil {
		return nil, problemsOf(err), nil
	}
	whole, err := config.Show([]byte(text), []byte(c.Text()))
	if err == nil {
		err = o.agent.ordered.judge(whole)
	}
	return whole, problemsOf(err), nil
}

func problemsOf(err error) (all []statuspage.Problem) {
	if err == nil {
		return nil
	}
	ps, ok := errors.AsType[config.Problems](err)
	if !ok {
		return []statuspage.Problem{{Text: err.Error()}}
	}
	for _, p := range ps {
		all = append(all, statuspage.Problem{Line: p.Line, Column: p.Column, Path: p.Path, Text: p.Text})
	}
	return all
}

// ApplyConfig implements statuspage.Device.
func (o onPage) ApplyConfig(text, base string) ([]statuspage.Problem, error) {
	whole, problems, err := o.judge(text, base)
	if err != nil || len(problems) > 0 {
		return problems, err
	}
	return nil, o.agent.ordered.TryHere(whole)
}

// StartAnew implements statuspage.Device.
func (o onPage) StartAnew() { o.agent.restart() }

// KeepConfig implements statuspage.Device.
func (o onPage) KeepConfig() error { return o.agent.ordered.Keep() }

// configState says which configuration is used, and what is wrong with a file that
// is not.
func (o onPage) configState() statuspage.ConfigState {
	a := o.agent
	now := a.ConfigStatus()
	st := statuspage.ConfigState{File: now.File, From: "file", NeedsRestart: now.NeedsRestart}
	for _, p := range now.Problems {
		st.Wrong = append(st.Wrong, statuspage.Problem(p))
	}
	f, err := a.ordered.state()
	if err != nil {
		st.Outcome = err.Error()
		return st
	}
	if a.ordered.runs(f) {
		if st.From = "centre"; f.Now.Here {
			st.From = "page"
		}
	}
	if f.Trial != nil && a.ordered.runs(f) {
		now := a.clock.stamp()
		if left := trialFor - (now.Uptime - f.Trial.Since); f.Trial.Boot == now.Boot && left > 0 {
			st.TrialMS = left.Milliseconds()
		}
	}
	if f.Last != nil && f.Last.State == report.CommandFailed {
		st.Outcome = f.Last.Detail
	}
	return st
}
