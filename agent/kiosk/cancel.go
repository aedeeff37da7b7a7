package kiosk

import (
	"context"
	"errors"
	"time"
)

// A cancel takes back the newest press within Config.CancelWithin of its
// confirmation, or while it is still being kept. The press itself was kept and
// confirmed and stays: the cancel is a record of its own beside it, made
// durable and tried again just as a press is. Presses that were only counted
// in the cool-down after the press are taken back with it and are counted in
// the cancel's record, so that each press is still in exactly one.

// ErrNothingToCancel is a cancel that came too late or had no press before it.
var ErrNothingToCancel = errors.New("nothing to cancel")

// ErrCancelled is a touch that was taken back before it was in a record.
var ErrCancelled = errors.New("taken back")

// confirmed is the newest press of a button that was kept.
type confirmed struct {
	kept      Kept
	cancelled bool
}

// withdrawal is a cancel that was asked for and is in no record yet.
type withdrawal struct {
	ticket  string
	presses int // only counted ones
	by      string
	answer  cancelBy
}

// cancelBy is a question to take back a press.
type cancelBy struct {
	ticket string // "" is the newest, of which the button knows
	by     string
	answer chan<- error // may be nil; has room for one
}

func (q cancelBy) reply(err error) {
	if q.answer != nil {
		q.answer <- err
	}
}

// pressed notes which button was pressed last.
func (k *Kiosk) pressed(b *button) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.newest = b
}

// cancelNewest is a press of the cancel button.
func (k *Kiosk) cancelNewest() {
	k.mu.Lock()
	b := k.newest
	k.mu.Unlock()
	if b == nil {
		k.nothingToCancel()
		return
	}
	b.ask(cancelBy{by: "button"})
}

func (k *Kiosk) nothingToCancel() {
	k.log.Info("nothing to cancel")
	k.panel.brushed()
}

// Cancel takes a press back, from the screen. It returns once the cancel is
// durable, and ErrNothingToCancel when the press is not the newest of its
// button or was confirmed too long ago.
func (k *Kiosk) Cancel(ctx context.Context, button, ticket string) error {
	b := k.find(button)
	if b == nil || ticket == "" {
		return ErrNothingToCancel
	}
	answer := make(chan error, 1)
	b.ask(cancelBy{ticket: ticket, by: "screen", answer: answer})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		select {
		case err := <-answer: // it is durable, or is not
			return err
		default:
			return ctx.Err()
		}
	}
}

func (b *button) ask(q cancelBy) {
	b.mu.Lock()
	full := len(b.asked) >= maxWaiters
	if !full {
		b.asked = append(b.asked, q)
	}
	b.mu.Unlock()
	if full {
		q.reply(ErrNothingToCancel) // as many before it ask for the same
		return
	}
	b.poke()
}

// cancels looks at what was asked. While a press is being kept it waits.
func (b *button) cancels() {
	if b.flying.n > 0 && b.flying.take == nil {
		return
	}
	b.mu.Lock()
	asked := b.asked
	b.asked = nil
	b.mu.Unlock()
	for _, q := range asked {
		b.cancel(q)
	}
}

func (b *button) cancel(q cancelBy) {
	n := &b.newest
	known := n.kept.Ticket != "" && !n.cancelled && (q.ticket == "" || q.ticket == n.kept.Ticket)
	if !known || time.Since(n.kept.At) > b.k.cfg.CancelWithin {
		q.reply(ErrNothingToCancel)
		b.k.nothingToCancel()
		return
	}
	n.cancelled = true
	b.taken = &withdrawal{ticket: n.kept.Ticket, presses: b.pending, by: q.by, answer: q}
	for _, w := range b.touches {
		w <- touchResult{err: ErrCancelled}
	}
	b.pending, b.touches = 0, nil
	b.next()
}

// withdrawn tells that a cancel is durable.
func (b *button) withdrawn(r appendResult) {
	t := b.taken
	b.taken = nil
	b.mu.Lock()
	b.st.Kept += uint64(t.presses)
	b.st.Cancelled++
	b.mu.Unlock()
	b.k.log.Info("press cancelled", "line", b.cfg.Name, "ticket", t.ticket, "seq", r.seq, "presses", t.presses, "by", t.by)
	b.k.withdrawn(t.ticket, r.seq)
	t.answer.reply(nil)
}
