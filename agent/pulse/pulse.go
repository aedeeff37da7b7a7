// Package pulse asks a loop whether it lives, through the loop's own goroutine:
// a timer or a mutex beside it would answer for a loop that hangs.
//
//	for {
//		select {
//		case beat := <-p:
//			beat()
//		case ...
//		}
//	}
//
// A step that waits for something outside (a camera, a broker, a bus) does so in
// While, which answers meanwhile: what is slow out there is no loop that hangs.
package pulse

import (
	"context"
	"time"
)

// Pulse is how one loop is asked. Ask and Do may be called from any goroutine.
type Pulse chan func()

// New makes a pulse.
func New() Pulse { return make(Pulse) }

// Named is a pulse and whose it is.
type Named struct {
	Name string
	Pulse
}

// Ask returns nil once the loop has answered, or why ctx ended before.
func (p Pulse) Ask(ctx context.Context) error { return p.Do(ctx, func() {}) }

// Do has the loop run f, and returns once it has; or why ctx ended before.
func (p Pulse) Do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case p <- func() { defer close(done); f() }:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// While is called by the loop. It runs f in a goroutine of its own, answers until
// f returns, and returns then. When f takes longer than most, it hangs, and there
// is no answer any more.
func (p Pulse) While(most time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case beat := <-p:
			beat()
		case <-done:
			return
		case <-late.C:
			<-done
			return
		}
	}
}
