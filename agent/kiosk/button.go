package kiosk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kentongan/hal"
)

const reopenEvery = 30 * time.Second // of a line that could not be opened

// button is one button. Its run owns all but what mu guards.
type button struct {
	k   *Kiosk
	cfg Button
	deb debouncer

	pending  int               // presses that are in no record yet
	flying   int               // presses in the record that is being appended, 0 if none is
	done     chan appendResult // of that record
	cooldown *time.Timer       // running: pending presses wait for its end
	cooling  bool
	retry    *time.Timer // running: the store refused
	refused  bool
	slow     *time.Timer // running while an append does
	stuck    *time.Timer // running while the line is active
	noise    noiseWatch
	store    context.Context // of appends: outlives run's own, or a press could be kept twice
	give     context.CancelFunc

	bad troubles
	mu  sync.Mutex // guards st
	st  ButtonStatus
}

func newButton(k *Kiosk, cfg Button) *button {
	b := &button{k: k, cfg: cfg, done: make(chan appendResult, 1)}
	b.st.Name = cfg.Name
	b.bad = troubles{line: cfg.Name, events: k.events}
	return b
}

// run watches the button until ctx ends, and opens its line again when that is
// gone or was never there.
func (b *button) run(ctx context.Context) {
	b.store, b.give = context.WithCancel(context.WithoutCancel(ctx))
	defer b.give()
	b.cooldown, b.retry, b.slow, b.stuck, b.noise.timer = idle(), idle(), idle(), idle(), idle()
	again := idle()
	defer b.stopTimers(again)
	for ctx.Err() == nil {
		in, err := b.k.board.OpenInput(b.cfg.Line)
		b.opened(in, err)
		if err == nil {
			err = b.serve(ctx, in, nil)
			_ = in.Halt() // gone already if it failed
		} else {
			again.Reset(reopenEvery)
			err = b.serve(ctx, nil, again.C)
		}
		if ctx.Err() == nil && err != nil {
			b.raise(hal.Missing, err.Error(), 0)
			again.Reset(reopenEvery)
			_ = b.serve(ctx, nil, again.C)
		}
	}
	b.flush()
}

// opened notes how the line was found.
func (b *button) opened(in hal.Input, err error) {
	problem := ""
	if err != nil {
		problem = problemOf(err)
	}
	for _, p := range []string{hal.Missing, hal.Busy, hal.Refused} {
		if p != problem {
			b.clear(p, 0)
		}
	}
	defer b.note()
	if err != nil {
		b.raise(problem, err.Error(), 0)
		return
	}
	b.deb = debouncer{quiet: b.quiet(in)}
	b.noise.opened(in)
	if active, err := in.Active(); err == nil && active {
		b.stuck.Reset(b.k.cfg.StuckAfter) // held while the agent started: no press, but it may be stuck
	} else if err == nil {
		b.clear(stateStuck, 0) // of the time before the line was gone
	}
}

func problemOf(err error) string {
	if e, ok := errors.AsType[*hal.LineError](err); ok {
		return e.Problem
	}
	return hal.Refused
}

// quiet is how long a line must rest; 0 where the driver has seen to it.
func (b *button) quiet(in hal.Input) time.Duration {
	if d, ok := in.(interface{ Debounced() bool }); ok && d.Debounced() {
		return 0
	}
	if b.cfg.Line.Debounce > 0 {
		return b.cfg.Line.Debounce
	}
	return b.k.cfg.Debounce
}

// serve handles the button until ctx or the line ends, or until stop. Without
// a line it still looks after what is counted.
func (b *button) serve(ctx context.Context, in hal.Input, stop <-chan time.Time) error {
	var edges <-chan hal.Edge
	if in != nil {
		edges = in.Edges()
	}
	for {
		select {
		case e, ok := <-edges:
			if !ok {
				b.stuck.Stop()
				return errors.New("the line is gone: its chip was removed or its driver ended")
			}
			b.edge(e)
		case r := <-b.done:
			b.appended(r)
		case <-b.cooldown.C:
			b.cooling = false
			b.next()
		case <-b.retry.C:
			b.refused = false
			b.next()
		case <-b.slow.C:
			b.k.panel.fault(b.storeFault(), true)
			b.k.log.Error("store is slow", "line", b.cfg.Name, "after", slowAfter)
		case <-b.stuck.C:
			b.isStuck(in)
		case <-b.noise.timer.C:
			b.listen(in)
		case <-stop:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// edge takes one change of the line.
func (b *button) edge(e hal.Edge) {
	if e.Active {
		b.stuck.Reset(b.k.cfg.StuckAfter)
	} else {
		b.stuck.Stop()
		b.clear(stateStuck, 0)
	}
	press, bounce := b.deb.press(e)
	b.noise.edge(bounce)
	b.mu.Lock()
	if press {
		b.st.Presses++
	}
	if bounce {
		b.st.Bounces++
	}
	b.mu.Unlock()
	if press {
		b.pending++
		b.next()
	}
}

func (b *button) isStuck(in hal.Input) {
	if in == nil {
		return
	}
	if active, err := in.Active(); err == nil && active {
		b.raise(stateStuck, fmt.Sprintf("active for more than %v", b.k.cfg.StuckAfter), 0)
	}
}

// idle is a timer that does not run.
func idle() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (b *button) stopTimers(more *time.Timer) {
	for _, t := range []*time.Timer{b.cooldown, b.retry, b.slow, b.stuck, b.noise.timer, more} {
		t.Stop()
	}
}

func (b *button) raise(state, detail string, count uint64) {
	b.bad.raise(state, detail, count)
	b.note()
}

func (b *button) clear(state string, count uint64) {
	b.bad.clear(state, count)
	b.note()
}

// note shows the troubles to the panel and to Status.
func (b *button) note() {
	b.k.panel.fault(b.cfg.Name, b.bad.untrusted())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.st.State, b.st.Detail = b.bad.worst()
}

func (b *button) status() ButtonStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.st
}
