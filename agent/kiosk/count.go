package kiosk

import (
	"time"

	"kentongan/agent/report"
)

const (
	retryEvery   = 2 * time.Second // of a record that the store refused
	slowAfter    = 5 * time.Second // a store that takes longer is a fault: the citizen has gone
	flushTimeout = 3 * time.Second // for the last record, at shutdown
)

type appendResult struct {
	press report.Press
	seq   uint64
	err   error
	took  time.Duration
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
