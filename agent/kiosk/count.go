package kiosk

import (
	"fmt"
	"time"

	"kentongan/agent/report"
)

const (
	retryEvery   = 2 * time.Second       // of a record that the store refused
	workingAfter = 80 * time.Millisecond // a store that takes longer is seen to work: within 100 ms something must be seen
	slowAfter    = 5 * time.Second       // a store that takes longer is a fault: the citizen has gone
	flushTimeout = 3 * time.Second       // for the last record, at shutdown

	// A button that is pressed for so long without a cool-down in which nobody
	// pressed is a short circuit or a game: no queue of people is that quick for
	// so long. From there each cool-down is twice as long, so that it cannot fill
	// the lane: some 170 records on the first day, 144 on each further one.
	floodAfter  = time.Minute
	floodBase   = time.Second // at least, of what is doubled
	maxCooldown = 10 * time.Minute
)

// flight is one record that is being appended.
type flight struct {
	n       int         // presses in it, 1 for a cancel; 0 is no flight
	take    *withdrawal // of a record that takes a press back; else nil
	waiters []waiter    // touches that are in it
}

type appendResult struct {
	press report.Press
	seq   uint64
	err   error
	took  time.Duration
}

// next appends what is counted, if there is something and it may be now. A
// cancel goes first, and waits for no cool-down.
func (b *button) next() {
	if b.flying.n > 0 || b.refused {
		return
	}
	if b.taken != nil {
		b.fly(flight{n: 1, take: b.taken})
		return
	}
	if b.pending == 0 || b.cooling {
		return
	}
	f := flight{n: b.pending, waiters: b.touches}
	b.pending, b.touches = 0, nil
	b.cooling = true
	b.cooldown.Reset(b.pause())
	b.fly(f)
}

func (b *button) fly(f flight) {
	b.flying = f
	b.slow.Reset(slowAfter)
	if f.take == nil { // what a cancel takes back is saved until then
		b.working.Reset(workingAfter)
	}
	go func() { b.done <- b.append(f) }() // serve or flush waits for it
}

// pause is the length of the cool-down that begins now.
func (b *button) pause() time.Duration {
	if b.grown == 0 {
		return b.k.cfg.Cooldown
	}
	d := max(b.k.cfg.Cooldown, floodBase)
	for n := 0; n < b.grown && d < maxCooldown; n++ {
		d = min(2*d, maxCooldown)
	}
	return d
}

// cooled ends a cool-down.
func (b *button) cooled() {
	b.cooling = false
	if b.pending == 0 {
		b.busy, b.grown = time.Time{}, 0
		b.clear(stateFlood, 0)
		return
	}
	if b.busy.IsZero() {
		b.busy = time.Now()
	}
	if time.Since(b.busy) >= floodAfter {
		b.grown++
		b.raise(stateFlood, fmt.Sprintf("pressed for %v without a pause; further presses are counted together", floodAfter), uint64(b.pending))
	}
	b.next()
}

// append makes one record.
func (b *button) append(f flight) (r appendResult) {
	began := time.Now()
	kind, body := report.KindPress, func(seq uint64) any {
		r.press = b.press(seq, f.n)
		return r.press
	}
	if t := f.take; t != nil {
		kind, body = report.KindCancel, func(uint64) any {
			return report.Cancel{Ticket: t.ticket, Line: b.cfg.Name, Presses: t.presses, By: t.by}
		}
	}
	r.seq, r.err = b.k.store.AppendFunc(b.store, report.Complaint, kind, body)
	r.took = time.Since(began)
	return r
}

func (b *button) press(seq uint64, n int) report.Press {
	ticket := b.k.numbers.ticket(seq)
	return report.Press{
		Ticket: ticket.String(), Line: b.cfg.Name,
		ServiceCode: b.cfg.ServiceCode, Category: b.cfg.Category, Label: b.cfg.Label, Presses: n,
		PIN: b.k.numbers.pinOf(ticket),
	}
}

// appended takes the store's answer: it confirms, or keeps the presses counted
// and tries again.
func (b *button) appended(r appendResult) {
	f := b.flying
	b.flying = flight{}
	b.slow.Stop()
	b.working.Stop()
	if r.err != nil {
		b.k.panel.works(b.cfg.Name, false)
		if f.take == nil {
			b.pending += f.n
			b.touched(f.waiters)
			b.cooling = false
			b.cooldown.Stop()
		}
		b.refused = true
		b.retry.Reset(retryEvery)
		b.storeRefused(r.err)
		return
	}
	b.k.panel.fault(b.storeFault(), false)
	b.clear(stateUnkept, 0)
	if f.take != nil {
		b.withdrawn(r)
	} else {
		b.mu.Lock()
		b.st.Kept += uint64(f.n)
		b.mu.Unlock()
		b.confirm(r, f.waiters)
	}
	b.next()
}

// confirm tells the citizen, and notes what a cancel would take back.
func (b *button) confirm(r appendResult, waiters []waiter) {
	kept := Kept{Button: b.cfg.Name, Ticket: r.press.Ticket, PIN: r.press.PIN, Label: r.press.Label, Presses: r.press.Presses, Seq: r.seq, At: time.Now()}
	b.newest = confirmed{kept: kept}
	b.k.kept(kept, r.took)
	for _, w := range waiters {
		w <- touchResult{kept: kept} // has room for it
	}
	b.cancels()
}

// storeSuffix makes the name of a fault of the store, beside the button's own.
const storeSuffix = " store"

func (b *button) storeFault() string { return b.cfg.Name + storeSuffix }

func (b *button) storeRefused(err error) {
	b.mu.Lock()
	b.st.Refused++
	b.mu.Unlock()
	b.k.panel.fault(b.storeFault(), true)
	if !b.bad.has(stateUnkept) { // not at each try for the same presses
		b.k.panel.refused()
	}
	b.raise(stateUnkept, err.Error(), uint64(b.pending))
}

// flush waits for the append under way and makes a record of what is counted.
func (b *button) flush() {
	defer b.k.limit(b.give)()
	defer func() { b.leaves.accepted = b.newest }()
	b.brought()
	for {
		if b.flying.n == 0 {
			b.cooling, b.refused = false, false
			b.next()
		}
		if b.flying.n == 0 {
			return
		}
		n := b.flying.n
		r := <-b.done
		b.appended(r)
		if r.err != nil && b.store.Err() == nil && b.leavesPresses() {
			return
		}
		if r.err != nil {
			b.k.log.Error("presses not kept", "line", b.cfg.Name, "presses", n, "err", r.err)
			return
		}
	}
}
