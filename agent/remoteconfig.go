package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kentongan/agent/command"
	"kentongan/agent/config"
	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// A configuration that the centre ordered stands in the data directory and is read
// in the place of the file that the agent was started with, which is never
// written: the agent needs no right to, and to go back is to forget. When somebody
// changes that file by hand, that counts, and the ordered one is over.
//
// A new one is on trial until the centre was reached with it, for trialFor of
// uptime, which runs on a clock that nobody sets, in each boot anew, and for at
// most trialStarts starts. Everything is in one small file, so a power cut at any
// moment finds the trial, its end, or neither.

const (
	trialFor    = 5 * time.Minute
	trialStarts = 5
	trialLook   = time.Second

	orderedVersion = 1
	maxOrdered     = 1 << 20 // two of them, as JSON
	maxText        = 128 << 10
)

func orderedFile(data string) string { return filepath.Join(data, "config-order.json") }

// ordered is what the file holds.
type ordered struct {
	V       int      `json:"v"`
	Version uint64   `json:"version"` // the highest that was tried
	Now     *version `json:"now,omitempty"`
	Before  *version `json:"before,omitempty"` // what Now goes back to; nil is the file itself
	Trial   *trial   `json:"trial,omitempty"`
	Last    *verdict `json:"last,omitempty"`
}

// version is one configuration.
type version struct {
	Version uint64 `json:"version"`
	Text    string `json:"text"`
	Base    string `json:"base"`           // SHA-256 of the agent's own file then
	Here    bool   `json:"here,omitempty"` // it was applied on the device's own page
}

// trial is of Now.
type trial struct {
	ID     string        `json:"id"`
	Boot   string        `json:"boot"`
	Since  time.Duration `json:"since"` // uptime in that boot
	Starts int           `json:"starts"`
}

// verdict is what became of the newest trial.
type verdict struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

func loadOrdered(data string) (*ordered, error) {
	text, err := loadFile(orderedFile(data), maxOrdered)
	if err != nil || text == nil {
		return &ordered{V: orderedVersion}, err
	}
	o := &ordered{}
	if err := json.Unmarshal(text, o); err != nil {
		return &ordered{V: orderedVersion}, fmt.Errorf("read the configuration that was ordered: %w", err)
	}
	if o.V != orderedVersion {
		return &ordered{V: orderedVersion}, fmt.Errorf("read the configuration that was ordered: version %d, this program knows %d", o.V, orderedVersion)
	}
	return o, nil
}

func (o *ordered) save(data string) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode the configuration that was ordered: %w", err)
	}
	return saveFile(orderedFile(data), text)
}

// back ends a trial with what was before it.
func (o *ordered) back(why string) {
	o.Last = &verdict{o.Trial.ID, report.CommandFailed, why}
	o.Now, o.Before, o.Trial = o.Before, nil, nil
}

// Ordered returns the configuration that the centre ordered in the place of c, or
// c. It counts the starts of a trial, so it is for the start of an agent alone; see
// OrderedNow. An error is told, and c is right to go on with.
func Ordered(c *config.Config) (*config.Config, error) {
	o, err := loadOrdered(c.Data)
	if err != nil || o.Now == nil && o.Trial == nil {
		return c, err
	}
	if o.Now != nil && o.Now.Base != c.Version() {
		if o.Trial != nil {
			o.back("the device's own configuration was changed by hand meanwhile")
		}
		o.Now, o.Before = nil, nil
		return c, o.save(c.Data)
	}
	if o.Trial != nil {
		if o.Trial.Starts++; o.Trial.Starts > trialStarts {
			o.back(fmt.Sprintf("the agent was started %d times with it and did not reach the centre; the configuration of before is back", trialStarts))
		}
		if err := o.save(c.Data); err != nil {
			return c, err
		}
	}
	if o.Now == nil {
		return c, nil
	}
	now, err := config.Parse(c.File, []byte(o.Now.Text))
	if err != nil {
		// Another version of the program reads it differently.
		return c, fmt.Errorf("the configuration that the centre ordered is not valid for this version: %w", err)
	}
	return now, nil
}

// OrderedNow is what a running agent uses in the place of c, as the centre ordered it
// or somebody applied it on the device's page, or c; and the order's number, 0 for
// none. It changes nothing and counts no start: it is for whoever only looks.
func OrderedNow(c *config.Config) (*config.Config, uint64, error) {
	o, err := loadOrdered(c.Data)
	if err != nil || o.Now == nil || o.Now.Base != c.Version() {
		return c, 0, err
	}
	now, err := config.Parse(c.File, []byte(o.Now.Text))
	if err != nil {
		return c, 0, err
	}
	return now, o.Now.Version, nil
}

// orderedConfig is the configuration's part in the running agent. Its methods may
// be called from any goroutine.
type orderedConfig struct {
	agent   *Agent
	restart func()
	pulse   pulse.Pulse

	mu   sync.Mutex // guards the file, and what follows
	seen *ordered   // for state; not changed once it is here
	at   time.Time  // of the file, when it was seen
}

func newOrderedConfig(a *Agent) *orderedConfig {
	return &orderedConfig{agent: a, restart: a.restart, pulse: pulse.New()}
}

// Try implements command.Configurations.
func (p *orderedConfig) Try(id string, n uint64, text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg := p.agent.cfg
	o, err := loadOrdered(cfg.Data)
	if err != nil {
		return err
	}
	switch {
	case n <= o.Version:
		return command.BadArguments{Err: fmt.Errorf("version: %d, and %d was ordered already; it only rises", n, o.Version)}
	case o.Trial != nil:
		return errors.New("another configuration is on trial")
	}
	if err := p.judge(text); err != nil {
		return command.BadArguments{Err: err}
	}
	o.Version = n
	if err := p.tryLocked(o, id, version{Version: n, Text: string(text)}); err != nil {
		return err
	}
	p.restart()
	return nil
}

// judge says why a text can't be this device's configuration.
func (p *orderedConfig) judge(text []byte) error {
	cfg := p.agent.cfg
	c, err := config.Parse(cfg.File, text)
	if err == nil {
		err = c.CheckFiles()
	}
	switch {
	case err != nil:
		return err
	case len(text) > maxText:
		return fmt.Errorf("%d bytes, more than %d; write it into %s at the device", len(text), maxText, cfg.File)
	case c.Device != cfg.Device:
		return fmt.Errorf("device: %s, and this is %s; an enrolment changes it", c.Device, cfg.Device)
	case c.Data != cfg.Data:
		return fmt.Errorf("data: %s, and what the device keeps is in %s; change it at the device", c.Data, cfg.Data)
	case c.Uplink.CentreKey != cfg.Uplink.CentreKey:
		return errors.New("uplink.centre_key: another one than the device has; the order keys changes whom it believes")
	}
	return nil
}

// tryLocked puts a version on trial, which begins with a restart.
func (p *orderedConfig) tryLocked(o *ordered, id string, v version) error {
	file, err := os.ReadFile(p.agent.cfg.File)
	if err != nil {
		return err
	}
	v.Base = config.VersionOf(string(file))
	s := p.agent.clock.stamp()
	o.Before, o.Now = o.Now, &v
	o.Trial, o.Last = &trial{ID: id, Boot: s.Boot, Since: s.Uptime}, nil
	return o.save(p.agent.cfg.Data)
}

// onTrial tells whether a configuration is. One whose file can't be read is not.
func (p *orderedConfig) onTrial() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := loadOrdered(p.agent.cfg.Data)
	return err == nil && o.Trial != nil
}

// overrule ends what was ordered: the device's own file was changed by hand, and
// the agent runs with that.
func (p *orderedConfig) overrule() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	data := p.agent.cfg.Data
	o, err := loadOrdered(data)
	if err != nil || o.Now == nil && o.Trial == nil {
		return err
	}
	tried := o.Trial != nil
	if tried {
		o.back("the device's own configuration was changed by hand meanwhile")
	}
	o.Now, o.Before = nil, nil
	if err := o.save(data); err != nil {
		return err
	}
	if tried && o.Last.ID != "" {
		p.agent.orders.Finish(o.Last.ID, o.Last.State, o.Last.Detail)
	}
	return nil
}

// TryHere puts a text on trial that was applied on the device's own page; the
// caller starts the agent anew. The centre's versions count on as they were.
func (p *orderedConfig) TryHere(text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := loadOrdered(p.agent.cfg.Data)
	if err != nil {
		return err
	}
	if o.Trial != nil {
		return errors.New("another configuration is on trial")
	}
	if err := p.judge(text); err != nil {
		return err
	}
	return p.tryLocked(o, "", version{Text: string(text), Here: true})
}

// Keep ends the trial of a text that was applied here: whoever applied it sees that
// the device is as it should be, though the centre is not reached. One that the
// centre ordered is the centre's to keep.
func (p *orderedConfig) Keep() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := loadOrdered(p.agent.cfg.Data)
	if err != nil {
		return err
	}
	if o.Trial == nil || !o.Now.Here {
		return errors.New("no configuration that was applied here is on trial")
	}
	if !p.runs(o) {
		return errors.New("the agent is about to start with it; look at it first")
	}
	return p.takenLocked(o)
}

// runs tells whether this agent was started with what is on trial: another one, which
// is about to end, can't judge it.
func (p *orderedConfig) runs(o *ordered) bool {
	return o.Now != nil && p.agent.cfg.Version() == config.VersionOf(o.Now.Text)
}

// takenLocked ends a trial well.
func (p *orderedConfig) takenLocked(o *ordered) error {
	a := p.agent
	o.Last = &verdict{o.Trial.ID, report.CommandSucceeded, fmt.Sprintf("version %d", o.Now.Version)}
	o.Trial, o.Before = nil, nil
	if err := o.save(a.cfg.Data); err != nil {
		return err
	}
	a.o.Log.Info("configuration taken", "part", "config", "version", o.Now.Version, "here", o.Now.Here)
	if o.Last.ID != "" {
		a.orders.Finish(o.Last.ID, o.Last.State, o.Last.Detail)
	}
	return nil
}

// Tried implements command.Configurations.
func (p *orderedConfig) Tried(id string) (state, detail string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := loadOrdered(p.agent.cfg.Data)
	switch {
	case err != nil:
		return report.CommandFailed, err.Error(), true
	case o.Last != nil && o.Last.ID == id:
		return o.Last.State, o.Last.Detail, true
	case o.Trial != nil && o.Trial.ID == id:
		return "", "", false
	}
	return report.CommandFailed, "it was not tried before the agent was stopped", true
}

// Run watches a trial until it is over, then waits for ctx.
func (p *orderedConfig) Run(ctx context.Context) error {
	tick := time.NewTicker(trialLook)
	defer tick.Stop()
	over := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case beat := <-p.pulse:
			beat()
		case <-tick.C:
			var err error
			if over, err = p.look(); err != nil {
				p.agent.o.Log.Error("trial not judged", "part", "config", "err", err)
			}
			if over {
				tick.Stop() // until the next start
			}
		}
	}
}

// Pulses ask the loop.
func (p *orderedConfig) Pulses() []pulse.Named {
	return []pulse.Named{{Name: "config", Pulse: p.pulse}}
}

// look judges the trial; done says that there is none any more.
func (p *orderedConfig) look() (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.agent
	o, err := loadOrdered(a.cfg.Data)
	if err != nil || o.Trial == nil {
		return true, err
	}
	s := a.clock.stamp()
	switch {
	case a.reached.Load() && p.runs(o):
		err := p.takenLocked(o)
		return err == nil, err
	case o.Trial.Boot != s.Boot:
		o.Trial.Boot, o.Trial.Since = s.Boot, s.Uptime
		return false, o.save(a.cfg.Data)
	case s.Uptime-o.Trial.Since < trialFor:
		return false, nil
	}
	o.back(fmt.Sprintf("the centre was not reached within %v; the configuration of before is back", trialFor))
	if err := o.save(a.cfg.Data); err != nil {
		return false, err
	}
	a.o.Log.Warn("configuration undone", "part", "config", "why", o.Last.Detail)
	p.restart()
	return true, nil
}

// state is what the file holds, read again only when it has changed: an open page
// asks each second.
func (p *orderedConfig) state() (*ordered, error) {
	info, err := os.Stat(orderedFile(p.agent.cfg.Data))
	if err != nil {
		return &ordered{}, nil // nothing was ordered yet
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if seen := info.ModTime(); p.seen == nil || !seen.Equal(p.at) {
		if p.seen, err = loadOrdered(p.agent.cfg.Data); err != nil {
			p.seen = nil
			return nil, err
		}
		p.at = seen
	}
	return p.seen, nil
}
