package update

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// fetchLimit is the most that one try of a fetch takes; the next goes on where
// it ended.
const fetchLimit = 6 * time.Hour

// offerLimit is the most that unpacking and verifying takes on the slowest
// board.
const offerLimit = 15 * time.Minute

// bring fetches a release and hands it over. What was refused is told, and is
// returned as a Refusal.
func (u *Updater) bring(ctx context.Context, o order) error {
	if refusal := u.late(o, 0); refusal != nil {
		return u.refused(ctx, o, refusal)
	}
	u.set(Status{Doing: "looking"})
	var r Release
	var err error
	u.pulse.While(time.Hour, func() { r, err = u.board.Check(ctx, o.url) })
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		if nothingNew[refusal.Code] && !o.ordered {
			u.set(Status{Doing: "idle"})
			return nil
		}
		return u.refused(ctx, o, refusal)
	}
	if err != nil {
		return fmt.Errorf("look for a release: %w", err)
	}
	if u.seen != nil {
		u.seen.saw(r.Number)
	}
	u.set(Status{Doing: "fetching", Release: r})
	u.pulse.While(fetchLimit+time.Minute, func() {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		r, err = u.board.Fetch(ctx, o.url)
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return u.refused(ctx, o, refusal)
	}
	if err != nil {
		return fmt.Errorf("fetch release %d: %w", r.Number, err)
	}
	u.set(Status{Doing: "waiting", Release: r})
	switch err := u.waitHours(ctx, o).(type) {
	case nil:
	case *Refusal:
		err.Release = r
		return u.refused(ctx, o, err)
	default:
		return err
	}
	if !u.waitQuiet(ctx) {
		return ctx.Err()
	}
	if err := u.out.Updated(ctx, report.Update{Number: r.Number, Version: r.Version, State: report.UpdateFetched}); err != nil {
		return fmt.Errorf("tell of release %d: %w", r.Number, err)
	}
	u.set(Status{Doing: "offering", Release: r})
	u.pulse.While(offerLimit+time.Minute, func() {
		ctx, cancel := context.WithTimeout(ctx, offerLimit)
		defer cancel()
		err = u.board.Offer(ctx)
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		if refusal.Release.Number == 0 {
			refusal.Release = r
		}
		return u.refused(ctx, o, refusal)
	}
	if err != nil {
		return fmt.Errorf("hand over release %d: %w", r.Number, err)
	}
	u.log.Info("version handed over", "number", r.Number, "version", r.Version)
	return nil
}

// nothingNew are refusals that a look finds on a day on which all is well.
var nothingNew = map[string]bool{"older": true, "failed-here": true, "trial-runs": true}

func (u *Updater) refused(ctx context.Context, o order, r *Refusal) error {
	if r.Release.Number == 0 {
		r.Release.Number = o.number // nobody can read it there, and it is what was wanted
	}
	err := u.out.Updated(ctx, report.Update{Number: r.Release.Number, Version: r.Release.Version, State: report.UpdateRefused, Code: r.Code, Detail: r.Detail})
	return errors.Join(r, err)
}

// codeWindow says that the hours are over.
const codeWindow = "window"

// late says that an order's time will be over in wait; nil when it will not, or
// when nobody knows the time.
func (u *Updater) late(o order, wait time.Duration) *Refusal {
	now, known := u.cfg.Now()
	if !known || o.until.IsZero() || now.Add(wait).Before(o.until) {
		return nil
	}
	return &Refusal{Code: codeWindow, Detail: fmt.Sprintf("it can't be started before %s any more; the next order goes on from here", o.until.UTC().Format("2006-01-02 15:04 MST"))}
}

// waitHours waits for the device's own hours. A Refusal says that those of the order
// are over by then.
func (u *Updater) waitHours(ctx context.Context, o order) error {
	for {
		var d time.Duration
		if !o.now {
			d = u.cfg.Hours.until(u.cfg.Now())
		}
		if late := u.late(o, d); late != nil {
			return late
		}
		if d <= 0 {
			return ctx.Err()
		}
		// The wall clock may be set meanwhile.
		if !u.sleep(ctx, min(d, time.Minute)) {
			return ctx.Err()
		}
	}
}

func (u *Updater) waitQuiet(ctx context.Context) bool {
	for end := time.Now().Add(quietWait); !u.cfg.Quiet() && time.Now().Before(end); {
		if !u.sleep(ctx, quietEvery) {
			return false
		}
	}
	return ctx.Err() == nil
}

func (u *Updater) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case beat := <-u.pulse:
			beat()
		case <-t.C:
			return true
		}
	}
}
