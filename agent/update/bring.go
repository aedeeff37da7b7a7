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
	u.set(Status{Doing: "looking"})
	var r Release
	var err error
	u.pulse.While(time.Hour, func() { r, err = u.board.Check(ctx, o.url) })
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		if nothingNew[refusal.Code] {
			u.set(Status{Doing: "idle"})
			return nil
		}
		return u.refused(ctx, refusal)
	}
	if err != nil {
		return fmt.Errorf("look for a release: %w", err)
	}
	u.set(Status{Doing: "fetching", Release: r})
	u.pulse.While(fetchLimit+time.Minute, func() {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		r, err = u.board.Fetch(ctx, o.url)
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return u.refused(ctx, refusal)
	}
	if err != nil {
		return fmt.Errorf("fetch release %d: %w", r.Number, err)
	}
	u.set(Status{Doing: "waiting", Release: r})
	if !o.now && !u.wait(ctx, u.cfg.Hours.until) {
		return ctx.Err()
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
		return u.refused(ctx, refusal)
	}
	if err != nil {
		return fmt.Errorf("hand over release %d: %w", r.Number, err)
	}
	u.log.Info("version handed over", "number", r.Number, "version", r.Version)
	return nil
}

// nothingNew are refusals that a look finds on a day on which all is well.
var nothingNew = map[string]bool{"older": true, "failed-here": true, "trial-runs": true}

func (u *Updater) refused(ctx context.Context, r *Refusal) error {
	err := u.out.Updated(ctx, report.Update{Number: r.Release.Number, Version: r.Release.Version, State: report.UpdateRefused, Code: r.Code, Detail: r.Detail})
	return errors.Join(r, err)
}

// wait waits as long as until says, which may be longer next time; false when
// ctx ended.
func (u *Updater) wait(ctx context.Context, until func(now time.Time, known bool) time.Duration) bool {
	for {
		d := until(u.cfg.Now())
		if d <= 0 {
			return ctx.Err() == nil
		}
		// The wall clock may be set meanwhile.
		if !u.sleep(ctx, min(d, time.Minute)) {
			return false
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
