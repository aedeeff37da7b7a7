package kiosk

import "time"

// Show is what a screen shows to the person before it.
type Show struct {
	Out       bool     // out of service: a press would not be kept
	Dead      []string // buttons that are out of order, where others serve
	Working   bool     // the store is slow to take a press: it is not saved yet
	Unkept    bool     // a press waits that the store would not take
	Newest    *Kept    // nil when there is none since the start, or it was taken back
	Received  bool     // the centre has Newest
	Takeable  bool     // Newest can still be taken back, by its own time
	Waiting   uint64   // records that the centre does not have
	Cancelled string   // ticket that was taken back a moment ago, "" if none
}

// shown is what Show is made of; the kiosk's mutex guards it.
type shown struct {
	changed   chan struct{} // closed at the next change
	acked     uint64
	cancelled string    // the newest ticket that was taken back
	at        time.Time // of that
}

// tellCancelled is how long a screen says that a press was taken back.
const tellCancelled = 8 * time.Second

func (k *Kiosk) changedLocked() {
	close(k.shown.changed)
	k.shown.changed = make(chan struct{})
}

func (k *Kiosk) changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changedLocked()
}

// Changed returns a channel that is closed at the next change of Show. Take it
// before looking.
func (k *Kiosk) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shown.changed
}

// Show returns what a screen shows now.
func (k *Kiosk) Show() Show {
	var s Show
	k.panel.out(&s)
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.shown.at) < tellCancelled {
		s.Cancelled = k.shown.cancelled
	}
	if k.last.Ticket != "" && k.last.Ticket != k.shown.cancelled {
		last := k.last
		s.Newest, s.Received = &last, k.shown.acked >= last.Seq
		s.Takeable = time.Since(last.At) < k.cfg.CancelWithin
	}
	if k.cfg.Head != nil {
		s.Waiting = k.cfg.Head().Backlog()
	}
	return s
}

// Acked tells that the centre has all complaints up to seq. It does not block.
func (k *Kiosk) Acked(seq uint64) {
	k.panel.acked(seq)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown.acked = max(k.shown.acked, seq)
	k.changedLocked()
}

// kept notes and confirms a press that is durable. The log line comes first:
// who sees the lamp finds the ticket there.
func (k *Kiosk) kept(p Kept, took time.Duration) {
	k.log.Info("press kept", "line", p.Button, "ticket", p.Ticket, "seq", p.Seq, "presses", p.Presses, "took", took)
	k.panel.kept(p.Button, p.Seq)
	k.mu.Lock()
	if p.Seq > k.last.Seq {
		k.last = p
	}
	k.changedLocked()
	k.mu.Unlock()
	k.events.reserve(p.Seq)
	if k.cfg.OnKept != nil {
		k.cfg.OnKept(p)
	}
}

// withdrawn tells that a press was taken back by the record seq.
func (k *Kiosk) withdrawn(ticket string, seq uint64) {
	k.panel.taken(seq)
	k.events.withdrawn(ticket)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown.cancelled, k.shown.at = ticket, time.Now()
	k.changedLocked()
}
