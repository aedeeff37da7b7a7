package spool

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"kentongan/agent/report"
)

const (
	// cursorEvery is how often a cursor that moved is written: at one page each
	// time, some 12 MB a day at most.
	cursorEvery = 30 * time.Second
	// eventsPerRound bounds a burst of events, so that a press waits for one
	// commit of them at most.
	eventsPerRound = 128
)

// slowDisk is how long the last commit may have taken for a caller to write
// itself. Behind a slower disk it waits for the writer, and can give up.
const slowDisk = 100 * time.Millisecond

// appendHere commits a lone request on the caller's own goroutine. It returns
// false when others write or wait, or when the disk is slow.
func (s *Spool) appendHere(l *lane, r *request) bool {
	select {
	case s.pen <- struct{}{}:
	default:
		return false
	}
	s.mu.Lock()
	alone := !s.closed && len(s.queue[0])+len(s.queue[1]) == 0
	s.mu.Unlock()
	if l.name == report.Event && s.notes.ready(true) {
		alone = false // what was found before this event stands before it
	}
	if !alone || s.group > 1 || s.took > slowDisk {
		<-s.pen
		return false
	}
	began := time.Now()
	l.commit([]*request{r})
	now := time.Now()
	s.took = now.Sub(began)
	// The writer does the rest: a note of this commit, and telemetry that rides.
	rest := s.notes.ready(l.name == report.Event) || s.lanes[2].rides(now, s.o.TelemetryDelay)
	<-s.pen
	if rest {
		s.rest.Store(true)
		s.poke()
	}
	return true
}

// run is the writer: it alone changes files, except for appendHere.
func (s *Spool) run() {
	defer close(s.done)
	timer := time.NewTimer(cursorEvery)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.quit:
			s.pen <- struct{}{} // for ever
			s.end = s.finish()
			return
		}
		s.gather()
		s.pen <- struct{}{}
		s.round(time.Now())
		<-s.pen
		timer.Reset(max(time.Until(s.due()), time.Millisecond))
	}
}

// due is when there is something to do even if nobody appends.
func (s *Spool) due() time.Time {
	if l := s.lanes[2]; !l.idle() && s.flushDue.Before(s.cursorDue) {
		return s.flushDue
	}
	return s.cursorDue
}

// gatherTurns bounds how often the writer lets others run before it takes what
// waits: some 50 µs, a tenth of the fastest flush that a card makes.
const gatherTurns = 50

// gather lets those whose records were just confirmed come back with the next
// ones. Without it, writers fall into two groups that wait for each other's
// flush, and each flush carries half. A lone writer does not wait.
func (s *Spool) gather() {
	want := 0
	for i := range gatherTurns {
		s.mu.Lock()
		n := len(s.queue[0]) + len(s.queue[1])
		s.mu.Unlock()
		if i == 0 {
			want = n + s.group
		}
		if s.group < 2 || n >= want {
			return
		}
		runtime.Gosched()
	}
}

// round writes what waits, complaints first.
func (s *Spool) round(now time.Time) {
	presses, events, more := s.waiting()
	s.lanes[0].commit(presses)
	rides, tick := s.rest.Swap(false), !now.Before(s.cursorDue)
	s.events(events, rides, tick)
	if n := len(presses) + len(events); n > 0 {
		s.group, s.took, rides = n, time.Since(now), true
	}
	s.telemetry(now, rides)
	if tick {
		s.move()
		saved := s.saveCursor(false) == nil
		for _, l := range s.lanes {
			l.retry(saved)
			l.shrink()
		}
		if s.mirror != nil {
			s.mirror.heal(s.lanes[0])
		}
		s.cursorDue = now.Add(cursorEvery)
	}
	if more {
		s.poke()
	}
}

// waiting takes the requests: all presses, and some events.
func (s *Spool) waiting() (presses, events []*request, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	presses, s.queue[0] = s.queue[0], nil
	n := min(len(s.queue[1]), eventsPerRound)
	events, s.queue[1] = s.queue[1][:n:n], s.queue[1][n:]
	return presses, events, len(s.queue[1]) > 0
}

// events commits events behind the spool's own notes: what was found before an
// event stands before it, also where a segment ends between the two. A commit may
// itself leave a note (the oldest events were dropped for it), so it goes on
// until there is none; three rounds are enough for any that succeeds.
func (s *Spool) events(batch []*request, rides, all bool) {
	for range 3 {
		batch = append(s.notes.requests(all, rides || len(batch) > 0, s.o.Stamp), batch...)
		if len(batch) == 0 {
			return
		}
		s.lanes[1].commit(batch)
		for _, r := range batch {
			if r.note != nil {
				s.notes.settle(r.note, r.err)
			}
		}
		batch, rides = nil, false
	}
}

// finish is the end of the writer: all that waits goes to the disk.
func (s *Spool) finish() error {
	for {
		presses, events, more := s.waiting()
		s.lanes[0].commit(presses)
		s.events(events, false, true)
		if !more {
			break
		}
	}
	s.lanes[2].leave() // what it took until now is flushed, and no more comes
	var errs []error
	if err := s.lanes[2].flush(true); err != nil {
		errs = append(errs, err)
	}
	s.events(nil, false, true)
	if err := s.saveCursor(true); err != nil {
		errs = append(errs, err)
	}
	for _, l := range s.lanes {
		l.retire()
		l.leave()
	}
	if s.mirror != nil {
		s.mirror.close()
	}
	s.cursor.close()
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}

// leave makes Append and Read fail, and wakes those who wait.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	l.buffer.wakeLocked()
	l.notifyLocked()
}

// saveCursor writes the cursors of all lanes.
func (s *Spool) saveCursor(closing bool) error {
	c := cursors{Version: formatVersion, Epoch: s.epoch, Clean: closing && s.lanes[2].idle(), Lanes: map[report.Lane]*laneCursor{}}
	for _, l := range s.lanes {
		c.Lanes[l.name] = l.cursor(closing)
	}
	if s.mirror != nil {
		c.Behind = s.mirror.behindNames()
	}
	c.Renew = s.renewal.clone()
	n, err := s.cursor.save(c, closing)
	s.wrote(n, n/pageSize)
	if err != nil {
		s.refused(placeCursor, err, 1, 0)
		return err
	}
	if s.trouble.some() {
		s.taken(placeCursor)
	}
	if s.mirror != nil {
		s.mirror.saveCursor(c, closing)
	}
	for _, l := range s.lanes {
		l.saved = c.Lanes[l.name].First
	}
	s.reserved.Store(c.Lanes[report.Telemetry].Reserved)
	return nil
}

// cursor returns what the disk should know of the lane.
func (l *lane) cursor(closing bool) *laneCursor {
	pending := l.s.notes.gaps(l.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &laneCursor{Next: l.next, ID: l.topID}
	var waiting []report.Range
	for _, g := range pending {
		if g.Epoch == l.s.epoch {
			waiting = addRange(waiting, report.Range{From: g.From, To: g.To})
		}
	}
	if len(pending) > maxPending {
		pending = squeeze(pending, l.name, l.s.epoch, l.first)
	}
	most := min(len(pending), maxPending)
	for _, g := range pending[:most] {
		c.Pending = append(c.Pending, holeOf(g, l.s.epoch))
	}
	// Those beyond are found again only when the cursor does not pass them.
	c.First = l.explainedLocked(pending[most:])
	for _, r := range l.known {
		if r.To >= c.First {
			c.Known = append(c.Known, unknown(waiting, r)...)
		}
	}
	c.Known = c.Known[max(len(c.Known)-maxKnown, 0):]
	if l.name == report.Telemetry {
		c.Next = l.durable
		c.Reserved = max(l.next+reserveStep, l.s.reserved.Load())
		if closing && l.buffer.empty() {
			c.Next, c.Reserved = l.next, l.next
		}
	}
	c.Next = max(c.Next, c.First)
	return c
}
