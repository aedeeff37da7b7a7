package kiosk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// maxWaiters bounds those that wait for one button; one screen makes one.
const maxWaiters = 32

// Errors of a touch on the screen.
var (
	ErrNoButton = errors.New("there is no such button")
	ErrBusy     = errors.New("too many wait for this button")
)

// Kept is a press that is durable, as its citizen is told of it.
type Kept struct {
	Button  string
	Ticket  string
	PIN     string // "" where the kiosk makes none
	Label   report.Text
	Presses int
	Seq     uint64
	At      time.Time
}

// waiter gets what became of a touch; it has room for one.
type waiter chan touchResult

type touchResult struct {
	kept Kept
	err  error
}

func (k *Kiosk) find(name string) *button {
	for _, b := range k.buttons {
		if b.cfg.Name == name && !b.cfg.Cancel {
			return b
		}
	}
	return nil
}

// Touch presses a button on the screen: all that holds for a press of its line
// holds here. It returns the record that holds the press once that is durable;
// in the cool-down that is the one at its end. When ctx ends first the press
// still counts.
func (k *Kiosk) Touch(ctx context.Context, name string) (Kept, error) {
	b := k.find(name)
	if b == nil {
		return Kept{}, fmt.Errorf("%w: %q", ErrNoButton, name)
	}
	w := make(waiter, 1)
	if !b.bring(1, w) {
		return Kept{}, ErrBusy
	}
	select {
	case r := <-w:
		return r.kept, r.err
	case <-ctx.Done():
		return Kept{}, fmt.Errorf("touch %s: %w", name, ctx.Err())
	}
}

// bring brings in presses from elsewhere, and who waits for their record. It may
// be called from any goroutine and never waits. It is false, and brings in
// nothing, when too many wait.
func (b *button) bring(n int, w ...waiter) bool {
	b.mu.Lock()
	if len(b.outside.waiters)+len(w) > maxWaiters {
		b.mu.Unlock()
		return false
	}
	b.outside.presses += n
	b.outside.waiters = append(b.outside.waiters, w...)
	b.mu.Unlock()
	b.poke()
	return true
}

// outside is what others have brought in and the button has not counted yet.
type outside struct {
	presses int
	waiters []waiter

	behind *button // waits for this one to have taken the edges that are there
	caught bool    // the other one has
}

// brought takes what others have brought.
func (b *button) brought() {
	b.mu.Lock()
	o := b.outside
	b.outside = outside{}
	b.mu.Unlock()
	if o.behind != nil {
		b.catch()
		o.behind.caughtUp()
	}
	if o.caught && b.waits {
		b.alone.Stop()
		b.single()
	}
	b.touched(o.waiters)
	if o.presses > 0 {
		b.count(o.presses)
	}
	b.cancels()
}

// touched notes who waits for the next record. The oldest of too many have
// lost their patience long ago.
func (b *button) touched(w []waiter) {
	b.touches = append(b.touches, w...)
	if extra := len(b.touches) - maxWaiters; extra > 0 {
		b.touches = slices.Delete(b.touches, 0, extra)
	}
}

func (b *button) poke() {
	select {
	case b.poked <- struct{}{}:
	default:
	}
}
