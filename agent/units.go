package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"kentongan/agent/watchdog"
)

// unit is what one section of the configuration makes: parts that begin and end
// together, while all others go on.
type unit struct {
	name   string
	parts  []part
	beats  []beating
	checks []watchdog.Check // beside those of beats
	begin  func()           // before the parts; may be nil
	end    func()           // after them; may be nil

	key    string          // of what it was made from
	ctx    context.Context // of the parts
	cancel context.CancelFunc
	parted sync.WaitGroup
}

// planned is a unit that a configuration wants.
type planned struct {
	name    string
	key     string                // another one is another unit
	try     func() error          // tells whether it can be made while the one before runs; may be nil
	at      string                // of its values in the file, as streams[0], whose files have to be usable; "" is none that has any
	listens string                // address, which is tried too; "" is none
	make    func() (*unit, error) // called when the one before it has ended
}

// crew runs the units. start is called by one goroutine at a time, the others by any.
type crew struct {
	failed chan error // the first part that could not go on; holds one

	mu    sync.RWMutex // guards units
	units []*unit      // those that run
}

func newCrew() *crew { return &crew{failed: make(chan error, 1)} }

// run waits until a part fails or ctx ends, and then for all units.
func (c *crew) run(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case err = <-c.failed:
	}
	c.stopAll()
	return err
}

func (c *crew) stopAll() {
	var names []string
	for _, u := range c.all() {
		names = append(names, u.name)
	}
	c.stop(names)
}

func (c *crew) all() []*unit {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.units)
}

// start begins a unit.
func (c *crew) start(ctx context.Context, u *unit) {
	u.ctx, u.cancel = context.WithCancel(ctx)
	if u.begin != nil {
		u.begin()
	}
	for _, p := range u.parts {
		u.parted.Go(func() {
			err := p.run(u.ctx)
			switch {
			case err != nil:
				err = fmt.Errorf("%s: %w", p.name, err)
			case u.ctx.Err() == nil:
				err = fmt.Errorf("%s: ended by itself", p.name)
			default:
				return
			}
			select {
			case c.failed <- err:
			default: // another was first
			}
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.units = append(c.units, u)
}

// stop ends the units of these names, and returns when they are over.
func (c *crew) stop(names []string) {
	c.mu.Lock()
	var ending []*unit
	c.units = slices.DeleteFunc(c.units, func(u *unit) bool {
		if slices.Contains(names, u.name) {
			ending = append(ending, u)
			return true
		}
		return false
	})
	c.mu.Unlock()
	for _, u := range ending {
		u.cancel()
	}
	for _, u := range slices.Backward(ending) {
		u.parted.Wait()
		if u.end != nil {
			u.end()
		}
	}
}

// compare tells which units a plan ends and which it begins.
func (c *crew) compare(plan []planned) (ends []string, begins []planned) {
	now := c.all()
	for _, u := range now {
		if !slices.ContainsFunc(plan, func(p planned) bool { return p.name == u.name && p.key == u.key }) {
			ends = append(ends, u.name)
		}
	}
	for _, p := range plan {
		if !slices.ContainsFunc(now, func(u *unit) bool { return p.name == u.name && p.key == u.key }) {
			begins = append(begins, p)
		}
	}
	return ends, begins
}

// checks ask the loops of all units that run.
func (c *crew) checks() (all []watchdog.Check) {
	for _, u := range c.all() {
		for _, b := range u.beats {
			for _, p := range b.Pulses() {
				all = append(all, watchdog.Check{Name: p.Name, Of: p.Pulse, Run: u.unlessOver(p.Ask)})
			}
		}
		for _, check := range u.checks {
			check.Of, check.Run = u, u.unlessOver(check.Run)
			all = append(all, check)
		}
	}
	return all
}

// unlessOver is a check that is good when the unit has been ended meanwhile.
func (u *unit) unlessOver(check func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(u.ctx, cancel)()
		err := check(ctx)
		if u.ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// unitLimit is how long units may take to end; then one of them hangs. A camera
// that does not answer is given up in less, and a kiosk's presses are on the disk.
const unitLimit = 2 * time.Minute
