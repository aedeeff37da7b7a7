package kiosk

import (
	"context"
	"log/slog"
	"time"

	"kentongan/agent/report"
)

const (
	eventRetry   = 5 * time.Second
	eventTimeout = 10 * time.Second
	maxEvents    = 64
)

// reporter appends events, so that a slow store does not hold up a button.
type reporter struct {
	store Store
	log   *slog.Logger
	queue chan report.LineState
}

func newReporter(s Store, log *slog.Logger) *reporter {
	return &reporter{store: s, log: log, queue: make(chan report.LineState, maxEvents)}
}

// say queues an event. When the store refuses for so long that the queue is
// full, the log is all that has it.
func (r *reporter) say(s report.LineState) {
	level := slog.LevelWarn
	if s.State == stateOK {
		level = slog.LevelInfo
	}
	r.log.Log(context.Background(), level, "line changed", "line", s.Line, "state", s.State, "detail", s.Detail, "count", s.Count)
	select {
	case r.queue <- s:
	default:
		r.log.Error("event dropped", "line", s.Line, "state", s.State)
	}
}

// run appends events until ctx ends, and then those that wait, until the store
// refuses one: a store that hangs would hold up the end for each of them.
func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case s := <-r.queue:
			if !r.keep(ctx, s) {
				r.log.Error("events dropped", "count", 1+len(r.queue))
				return
			}
		case <-ctx.Done():
			if len(r.queue) == 0 {
				return
			}
		}
	}
}

// keep appends one event; while ctx lives, until it succeeds, and after it once.
// It tells whether it did.
func (r *reporter) keep(ctx context.Context, s report.LineState) bool {
	for failures := 0; ; failures++ {
		err := r.append(ctx, s)
		if err == nil {
			return true
		}
		if failures == 0 {
			r.log.Warn("event not kept", "line", s.Line, "state", s.State, "err", err, "retry_in", eventRetry)
		}
		select {
		case <-time.After(eventRetry):
		case <-ctx.Done():
			return false
		}
	}
}

// append is not ended by ctx, or an event could be kept twice.
func (r *reporter) append(ctx context.Context, s report.LineState) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout)
	defer cancel()
	_, err := r.store.Append(ctx, report.Event, report.KindLine, s)
	return err
}
