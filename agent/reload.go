package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// ConfigStatus is how the configuration of a running agent is.
type ConfigStatus struct {
	File    string    `json:"file"`
	Version string    `json:"version"` // of what counts: SHA-256 of its text, hex
	Since   time.Time `json:"since"`   // it counts

	NeedsRestart []string `json:"needs_restart,omitempty"` // values that count after the next start
	By           string   `json:"by,omitempty"`            // who starts the agent again, and how

	RefusedAt *time.Time `json:"refused_at,omitempty"` // the file on the disk is not what counts
	Problems  []Problem  `json:"problems,omitempty"`   // why
}

// Problem is one thing that is wrong with the file on the disk.
type Problem struct {
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
}

// OneLine is what a technician has to know, "" for nothing.
func (s ConfigStatus) OneLine() string {
	switch {
	case s.RefusedAt != nil && len(s.Problems) > 0:
		p := s.Problems[0]
		return fmt.Sprintf("configuration not taken: line %d: %s %s", p.Line, p.Path, p.Text)
	case len(s.NeedsRestart) > 0:
		return "needs a restart: " + strings.Join(s.NeedsRestart, ", ")
	}
	return ""
}

// byWhom says how an agent is started again.
const byWhom = "nobody by itself: `sudo kentongan restart` on the device, or the order restart from the centre"

// fixed are the values that a running agent can't change: the parts that stand on
// them hold the disk, the board, or whom the device believes.
var fixed = []string{"device", "data", "spool", "board", "watchdog", "update", "uplink.acknowledge", "uplink.centre_key"}

// reloading takes changed configurations. Its loop owns what is applied.
type reloading struct {
	agent *Agent
	pulse pulse.Pulse

	refused string // version of what was refused last

	mu     sync.Mutex // guards what follows
	status ConfigStatus
	wanted []string // files of the secrets of a configuration that a part refused
}

func newReloading(a *Agent) *reloading {
	c := a.current()
	return &reloading{agent: a, pulse: pulse.New(), status: ConfigStatus{File: c.File, Version: c.Version(), Since: time.Now().UTC().Truncate(time.Second)}}
}

// ConfigStatus may be called from any goroutine.
func (a *Agent) ConfigStatus() ConfigStatus {
	if a.reload == nil {
		return ConfigStatus{}
	}
	a.reload.mu.Lock()
	defer a.reload.mu.Unlock()
	return a.reload.status
}

func (r *reloading) set(change func(*ConfigStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// Pulses ask the loop.
func (r *reloading) Pulses() []pulse.Named {
	return []pulse.Named{{Name: "configuration", Pulse: r.pulse}}
}

// run watches the file until ctx ends.
func (r *reloading) run(ctx context.Context) error {
	a := r.agent
	file := a.cfg.File
	w := config.Watch{
		File: file, From: a.baseVersion(), More: r.secretFiles,
		Again: a.o.Reload, Retry: func() bool { return a.ConfigStatus().RefusedAt != nil }, Looks: a.o.Bench.Looks, Log: a.o.Log.With("part", "config"),
	}
	a.saveRunning()
	seen, stop := w.Watching(ctx)
	defer func() { r.pulse.While(unitLimit, stop) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case beat := <-r.pulse:
			beat()
		case s := <-seen:
			var err error
			r.pulse.While(unitLimit, func() {
				err = r.take(ctx, s)
				a.saveRunning()
				w.Follow()
			})
			if err != nil {
				return err
			}
		}
	}
}

// secretFiles are those whose change counts: of what runs, and of what was refused.
func (r *reloading) secretFiles() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(r.agent.current().SecretFiles(), r.wanted...)
	slices.Sort(all)
	return slices.Compact(all)
}

// baseVersion is the version of the file that the agent's configuration came from,
// or that one of the centre took the place of.
func (a *Agent) baseVersion() string {
	if o, err := loadOrdered(a.cfg.Data); err == nil && o.Now != nil && o.Now.Text != "" && a.cfg.Version() == config.VersionOf(o.Now.Text) {
		return o.Now.Base
	}
	return a.cfg.Version()
}

// take brings the agent to what the file says, or tells why not. An error is one
// that the agent can't go on with.
func (r *reloading) take(ctx context.Context, s config.Seen) error {
	a := r.agent
	if s.Err != nil {
		r.refuse("", s.Err)
		return nil
	}
	c, err := config.Parse(a.cfg.File, s.Text)
	if err == nil {
		err = CheckLanguages(c)
	}
	if err != nil {
		r.refuse(s.Version, err)
		return nil
	}
	return a.apply(ctx, c)
}

// refuse tells that what the file says is not taken.
func (r *reloading) refuse(version string, why error) {
	a := r.agent
	now := time.Now().UTC().Truncate(time.Second)
	e := report.Config{State: report.ConfigRefused, Version: version}
	var problems []Problem
	all, ok := errors.AsType[config.Problems](why)
	if !ok {
		all = config.Problems{{Text: why.Error()}}
	}
	for _, p := range all {
		problems = append(problems, Problem{p.Line, p.Column, p.Path, p.Text})
	}
	if was := a.ConfigStatus(); was.RefusedAt != nil && slices.Equal(was.Problems, problems) && r.refused == version {
		return // it was tried again, and all is as before
	}
	r.refused = version
	for _, p := range all {
		a.o.Log.Error("configuration not taken", "part", "config", "file", a.cfg.File, "line", p.Line, "column", p.Column, "value", p.Path, "detail", p.Text)
	}
	first := all[0]
	e.Line, e.Column, e.Path, e.Detail, e.Problems = first.Line, first.Column, report.Clip(first.Path, maxConfigText), report.Clip(first.Text, maxConfigText), len(all)
	r.set(func(s *ConfigStatus) { s.RefusedAt, s.Problems = &now, problems })
	a.journal.add(report.Event, report.KindConfig, e)
}

// refusePart tells that a part can't be made as c says. The files of its secrets are
// watched from now on: what is missing may come.
func (r *reloading) refusePart(c *config.Config, why error) {
	r.mu.Lock()
	r.wanted = c.SecretFiles()
	r.mu.Unlock()
	r.refuse(c.Version(), why)
}

// maxConfigText bounds texts of a record, in bytes.
const maxConfigText = 400

// uplinkValues are those of a running uplink that can change.
var uplinkValues = []string{"uplink.brokers", "uplink.tpm", "uplink.keepalive", "uplink.bytes_per_second", "uplink.megabytes_per_day"}

// keeping is c with what a running agent can't change as it started.
func (a *Agent) keeping(c *config.Config) *config.Config {
	live := *c
	live.Device, live.Data, live.Spool, live.Board = a.cfg.Device, a.cfg.Data, a.cfg.Spool, a.cfg.Board
	live.Watchdog, live.Update = a.cfg.Watchdog, a.cfg.Update
	live.Uplink.Acknowledge, live.Uplink.CentreKey = a.cfg.Uplink.Acknowledge, a.cfg.Uplink.CentreKey
	if (len(a.cfg.Kiosk.Buttons) == 0) != (len(c.Kiosk.Buttons) == 0) {
		live.Kiosk = a.cfg.Kiosk
	}
	return &live
}

// restartFor are the changed values that count after the next start only.
func restartFor(start, c *config.Config, changes []config.Change) (all []string) {
	for _, ch := range changes {
		if slices.ContainsFunc(fixed, func(at string) bool { return config.Below(ch.Path, at) }) {
			all = append(all, ch.Path)
		}
	}
	if (len(start.Kiosk.Buttons) == 0) != (len(c.Kiosk.Buttons) == 0) {
		// A kiosk that comes or goes is another kind of device to the centre.
		all = append(all, "kiosk")
	}
	return all
}

// forgetStates takes the retained states of what is not watched any more away.
func (a *Agent) forgetStates(old, now *config.Config) {
	streams, apps := now.WatchedStreams(), appNames(now.Apps)
	for _, name := range old.WatchedStreams() {
		if !slices.Contains(streams, name) {
			a.journal.forget(a.journal.topics.StreamState(name))
		}
	}
	for _, name := range appNames(old.Apps) {
		if !slices.Contains(apps, name) {
			a.journal.forget(a.journal.topics.AppState(name))
		}
	}
}

// overruleOrdered ends a configuration of the centre: somebody has changed the
// file, and that counts, as it would at the next start.
func (a *Agent) overruleOrdered() {
	if a.ordered == nil {
		return
	}
	if err := a.ordered.overrule(); err != nil {
		a.o.Log.Error("ordered configuration not ended", "part", "config", "err", err)
	}
}

// tellApplied says what has changed.
func (a *Agent) tellApplied(old, c *config.Config, pending, ends []string, begins []planned) {
	for _, w := range c.Warnings() {
		a.o.Log.Warn("configuration doubtful", "part", "config", "line", w.Line, "value", w.Path, "detail", w.Text)
	}
	if missing, ok := errors.AsType[config.Problems](c.CheckFiles()); ok {
		for _, p := range missing { // what needs them says so, too, as at a start
			a.o.Log.Error("configured file not usable", "part", "config", "line", p.Line, "value", p.Path, "detail", p.Text)
		}
	}
	a.reload.mu.Lock()
	a.reload.wanted = nil // what was refused is not wanted any more
	a.reload.mu.Unlock()
	e := report.Config{State: report.ConfigApplied, Version: c.Version(), NeedsRestart: pending}
	for _, ch := range config.Diff(old, c) {
		e.Changed = append(e.Changed, ch.Path)
	}
	e.More = max(0, len(e.Changed)-report.MaxConfigChanged)
	e.Changed = e.Changed[:len(e.Changed)-e.More]
	e.NeedsRestart = e.NeedsRestart[:min(len(e.NeedsRestart), report.MaxConfigChanged)]
	if e.Changed == nil && ends == nil && begins == nil && a.ConfigStatus().RefusedAt == nil {
		a.reload.set(func(s *ConfigStatus) { s.Version = c.Version() }) // comments
		return
	}
	var begun []string
	for _, p := range begins {
		begun = append(begun, p.name)
	}
	a.reload.set(func(s *ConfigStatus) {
		*s = ConfigStatus{File: s.File, Version: c.Version(), Since: time.Now().UTC().Truncate(time.Second), NeedsRestart: pending}
		if len(pending) > 0 {
			s.By = byWhom
		}
	})
	a.o.Log.Info("configuration taken", "part", "config", "file", filepath.Base(a.cfg.File), "changed", e.Changed, "ended", ends, "begun", begun)
	if len(pending) > 0 {
		a.o.Log.Warn("configuration needs a restart", "part", "config", "values", pending, "by", byWhom)
	}
	a.journal.add(report.Event, report.KindConfig, e)
}
