// Package command does what the centre orders, each order once, and answers
// with one result.
//
//	Deliver ──► open (signature, device, life, counter) ──► remember ──► Do ──► result
//
// An order is a signed note (report.Order), so the broker that brings it is not
// trusted: it can hold an order back, which its expiry bounds, and nothing else.
//
// # Once
//
// The id and counter of an order are durable before it is done, and its result
// is durable before that is noted. An order that comes again is passed over:
// the centre repeats it until it has the result. One that was cut off by a
// restart is answered as failed, unless its result was kept already.
//
// The newest maxSeen ids are remembered. An order whose counter is not above all
// that were forgotten is refused as a replay. So is, after the memory was lost,
// one that was signed before the loss; on a board whose clock was not set then,
// only the orders that need a clock are refused.
//
// # A board without a clock
//
// In 1970 an expiry says nothing. The time is then at least that of the newest
// order that the centre signed; an order that only tells something is done, one
// that sends something out of the house (Handler.Clock) is refused.
//
// # Concurrency
//
// Deliver returns at once and may be called from any goroutine. Run's goroutine
// does one order after the other.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Handler is one command.
type Handler struct {
	Name  string
	Clock bool          // only when the clock is set
	Limit time.Duration // for Do
	// Do does it. A BadArguments error rejects the order, any other fails it.
	// ErrLater leaves it open: Resume or Runner.Finish has its result.
	Do func(ctx context.Context, o report.Order) (detail string, err error)
	// Resume says what became of an order that was open when the agent ended; ok
	// false leaves it open for Runner.Finish. Without it, the order has failed.
	Resume func(id string) (state, detail string, ok bool)
}

// ErrLater is an order whose result comes after the agent is back.
var ErrLater = errors.New("the result comes later")

// Keeper keeps results; what it returns for is durable.
type Keeper interface {
	// Keep returns when the result is on the disk.
	Keep(ctx context.Context, r report.CommandResult) error
	// Mark is a place in what is kept, before the next result.
	Mark() uint64
	// Kept tells whether a result of the order was kept since the mark.
	Kept(id string, since uint64) bool
}

// Config is what a Runner needs.
type Config struct {
	Device   string
	Keys     note.Verifiers
	Handlers []Handler
	Keeper   Keeper
	Now      func() (time.Time, report.Clock) // wall clock and its quality
	Saved    []byte                           // what Save was given last; nil for nothing
	Save     func([]byte) error               // keeps the memory, whole or not at all

	// Forgotten says that there was a memory and it can't be read. What was
	// signed until now may be done already, so it is refused.
	Forgotten bool
}

// Limits.
const (
	waiting   = 16 // orders that wait for their turn; more are dropped, the centre repeats them
	keepAgain = 2 * time.Second
	doGrace   = 10 * time.Second // for a handler to see that its limit is over; then it hangs
	// skew is how far a clock that somebody keeps may be off.
	skew = 2 * time.Minute
)

// Runner is made by New. Run may be called once.
type Runner struct {
	cfg    Config
	log    *slog.Logger
	in     chan message
	late   chan report.CommandResult
	pulse  pulse.Pulse
	refuse refusals
	memory memory // Run's goroutine only
}

type message struct {
	name string
	body []byte
}

// New makes a Runner. A memory that can't be read is an error, for without it
// an order of before could be done again: call New with Forgotten then.
func New(cfg Config, log *slog.Logger) (*Runner, error) {
	r := &Runner{cfg: cfg, log: log.With("part", "command"), in: make(chan message, waiting), late: make(chan report.CommandResult, waiting), pulse: pulse.New()}
	if cfg.Saved != nil {
		if err := r.memory.decode(cfg.Saved); err != nil {
			return nil, fmt.Errorf("read the orders that were done: %w", err)
		}
	}
	if cfg.Forgotten {
		now, _ := cfg.Now()
		r.memory.Since = now.UTC()
	}
	return r, nil
}

// Deliver takes a message from cmd/{name}. The body is not kept by the caller.
func (r *Runner) Deliver(name string, body []byte) {
	select {
	case r.in <- message{name, body}:
	default: // a flood: what the centre ordered it orders again
	}
}

// Pulse asks Run's loop whether it lives. An order that takes its time does not
// keep it from answering; one that takes more than its limit does.
func (r *Runner) Pulse() pulse.Pulse { return r.pulse }

// Run works until ctx ends, then returns nil.
func (r *Runner) Run(ctx context.Context) error {
	r.finishInterrupted(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case beat := <-r.pulse:
			beat()
		case m := <-r.in:
			r.take(ctx, m)
		case res := <-r.late:
			r.finish(ctx, res)
		}
	}
}

// Finish gives the result of an order that was left open. One that has its result
// already keeps it. It does not block.
func (r *Runner) Finish(id, state, detail string) {
	select {
	case r.late <- report.CommandResult{ID: id, State: state, Detail: detail}:
	default: // nobody leaves that many open
	}
}

func (r *Runner) finish(ctx context.Context, res report.CommandResult) {
	for _, e := range r.memory.open() {
		if e.ID != res.ID {
			continue
		}
		res.Name = e.Name
		if !r.cfg.Keeper.Kept(e.ID, e.Mark) {
			r.keep(ctx, res)
		}
		if ctx.Err() == nil {
			r.close(e.ID)
		}
	}
}

// finishInterrupted answers the orders that a restart cut off.
func (r *Runner) finishInterrupted(ctx context.Context) {
	for _, e := range r.memory.open() {
		res := report.CommandResult{ID: e.ID, State: report.CommandFailed, Detail: "the agent was stopped before it was done"}
		if h := r.handler(e.Name); h != nil && h.Resume != nil {
			var ok bool
			if res.State, res.Detail, ok = h.Resume(e.ID); !ok {
				continue
			}
		}
		r.finish(ctx, res)
	}
}

// take takes one message, whatever it is.
func (r *Runner) take(ctx context.Context, m message) {
	if len(m.body) > report.MaxOrderBytes {
		r.reject(ctx, m.name, "", report.RejectLarge, "larger than an order may be")
		return
	}
	o, err := report.OpenOrder(m.body, r.cfg.Device, m.name, r.cfg.Keys)
	switch {
	case errors.Is(err, report.ErrOrderDevice):
		// Its id is of another device's order: only the log has it.
		r.reject(ctx, m.name, "", report.RejectDevice, err.Error())
	case errors.Is(err, report.ErrOrderForged):
		r.reject(ctx, m.name, "", report.RejectForged, err.Error())
	case errors.Is(err, report.ErrOrderKey):
		r.reject(ctx, m.name, "", report.RejectKey, err.Error())
	case err != nil:
		r.reject(ctx, m.name, "", report.RejectMalformed, err.Error())
	case r.memory.knows(o.ID):
		r.log.Debug("order repeated", "cmd", o.Name, "id", o.ID)
	case o.Counter <= r.memory.Floor:
		r.reject(ctx, m.name, o.ID, report.RejectReplay, fmt.Sprintf("counter %d, and all up to %d are done or over", o.Counter, r.memory.Floor))
	case o.NotBefore.Before(r.memory.Since):
		r.reject(ctx, m.name, o.ID, report.RejectReplay, "signed before the device lost its memory of orders, "+r.memory.Since.Format(time.RFC3339))
	default:
		r.order(ctx, o)
	}
}

// order does what the centre did sign, and says what became of it.
func (r *Runner) order(ctx context.Context, o report.Order) {
	if err := r.remember(o); err != nil {
		// Without a memory it could be done twice. The centre repeats it.
		r.log.Error("order not begun", "cmd", o.Name, "id", o.ID, "err", err)
		return
	}
	res := report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandRejected}
	h := r.handler(o.Name)
	switch {
	case h == nil:
		res.Reason, res.Detail = report.RejectUnknown, "this version does not know it"
	default:
		if res.Reason, res.Detail = r.untimely(h, o); res.Reason == "" {
			if later := r.do(ctx, h, o, &res); later {
				r.log.Info("order under way", "cmd", o.Name, "id", o.ID)
				return
			}
		}
	}
	r.log.Info("order "+res.State, "cmd", o.Name, "id", o.ID, "reason", res.Reason, "detail", res.Detail, "took", time.Duration(res.TookMS)*time.Millisecond)
	r.keep(ctx, res)
	if ctx.Err() == nil {
		r.close(o.ID)
	}
}

func (r *Runner) handler(name string) *Handler {
	for i := range r.cfg.Handlers {
		if r.cfg.Handlers[i].Name == name {
			return &r.cfg.Handlers[i]
		}
	}
	return nil
}

// untimely says why an order can't be done at this time, or "".
func (r *Runner) untimely(h *Handler, o report.Order) (reason, detail string) {
	now, quality := r.cfg.Now()
	if life := o.Expires.Sub(o.NotBefore); life <= 0 || life > report.MaxOrderLife {
		return report.RejectLife, fmt.Sprintf("it lives for %v; 1 s to %v", life, report.MaxOrderLife)
	}
	if quality == report.ClockUnset && h.Clock {
		return report.RejectClock, "the device's clock is not set, so it can't tell whether the order is old"
	}
	known := now
	if known.Before(r.memory.Known) { // set by this order at the latest
		known = r.memory.Known
	}
	if !known.Before(o.Expires) {
		return report.RejectExpired, fmt.Sprintf("the device's clock says %s", now.UTC().Format(time.RFC3339))
	}
	if early := o.NotBefore.Sub(now); early > skew && (quality == report.ClockSynced || h.Clock) {
		return report.RejectEarly, fmt.Sprintf("the device's clock says %s", now.UTC().Format(time.RFC3339))
	}
	return "", ""
}

// BadArguments is an order whose arguments make no sense.
type BadArguments struct{ Err error }

func (e BadArguments) Error() string { return e.Err.Error() }
func (e BadArguments) Unwrap() error { return e.Err }

// do runs a handler.
func (r *Runner) do(ctx context.Context, h *Handler, o report.Order, res *report.CommandResult) (later bool) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, h.Limit)
	defer cancel()
	var detail string
	var err error
	r.pulse.While(h.Limit+doGrace, func() { detail, err = h.Do(ctx, o) })
	res.TookMS = time.Since(began).Milliseconds()
	switch {
	case errors.Is(err, ErrLater):
		return true
	case errors.As(err, new(BadArguments)):
		res.Reason, res.Detail = report.RejectArguments, err.Error()
	case err != nil:
		res.State, res.Detail = report.CommandFailed, err.Error()
	default:
		res.State, res.Detail = report.CommandSucceeded, detail
	}
	return false
}

// keep tries until the disk takes the result or ctx ends. Nothing else is done
// meanwhile: an order whose result can't be kept should not be followed by more.
func (r *Runner) keep(ctx context.Context, res report.CommandResult) {
	res.Detail = clip(res.Detail)
	for first := true; ; first = false {
		err := r.cfg.Keeper.Keep(ctx, res)
		if err == nil || ctx.Err() != nil {
			return
		}
		if first {
			r.log.Error("result not kept", "cmd", res.Name, "id", res.ID, "err", err)
		}
		select {
		case <-time.After(keepAgain):
		case beat := <-r.pulse:
			beat()
		case <-ctx.Done():
			return
		}
	}
}

// reject answers a message that is no order for us, if it may be told.
func (r *Runner) reject(ctx context.Context, name, id, reason, detail string) {
	more, tell := r.refuse.next(time.Now())
	if !tell {
		return
	}
	r.log.Warn("message is no order", "cmd", name, "reason", reason, "detail", detail, "more", more)
	err := r.cfg.Keeper.Keep(ctx, report.CommandResult{ID: id, Name: name, State: report.CommandRejected, Reason: reason, Detail: clip(detail), More: more})
	if err != nil {
		r.log.Warn("rejection not kept", "err", err)
	}
}

// refusals bounds what strangers can make the device write.
type refusals struct {
	left   int
	filled time.Time
	more   int // since the last that was told
}

const (
	refuseBurst = 5
	refuseEvery = time.Minute
)

// next tells whether one more may be told, and how many before it were not.
func (f *refusals) next(now time.Time) (more int, tell bool) {
	if f.filled.IsZero() {
		f.left, f.filled = refuseBurst, now
	}
	if n := int(now.Sub(f.filled) / refuseEvery); n > 0 {
		f.left = min(f.left+n, refuseBurst)
		f.filled = f.filled.Add(time.Duration(n) * refuseEvery)
	}
	if f.left == 0 {
		f.more++
		return 0, false
	}
	f.left--
	more, f.more = f.more, 0
	return more, true
}

// arguments reads an order's arguments; an unknown one may limit what the order
// means, so it is refused.
func arguments(o report.Order, to any) error {
	d := json.NewDecoder(bytes.NewReader(o.Arguments))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return BadArguments{fmt.Errorf("arguments: %w", err)}
	}
	return nil
}

// Bounds of texts that people write.
const (
	maxWho    = 80
	maxReason = 200
	maxDetail = 1200
)

func clip(s string) string { return report.Clip(s, maxDetail) }
