package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
)

// How a running agent gets from one configuration to another: as a whole, or not
// at all.
//
//	try all ─► end what is different ─► make all ─► begin all ─► uplink
//	   │                                   │
//	   └► refused, nothing was touched     └► refused, what has ended is made again

// errLiving is a change in the agent's last moment; nothing is left to do.
var errLiving = errors.New("the agent ends")

// apply brings the agent from what it runs with to c. What can't be changed in a
// running agent stays, and is told. An error is one that the agent can't go on with.
func (a *Agent) apply(ctx context.Context, c *config.Config) error {
	live := a.keeping(c)
	return a.applyPlan(ctx, c, live, a.plan(live))
}

// applyPlan is apply with the units of live, which is c as far as it can count now.
func (a *Agent) applyPlan(ctx context.Context, c, live *config.Config, plan []planned) error {
	old := a.current()
	pending := restartFor(a.cfg, c, config.Diff(a.cfg, c)) // against the start, since what is fixed stays pending
	ends, begins := a.crew.compare(plan)
	err := a.tryAll(old, live, ends, begins)
	up, upErr := a.tryUplink(old, live)
	if err = cmp.Or(err, upErr); err != nil {
		a.reload.refusePart(c, err)
		return nil
	}
	if k := a.kiosk.Load(); k != nil && slices.Contains(ends, "kiosk") {
		k.Leave(a.living, kioskConfig(live.Kiosk))
	}
	a.crew.stop(ends)
	if err := a.begin(ctx, live, begins); err != nil {
		err = a.goBack(ctx, old, live, err)
		if why, ok := errors.AsType[unmadeError](err); ok {
			a.reload.refusePart(c, why.why)
			return nil
		}
		return ignoreLiving(err)
	}
	if live.Digest(uplinkValues...) != old.Digest(uplinkValues...) {
		a.uplink.Reconfigure(up)
	}
	a.forgetStates(old, live)
	a.overruleOrdered()
	a.tellApplied(old, c, pending, ends, begins)
	a.uplink.Announce()
	return nil
}

// ignoreLiving is nil for the end of the agent, which is no fault of the change.
func ignoreLiving(err error) error {
	if errors.Is(err, errLiving) {
		return nil
	}
	return err
}

// begin makes and begins units in the place of those that have ended. With an error
// none of them has begun.
func (a *Agent) begin(ctx context.Context, live *config.Config, begins []planned) error {
	a.dropRelays(live)
	a.now.Store(live)
	if a.o.Level != nil {
		a.o.Level.Set(live.Log.SlogLevel())
	}
	sources, groups := alarmsOf(live)
	if err := a.journal.alarms.Change(ctx, alarm.Change{Sources: sources, Groups: groups, Anew: sourcesOf(live, begins)}); err != nil {
		return errLiving
	}
	var made []*unit
	for _, p := range begins {
		u, err := p.make()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		u.name, u.key = p.name, p.key
		made = append(made, u)
	}
	for _, u := range made {
		a.crew.start(ctx, u)
	}
	return nil
}

// unmadeError is a unit that could not be made though it was tried; the old
// configuration runs again.
type unmadeError struct{ why error }

func (e unmadeError) Error() string {
	return "the configuration of before runs again: " + e.why.Error()
}
func (e unmadeError) Unwrap() error { return e.why }

// goBack begins again what has ended for a configuration that could not be begun,
// and tells why that was in an unmadeError. Another error is one that the agent
// can't go on with.
func (a *Agent) goBack(ctx context.Context, old, live *config.Config, why error) error {
	if errors.Is(why, errLiving) {
		return why
	}
	for _, name := range live.WatchedStreams() {
		if !slices.Contains(old.WatchedStreams(), name) {
			a.site.Remove(name)
		}
	}
	_, begins := a.crew.compare(a.plan(old))
	if err := a.begin(ctx, old, begins); err != nil {
		return fmt.Errorf("go back to the configuration of before, since %w: %w", why, err)
	}
	return unmadeError{why}
}
