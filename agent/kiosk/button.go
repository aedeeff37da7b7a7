package kiosk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

const (
	reopenEvery  = 30 * time.Second // of a line that could not be opened
	retryEvery   = 2 * time.Second  // of a record that the store refused
	slowAfter    = 5 * time.Second  // a store that takes longer is a fault: the citizen has gone
	flushTimeout = 3 * time.Second  // for the last record, at shutdown
)

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

type appendResult struct {
	press report.Press
	seq   uint64
	err   error
	took  time.Duration
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

// next appends what is counted, if there is something and it may be now.
func (b *button) next() {
	if b.pending == 0 || b.flying > 0 || b.cooling || b.refused {
		return
	}
	b.flying, b.pending = b.pending, 0
	b.cooling = true
	b.cooldown.Reset(b.k.cfg.Cooldown)
	b.slow.Reset(slowAfter)
	n := b.flying
	go func() { b.done <- b.append(n) }() // serve or flush waits for it
}

// append makes one record of n presses.
func (b *button) append(n int) (r appendResult) {
	began := time.Now()
	r.seq, r.err = b.k.store.AppendFunc(b.store, report.Complaint, report.KindPress, func(seq uint64) any {
		r.press = b.press(seq, n)
		return r.press
	})
	r.took = time.Since(began)
	return r
}

func (b *button) press(seq uint64, n int) report.Press {
	return report.Press{
		Ticket: report.NewTicket(b.k.cfg.Number, seq).String(), Line: b.cfg.Name,
		ServiceCode: b.cfg.ServiceCode, Category: b.cfg.Category, Label: b.cfg.Label, Presses: n,
	}
}

// appended takes the store's answer: it confirms, or keeps the presses counted
// and tries again.
func (b *button) appended(r appendResult) {
	n := b.flying
	b.flying = 0
	b.slow.Stop()
	if r.err != nil {
		b.pending += n
		b.cooling = false
		b.cooldown.Stop()
		b.refused = true
		b.retry.Reset(retryEvery)
		b.storeRefused(r.err)
		return
	}
	b.mu.Lock()
	b.st.Kept += uint64(n)
	b.mu.Unlock()
	b.k.panel.fault(b.storeFault(), false)
	b.clear(stateUnkept, 0)
	b.k.kept(r.press, r.seq, r.took)
	b.next()
}

func (b *button) storeFault() string { return b.cfg.Name + " store" }

func (b *button) storeRefused(err error) {
	b.mu.Lock()
	b.st.Refused++
	b.mu.Unlock()
	b.raise(stateUnkept, err.Error(), uint64(b.pending))
}

// flush waits for the append under way and makes a record of what is counted.
func (b *button) flush() {
	limit := time.AfterFunc(flushTimeout, b.give)
	defer limit.Stop()
	if b.flying > 0 {
		b.appended(<-b.done)
	}
	if b.pending == 0 && b.flying == 0 {
		return
	}
	if b.flying == 0 {
		b.cooling, b.refused = false, false
		b.next()
	}
	if r := <-b.done; r.err != nil {
		b.k.log.Error("presses not kept", "line", b.cfg.Name, "presses", b.flying, "err", r.err)
	} else {
		b.appended(r)
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
