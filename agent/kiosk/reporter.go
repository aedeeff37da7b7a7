package kiosk

import (
	"context"
	"log/slog"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

const (
	eventRetry   = 5 * time.Second
	eventTimeout = 10 * time.Second
	maxEvents    = 64
)

// event is one that waits to be kept.
type event struct {
	kind string
	body any
}

// reporter appends events, and notes which tickets were given out, so that a
// slow store does not hold up a button.
type reporter struct {
	store   Store
	log     *slog.Logger
	numbers *numbers
	queue   chan event
	pulse   pulse.Pulse
	given   chan uint64 // holds one: the number of a press that was kept
	ledger  *ledger
	taken   chan string // tickets that were taken back
}

func newReporter(s Store, log *slog.Logger) *reporter {
	return &reporter{store: s, log: log, queue: make(chan event, maxEvents), pulse: pulse.New(), given: make(chan uint64, 1), taken: make(chan string, maxWaiters)}
}

// say queues a line's state.
func (r *reporter) say(s report.LineState) {
	level := slog.LevelWarn
	if s.State == stateOK {
		level = slog.LevelInfo
	}
	r.log.Log(context.Background(), level, "line changed", "line", s.Line, "state", s.State, "detail", s.Detail, "count", s.Count)
	r.add(report.KindLine, s)
}

// add queues an event. When the store refuses for so long that the queue is
// full, the log is all that has it.
func (r *reporter) add(kind string, body any) {
	select {
	case r.queue <- event{kind, body}:
	default:
		r.log.Error("event dropped", "kind", kind, "body", body)
	}
}

// reserve tells that a press was kept. One that is passed over is made up for
// by the next.
func (r *reporter) reserve(seq uint64) {
	select {
	case r.given <- seq:
	default:
	}
}

// withdrawn tells that a press was taken back. The record says so too; this is
// for whoever asks.
func (r *reporter) withdrawn(ticket string) {
	select {
	case r.taken <- ticket:
	default:
		r.log.Warn("state of a complaint not remembered", "ticket", ticket)
	}
}

// run appends events and notes tickets until ctx ends, and then what waits. Events end
// there when the store refuses one: a store that hangs would hold up the end for
// each of them.
func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case beat := <-r.pulse:
			beat()
		case e := <-r.queue:
			if !r.keep(ctx, e) {
				r.log.Error("events dropped", "count", 1+len(r.queue))
				for len(r.taken) > 0 {
					r.remember(<-r.taken)
				}
				return
			}
		case seq := <-r.given:
			if err := r.numbers.reserve(seq); err != nil {
				r.log.Warn("tickets not remembered", "err", err)
			}
		case ticket := <-r.taken:
			r.remember(ticket)
		case <-ctx.Done():
			if len(r.queue)+len(r.given)+len(r.taken) == 0 {
				return
			}
		}
	}
}

// remember keeps that a press was taken back.
func (r *reporter) remember(ticket string) {
	if err := r.ledger.set(report.TicketStatus{Ticket: ticket, State: StateWithdrawn}); err != nil {
		r.log.Warn("state of a complaint not remembered", "err", err)
	}
}

// keep appends one event; while ctx lives, until it succeeds, and after it once.
// It tells whether it did.
func (r *reporter) keep(ctx context.Context, e event) bool {
	for failures := 0; ; failures++ {
		err := r.append(ctx, e)
		if err == nil {
			return true
		}
		if failures == 0 {
			r.log.Warn("event not kept", "kind", e.kind, "body", e.body, "err", err, "retry_in", eventRetry)
		}
		if !r.rest(ctx) {
			return false
		}
	}
}

// rest waits before the next try; it is false when ctx ended.
func (r *reporter) rest(ctx context.Context) bool {
	again := time.NewTimer(eventRetry)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			return true
		case beat := <-r.pulse:
			beat()
		case <-ctx.Done():
			return false
		}
	}
}

// append is not ended by ctx, or an event could be kept twice.
func (r *reporter) append(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout)
	defer cancel()
	_, err := r.store.Append(ctx, report.Event, e.kind, e.body)
	return err
}
