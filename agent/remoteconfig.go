package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	maxOrdered     = 128 << 10
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
	Base    string `json:"base"` // SHA-256 of the agent's own file then
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

func sumOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Ordered returns the configuration that the centre ordered in the place of c, or
// c. It counts the starts of a trial. An error is told, and c is right to go on
// with.
func Ordered(c *config.Config) (*config.Config, error) {
	o, err := loadOrdered(c.Data)
	if err != nil || o.Now == nil && o.Trial == nil {
		return c, err
	}
	base, err := sumOf(c.File)
	if err != nil {
		return c, err
	}
	if o.Now != nil && o.Now.Base != base {
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

// orderedConfig is the configuration's part in the running agent. Its methods may
// be called from any goroutine.
type orderedConfig struct {
	agent   *Agent
	restart func()
	pulse   pulse.Pulse

	mu sync.Mutex // guards the file
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
	bad := func(format string, args ...any) error {
		return command.BadArguments{Err: fmt.Errorf(format, args...)}
	}
	switch {
	case n <= o.Version:
		return bad("version: %d, and %d was ordered already; it only rises", n, o.Version)
	case o.Trial != nil:
		return errors.New("another configuration is on trial")
	}
	c, err := config.Parse(cfg.File, text)
	if err == nil {
		err = c.CheckFiles()
	}
	switch {
	case err != nil:
		return command.BadArguments{Err: err}
	case c.Device != cfg.Device:
		return bad("device: %s, and this is %s; an enrolment changes it", c.Device, cfg.Device)
	case c.Data != cfg.Data:
		return bad("data: %s, and what the device keeps is in %s; change it at the device", c.Data, cfg.Data)
	case c.Uplink.CentreKey != cfg.Uplink.CentreKey:
		return bad("uplink.centre_key: another one than the device has; the order keys changes whom it believes")
	}
	base, err := sumOf(cfg.File)
	if err != nil {
		return err
	}
	s := p.agent.clock.stamp()
	o.Before, o.Now, o.Version = o.Now, &version{n, string(text), base}, n
	o.Trial, o.Last = &trial{ID: id, Boot: s.Boot, Since: s.Uptime}, nil
	if err := o.save(cfg.Data); err != nil {
		return err
	}
	p.restart()
	return nil
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
	if tried {
		p.agent.orders.Finish(o.Last.ID, o.Last.State, o.Last.Detail)
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
	case a.reached.Load():
		o.Last = &verdict{o.Trial.ID, report.CommandSucceeded, fmt.Sprintf("version %d", o.Now.Version)}
		o.Trial, o.Before = nil, nil
		if err := o.save(a.cfg.Data); err != nil {
			return false, err
		}
		a.o.Log.Info("configuration taken", "part", "config", "version", o.Version)
		a.orders.Finish(o.Last.ID, o.Last.State, o.Last.Detail)
		return true, nil
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
