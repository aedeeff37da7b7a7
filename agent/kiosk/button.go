package kiosk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/hal"
)

const reopenEvery = 30 * time.Second // of a line that could not be opened

// button is one service that can be pressed: by a line of its own, as the long
// press or the combination of others, or on the screen. Its run owns all but
// what mu guards.
type button struct {
	k    *Kiosk
	cfg  Button
	deb  debouncer
	ges  gesture
	long *button // what a long press means; nil if nothing
	pair *chord  // that its presses may be half of; nil if none

	level  bool          // of the newest edge, or as the line was found
	last   time.Duration // when the newest edge was
	began  time.Time     // when the newest touch was seen to begin
	settle *time.Timer   // running after an edge, where the end of a touch matters
	held   *time.Timer   // running while a touch is undecided
	alone  *time.Timer   // running while a press may still be half of a combination

	pulse pulse.Pulse
	poked chan struct{} // holds one: outside or asked has something

	pending  int               // presses that are in no record yet
	touches  []waiter          // who waits for these
	flying   flight            // the record that is being appended; its n is 0 if none is
	done     chan appendResult // of that record
	cooldown *time.Timer       // running: pending presses wait for its end
	cooling  bool
	busy     time.Time   // since when each cool-down had presses waiting at its end
	grown    int         // how often the cool-down was doubled for that
	retry    *time.Timer // running: the store refused
	refused  bool
	slow     *time.Timer     // running while an append does
	working  *time.Timer     // the same
	edges    <-chan hal.Edge // of the line; nil without one
	waits    bool            // for the other one of the pair to have seen all its edges
	stuck    *time.Timer     // running while the line is active
	noise    noiseWatch
	taken    *withdrawal     // a cancel that is in no record yet; nil if none
	newest   confirmed       // the newest press that was kept
	store    context.Context // of appends: outlives run's own, or a press could be kept twice
	give     context.CancelFunc

	from   *left // what the button of this name in the kiosk before has left; nil if nothing
	leaves left  // to the next kiosk

	bad troubles
	mu  sync.Mutex // guards what follows
	st  ButtonStatus

	outside outside
	asked   []cancelBy // cancels that wait to be looked at
}

func newButton(k *Kiosk, cfg Button) *button {
	b := &button{k: k, cfg: cfg, done: make(chan appendResult, 1), poked: make(chan struct{}, 1), pulse: pulse.New()}
	b.ges = gesture{hold: cfg.Hold, long: cfg.LongAfter}
	b.st.Name, b.st.Wired = cfg.Name, b.wired()
	b.bad = troubles{line: cfg.Name, events: k.events}
	return b
}

// wired tells whether the button has a line of its own.
func (b *button) wired() bool { return b.cfg.Line.Line != "" }

// run watches the button until ctx ends, and opens its line again when that is
// gone or was never there.
func (b *button) run(ctx context.Context) {
	b.store, b.give = context.WithCancel(context.WithoutCancel(ctx))
	defer b.give()
	for _, t := range b.timers() {
		*t = idle()
	}
	again := idle()
	defer func() {
		again.Stop()
		for _, t := range b.timers() {
			(*t).Stop()
		}
	}()
	b.begins()
	if b.wired() {
		b.watch(ctx, again)
	} else {
		b.note()
		_ = b.serve(ctx, nil, nil)
	}
	b.k.ending.Done()
	b.k.ending.Wait() // another button may still bring a press
	b.flush()
}

// watch takes the edges of the line until ctx ends.
func (b *button) watch(ctx context.Context, again *time.Timer) {
	for ctx.Err() == nil || b.from.holds() {
		in, err := b.openLine()
		if err == nil {
			if err = b.serve(ctx, in, nil); err == nil {
				b.closes(in)
			} else {
				_ = in.Halt() // gone already
			}
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
}

// closes ends with a line at the end of Run: the next kiosk takes it as it is, or
// it is given back, and a press that came until then counts.
func (b *button) closes(in hal.Input) {
	b.drain()
	if b.passesOn(in) {
		return
	}
	_ = in.Halt()
	b.drain()
	b.leaves.level, b.leaves.last = b.level, b.last
	b.ends()
}

func (b *button) timers() []**time.Timer {
	return []**time.Timer{&b.cooldown, &b.retry, &b.slow, &b.working, &b.stuck, &b.settle, &b.held, &b.alone, &b.noise.timer}
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
	b.ges.down = false
	b.noise.opened(in)
	active, err := in.Active()
	b.level = err == nil && active
	if err == nil {
		b.saw(active)
	}
	if err == nil && active {
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
	b.edges = nil
	if in != nil {
		b.edges = in.Edges()
	}
	for {
		select {
		case e, ok := <-b.edges:
			if !ok {
				b.stuck.Stop()
				b.ends()
				return errors.New("the line is gone: its chip was removed or its driver ended")
			}
			b.edge(e)
		case r := <-b.done:
			b.appended(r)
		case beat := <-b.pulse:
			beat()
		case <-b.poked:
			b.brought()
		case <-b.cooldown.C:
			b.cooled()
		case <-b.retry.C:
			b.refused = false
			b.next()
		case <-b.slow.C:
			b.k.panel.works(b.cfg.Name, false)
			b.k.panel.fault(b.storeFault(), true)
			b.k.panel.refused()
			b.raise(stateUnkept, fmt.Sprintf("the disk takes longer than %v to keep a press", slowAfter), uint64(b.pending+b.flying.n))
			b.k.log.Error("store is slow", "line", b.cfg.Name, "after", slowAfter)
		case <-b.working.C:
			b.k.panel.works(b.cfg.Name, true)
		case <-b.stuck.C:
			b.isStuck(in)
		case <-b.settle.C:
			b.settled()
		case <-b.held.C:
			b.isHeld()
		case <-b.alone.C:
			b.lonely()
		case <-b.noise.timer.C:
			b.listen(in)
		case <-stop:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// drain takes the edges that came before the end: a press among them counts.
func (b *button) drain() {
	for {
		select {
		case e, ok := <-b.edges:
			if !ok {
				return
			}
			b.edge(e)
		default:
			return
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
	b.level, b.last = e.Active, e.At
	b.saw(e.Active)
	press, bounce := b.deb.press(e)
	b.noise.edge(bounce)
	if bounce {
		b.mu.Lock()
		b.st.Bounces++
		b.mu.Unlock()
	}
	switch {
	case press:
		b.began = time.Now()
		b.means(b.ges.pressed(e.At), e.At)
		if d := b.ges.next(); d > 0 {
			b.held.Reset(d)
		}
	case !b.ges.waits():
	case !bounce && !e.Active:
		b.letGo()
	case bounce:
		b.settle.Reset(b.deb.quiet)
	}
}

// saw notes the line's level for Status.
func (b *button) saw(active bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if active != b.st.Active {
		b.st.Active = active
		b.st.Changes++
	}
}

// settled looks, when the bouncing is over, whether it was the end of a touch.
func (b *button) settled() {
	if !b.level {
		b.letGo()
	}
}

func (b *button) letGo() {
	b.settle.Stop()
	b.held.Stop()
	b.means(b.ges.released(b.last), b.ges.since)
}

// isHeld decides a touch that has lasted long enough, unless its end waits to be
// taken.
func (b *button) isHeld() {
	since := b.ges.since
	if b.catch(); b.ges.since == since {
		b.means(b.ges.held(), since)
	}
}

// ends decides what a touch is whose end will not be seen: a press, for better
// one too many than one that is lost.
func (b *button) ends() {
	if b.ges.down && !b.ges.decided {
		b.ges.down = false
		b.counts(b.ges.since)
	}
	b.single()
}

// means does what a touch that began at the time at turned out to be.
func (b *button) means(m meaning, at time.Duration) {
	switch m {
	case short:
		b.counts(at)
	case long:
		b.long.bring(1)
	case brush:
		b.mu.Lock()
		b.st.Brushes++
		b.mu.Unlock()
		b.k.panel.brushed()
	}
}

// counts takes a press, unless it may be half of a combination.
func (b *button) counts(at time.Duration) {
	if b.cfg.Cancel {
		b.k.cancelNewest()
		return
	}
	if b.pair == nil {
		b.count(1)
		return
	}
	switch b.pair.press(b, at) {
	case joined:
		b.pair.target.bring(1)
		return
	case twice:
		b.count(1)
	}
	b.waits = false
	b.alone.Reset(b.pair.within + chordSlack)
}

// single takes the press that waited for the other half of a combination.
func (b *button) single() {
	b.waits = false
	if b.pair != nil && b.pair.alone(b) {
		b.count(1)
	}
}

// count takes presses into the next record.
func (b *button) count(n int) {
	b.mu.Lock()
	b.st.Presses += uint64(n)
	b.mu.Unlock()
	b.pending += n
	b.k.pressed(b)
	if b.refused {
		b.k.panel.refused() // the person is told at once
	}
	b.next()
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
	if !b.cfg.Cancel { // without it a press is kept all the same
		b.k.panel.fault(b.cfg.Name, b.bad.untrusted())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.st.State, b.st.Detail = b.bad.worst()
}

func (b *button) status() ButtonStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.st
}
