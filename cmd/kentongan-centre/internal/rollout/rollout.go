// Package rollout brings a release to many devices, in stages.
//
// A rollout has a set of devices that is fixed when it is started, in an order
// that spreads over agencies and sites. A stage is the first so many per cent of
// them. Orders are given in the hours for it only, to devices that are online, so
// many at a time; what becomes of each the device's own update events say. When
// every device of a stage is through with it, and has then been well for a while,
// the next stage begins. When too many fail, the rollout halts itself.
//
//	              ┌─ pause, too many failures ─┐
//	start ─► running ─► done                paused, halted ─► cancelled
//	              └◄──────── resume ───────────┘
//
// # Devices that are offline
//
// A stage waits for those that are offline in its hours, for so long (Wait), from its
// beginning or from when the rollout was resumed. Then it goes on without them: they
// still get their order when they are there in the hours, as long as the rollout lasts,
// and are missed when it ends before. Of a stage no device of which could be reached,
// or all of which went to another agency, nothing is known, so the next ones of later
// stages that are online step in.
//
// # Restarts
//
// All state is in the database. An order and the word that it was given are one
// transaction; everything else that a step does, the next step does again from
// what is there. So a centre may end at any moment.
//
// # Concurrency
//
// Run owns the steps. The other methods may be called from anywhere.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Desk gives orders; *orders.Desk is one.
type Desk interface {
	RolloutUpdate(ctx context.Context, r orders.Rollout) (store.Order, error)
}

// Config is what a Conductor needs.
type Config struct {
	Store   *store.Store
	Desk    Desk
	Every   time.Duration         // between two steps, at most; 0 is 10 s
	Stale   time.Duration         // after which a release is called old; 0 is never
	Changed func()                // called when something has moved
	Alarms  func(store.Committed) // told of the centre's own alarms
	Now     func() time.Time      // nil is time.Now
	Log     *slog.Logger
}

// Conductor leads all rollouts. See New.
type Conductor struct {
	cfg  Config
	wake chan struct{}
}

const (
	stepEvery = 10 * time.Second
	// stepLeast is between two steps when devices say much.
	stepLeast = time.Second
)

// New makes a Conductor; Run leads.
func New(cfg Config) *Conductor {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Every == 0 {
		cfg.Every = stepEvery
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	if cfg.Alarms == nil {
		cfg.Alarms = func(store.Committed) {}
	}
	return &Conductor{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Notify looks at what was committed. It returns at once.
func (c *Conductor) Notify(done store.Committed) {
	if done.Versions {
		c.poke()
	}
}

func (c *Conductor) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run leads until ctx ends.
func (c *Conductor) Run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Every)
	defer tick.Stop()
	var looked time.Time // for devices that are behind
	for {
		moved, err := c.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.cfg.Log.Warn("rollouts not led", "err", err)
		case moved:
			c.poke() // one thing follows from another
			c.cfg.Changed()
		}
		if moved || time.Since(looked) >= alarmsEvery {
			looked = time.Now()
			if err := c.RaiseAlarms(ctx); err != nil && ctx.Err() == nil {
				c.cfg.Log.Warn("devices that are behind not looked for", "err", err)
			}
		}
		select {
		case <-time.After(min(stepLeast, c.cfg.Every)):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-tick.C:
		case <-c.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// alarmsEvery is how often it is looked for devices that are behind.
const alarmsEvery = time.Minute

// RaiseAlarms looks for devices whose release is old, or older than a finished
// rollout's, and for those of which that is over.
func (c *Conductor) RaiseAlarms(ctx context.Context) error {
	changes, err := c.cfg.Store.UpdateAlarms(ctx, c.cfg.Now(), c.cfg.Stale)
	if len(changes) > 0 {
		c.cfg.Alarms(store.Committed{Urgent: true, Alarms: changes})
	}
	return err
}

// Step does what is to be done now. It tells whether anything moved.
func (c *Conductor) Step(ctx context.Context) (moved bool, err error) {
	list, err := c.cfg.Store.LiveRollouts(ctx)
	if err != nil {
		return false, err
	}
	var all []error
	for _, r := range list {
		m, err := c.lead(ctx, r)
		moved = moved || m
		if err != nil { // another one may be well
			all = append(all, fmt.Errorf("rollout %d: %w", r.ID, err))
		}
	}
	return moved, errors.Join(all...)
}

// lead is one step of one rollout.
func (c *Conductor) lead(ctx context.Context, r store.Rollout) (moved bool, err error) {
	now := c.cfg.Now()
	rows, err := c.cfg.Store.RolloutActive(ctx, r)
	if err != nil {
		return false, err
	}
	moved, err = c.look(ctx, r, rows, now)
	if err != nil || r.State != store.RolloutRunning {
		return moved, err
	}
	if why, figures := exceeded(r, rows); why != "" {
		c.cfg.Log.Error("rollout halted", "rollout", r.ID, "number", r.Number, "stage", r.Stage, "why", why, "failed", figures)
		return true, unlessNot(c.cfg.Store.HaltRollout(ctx, r, why, figures, now))
	}
	h, err := parseHours(r.Hours)
	if err != nil {
		return moved, err
	}
	t := turnAt(h, now)
	changed, err := c.goOn(ctx, r, rows, t, now)
	if err != nil || changed {
		return moved || changed, err
	}
	n, err := c.order(ctx, r, rows, t, now)
	return moved || n > 0, err
}

// unlessNot takes ErrNotNow for done: somebody else was faster.
func unlessNot(err error) error {
	if errors.Is(err, store.ErrNotNow) {
		return nil
	}
	return err
}

// look moves the devices to where they stand by now.
func (c *Conductor) look(ctx context.Context, r store.Rollout, rows []store.RolloutDevice, now time.Time) (moved bool, err error) {
	ended := r.State == store.RolloutCancelled || r.State == store.RolloutDone
	for i, d := range rows {
		n := next(d, r.Number, now)
		if n.State == store.DeviceWaiting && r.Agency != "" && d.Agency != r.Agency {
			n.State, n.Code, n.Detail, n.Changed = store.DeviceStopped, whyMoved, "", now
		}
		if ended && n.State == store.DeviceWaiting {
			n.State, n.Changed = store.DeviceStopped, now
		}
		if n.State == d.State && n.Code == d.Code {
			continue
		}
		group := store.RolloutGroup(n.State)
		free := group == "missed" || ended && group != "underway"
		if err := c.cfg.Store.MoveRolloutDevice(ctx, r.ID, d.State, n, free); err != nil {
			return moved, err
		}
		moved = true
		log := c.cfg.Log.Info
		if group == "failed" {
			log = c.cfg.Log.Warn
		}
		log("device in rollout", "rollout", r.ID, "device", n.Device, "number", r.Number, "state", n.State, "code", n.Code, "detail", n.Detail)
		rows[i] = n
	}
	return moved, nil
}

// exceeded says which limit the failures exceed, "" for none, with the figures.
func exceeded(r store.Rollout, rows []store.RolloutDevice) (why, figures string) {
	all := 0
	for stage := 1; stage <= r.Stage; stage++ {
		n, bad := 0, 0
		for _, d := range rows {
			if d.Stage != stage {
				continue
			}
			n++
			if d.Counted && store.RolloutGroup(d.State) == "failed" {
				bad++
			}
		}
		all += bad
		if bad*100 > r.Share*n {
			return "share", fmt.Sprintf("%d/%d", bad, n)
		}
	}
	if all > r.Count {
		return "count", fmt.Sprintf("%d", all)
	}
	return "", ""
}

// goOn looks at the stage: whether it is complete, whether it has been well for
// long enough, and what comes then.
func (c *Conductor) goOn(ctx context.Context, r store.Rollout, rows []store.RolloutDevice, t turn, now time.Time) (changed bool, err error) {
	last := r.Stage >= lastStage(r)
	well := well(r, rows, now)
	switch how := complete(r, rows, t, now, last); {
	case r.WellAt == nil && how == stageEmpty:
		return c.stepIn(ctx, r, rows, now)
	case r.WellAt == nil && (how != stageComplete || !well):
		return false, nil
	case r.WellAt == nil && r.Soak > 0:
		c.cfg.Log.Info("stage complete", "rollout", r.ID, "stage", r.Stage, "soak", r.Soak)
		return true, c.cfg.Store.WellSince(ctx, r, &now)
	case !well:
		c.cfg.Log.Warn("stage not well any more", "rollout", r.ID, "stage", r.Stage)
		return true, c.cfg.Store.WellSince(ctx, r, nil)
	case r.WellAt != nil && now.Sub(*r.WellAt) < r.Soak, underway(rows, 0) > 0 && last:
		return false, nil
	}
	if last {
		c.cfg.Log.Info("rollout done", "rollout", r.ID, "number", r.Number)
		return true, unlessNot(c.cfg.Store.EndRollout(ctx, r, now))
	}
	return true, c.nextStage(ctx, r, now)
}

func (c *Conductor) nextStage(ctx context.Context, r store.Rollout, now time.Time) error {
	c.cfg.Log.Info("stage begins", "rollout", r.ID, "number", r.Number, "stage", r.Stage+1)
	return c.cfg.Store.NextStage(ctx, r, now)
}

// lastStage is the last that has devices; it is the one of all.
func lastStage(r store.Rollout) int { return len(r.Stages) }

// How complete a stage is.
type completeness int

const (
	stageUnder    completeness = iota // devices are still to come
	stageUnknown                      // who is there shows in the hours only
	stageEmpty                        // nobody was there
	stageComplete                     // all are through, but those that were not there
)

// complete looks at the devices of the stage; in the last stage at all.
func complete(r store.Rollout, rows []store.RolloutDevice, t turn, now time.Time, last bool) completeness {
	since := r.StageAt
	if r.Changed.After(since) { // it was resumed: while it stood still nobody could be reached
		since = r.Changed
	}
	late := !now.Before(since.Add(r.Wait))
	waiting, through := false, 0
	for _, d := range rows {
		if d.Stage != r.Stage && !last {
			continue
		}
		switch store.RolloutGroup(d.State) {
		case "underway":
			return stageUnder
		case "waiting":
			if !late || t.open && d.Online {
				return stageUnder
			}
			waiting = true
		case "missed": // not this rollout's any more, so it proves nothing
		default:
			through++
		}
	}
	empty := through == 0 && !last
	switch {
	case (waiting || empty) && !t.open:
		return stageUnknown
	case empty:
		return stageEmpty
	}
	return stageComplete
}

// awayAfter is how long a proven device may be offline and still be called well.
const awayAfter = 10 * time.Minute

// well tells whether the stage's proven devices are there; as many may be away as
// may fail.
func well(r store.Rollout, rows []store.RolloutDevice, now time.Time) bool {
	proven, away := 0, 0
	for _, d := range rows {
		if d.Stage != r.Stage || store.RolloutGroup(d.State) != "proven" {
			continue
		}
		proven++
		if !d.Online && now.Sub(time.UnixMilli(d.Since)) > awayAfter {
			away++
		}
	}
	return away*100 <= r.Share*proven
}

// stepIn brings devices of later stages that are online into this one, of which
// none was there. Where no other is left to try it on, the next stage begins.
func (c *Conductor) stepIn(ctx context.Context, r store.Rollout, rows []store.RolloutDevice, now time.Time) (moved bool, err error) {
	n := 0
	for _, d := range rows {
		if d.Stage == r.Stage {
			n++
		}
	}
	list, err := c.cfg.Store.RolloutLater(ctx, r, max(n, 1))
	if err == nil && len(list) == 0 {
		return true, c.nextStage(ctx, r, now)
	}
	for _, d := range list {
		if !d.Online {
			break
		}
		c.cfg.Log.Info("device steps in", "rollout", r.ID, "stage", r.Stage, "device", d.Device)
		d.Stage = r.Stage
		if err := c.cfg.Store.MoveRolloutDevice(ctx, r.ID, d.State, d, false); err != nil {
			return moved, err
		}
		moved = true
	}
	return moved, err
}

func underway(rows []store.RolloutDevice, stage int) (n int) {
	for _, d := range rows {
		if store.RolloutGroup(d.State) == "underway" && (stage == 0 || d.Stage == stage) {
			n++
		}
	}
	return n
}

// order orders the devices whose turn it is.
func (c *Conductor) order(ctx context.Context, r store.Rollout, rows []store.RolloutDevice, t turn, now time.Time) (n int, err error) {
	if !t.open {
		return 0, nil
	}
	room := r.AtOnce - underway(rows, 0)
	for _, d := range rows {
		if n >= room {
			break
		}
		if d.State != store.DeviceWaiting || !d.Online || d.Ordered != nil && !d.Ordered.Before(t.from) {
			continue
		}
		o := orders.Rollout{ID: r.ID, Device: d.Device, URL: r.URL, Number: r.Number, AnyHour: r.AnyHour, Life: anyTimeLife, Until: t.to, Who: r.Who, Reason: fmt.Sprintf("rollout %d: %s", r.ID, r.Reason)}
		if !t.to.IsZero() {
			o.Life = t.to.Sub(now)
		}
		switch _, err := c.cfg.Desk.RolloutUpdate(ctx, o); {
		case errors.Is(err, store.ErrNotNow), errors.Is(err, store.ErrTooManyOrders):
		case err != nil:
			return n, fmt.Errorf("order device %s: %w", d.Device, err)
		default:
			n++
		}
	}
	return n, nil
}

// anyTimeLife is of an order where there are no hours: shorter than until the next.
const anyTimeLife = anyTimeAgain - fetchAfter

// stagesOf are the stages that have devices.
func stagesOf(percent, stage []int) []int {
	if len(stage) == 0 {
		return percent
	}
	out := slices.Clone(percent[:stage[len(stage)-1]])
	out[len(out)-1] = 100
	return out
}
