package spool

import (
	"errors"
	"maps"

	"kentongan/agent/report"
)

// A store that was put back from an older copy counts on from numbers that the
// centre has for other records. It begins a new epoch then, in two steps that a
// power cut may part anywhere:
//
//	Renew   the wish stands in the cursor, and the numbers of presses jump
//	Open    the cursor names the new epoch and the old one; the records that
//	        were not acknowledged are written again, with new numbers, segment
//	        by segment; then the old epoch is forgotten
//
// While records move, a header of the new epoch names the old one, so that the
// loss of the cursor does not make either of them foreign.

// renewal is what the cursor keeps of it.
type renewal struct {
	Epoch report.Epoch                `json:"epoch"` // the old one
	Held  map[report.Lane]uint64      `json:"held,omitempty"`
	Lanes map[report.Lane]*laneCursor `json:"lanes,omitempty"` // of the old epoch; nil while it is only a wish
	Start map[report.Lane]uint64      `json:"start,omitempty"` // the first number that was to move
	Base  map[report.Lane]uint64      `json:"base,omitempty"`  // the first number of the new epoch
	Moved map[report.Lane]uint64      `json:"moved,omitempty"` // records
}

// moving tells whether the new epoch has begun.
func (r *renewal) moving() bool { return r != nil && r.Lanes != nil }

func (r *renewal) valid(now report.Epoch) bool {
	if r == nil {
		return true
	}
	for lane, c := range r.Lanes {
		if c == nil || !lane.Valid() || c.First == 0 || c.Next < c.First {
			return false
		}
	}
	return r.Epoch != 0 && r.moving() == (r.Epoch != now)
}

func (r *renewal) held() map[report.Lane]uint64 {
	if r == nil {
		return nil
	}
	return r.Held
}

// jump is how many numbers are left out: as many records as the lane can hold, a
// page each, may have got one before the copy was put back.
func (l *lane) jump() uint64 { return max(reserveStep, uint64(l.quota/pageSize)) }

// mostAhead is how far beyond its own numbers a lane believes that the centre is.
// Numbers are unique within an epoch; only tickets need more, and those go round
// after as many. A higher one is forged, and the centre takes none above 2^40: a
// lane that went there could never send again.
const mostAhead = report.MaxTicketPart + 1

// Renew asks for a new epoch, which the next Open begins; held are the numbers
// up to which the centre has records that are not these. From now on no press
// gets a number that the centre may have. When it returns nil that is durable.
// The caller closes the spool and opens it again.
func (s *Spool) Renew(held map[report.Lane]uint64) error {
	select {
	case s.pen <- struct{}{}:
	case <-s.done:
		return ErrClosed
	}
	defer func() { <-s.pen }()
	if s.renewal.moving() {
		return errors.New("the last new epoch has not settled yet")
	}
	if s.renewal == nil {
		s.renewal = &renewal{Epoch: s.epoch, Held: map[report.Lane]uint64{}}
		s.log.Warn("new epoch asked for", "epoch", s.epoch, "held", held)
	}
	if s.renewal.Held == nil {
		s.renewal.Held = map[report.Lane]uint64{}
	}
	next := s.marks()
	for i, lane := range report.Lanes() {
		if seq := min(held[lane], next[i]+mostAhead); seq > s.renewal.Held[lane] {
			s.renewal.Held[lane] = seq
		}
	}
	s.lanes[0].leap(s.renewal.Held[report.Complaint])
	return s.saveCursor(false)
}

// leap leaves out all numbers that the centre may have.
func (l *lane) leap(held uint64) {
	l.mu.Lock()
	from, to := l.next, held+l.jump()
	l.mu.Unlock()
	if from > to {
		return
	}
	l.retire()
	l.mu.Lock()
	l.next, l.durable = to+1, to+1
	l.known = addRange(l.known, report.Range{From: from, To: to})
	l.mu.Unlock()
	l.s.gap(l, from, to, report.GapEpoch)
}

// formerEpoch is the one whose records are moving; 0 for none.
func (s *Spool) formerEpoch() report.Epoch {
	if s.renewal.moving() {
		return s.renewal.Epoch
	}
	return 0
}

// grace is how far a lane may go beyond its quota while records move: each
// takes a little more room in the new epoch, the old one's file is free only
// afterwards, and a power cut in between leaves a segment half used.
func (l *lane) grace() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.oldBytes > 0 {
		return l.quota
	}
	return 0
}

// beginEpoch makes the cursor name a new epoch, when one was asked for. What the
// old one still has to say must be on the disk before. It tells whether the
// spool has to be opened anew.
func (s *Spool) beginEpoch() bool {
	if s.renewal == nil || s.renewal.moving() {
		return false
	}
	if s.notes.ready(true) {
		s.log.Warn("new epoch waits", "err", "the event lane can't be written")
		return false
	}
	next, err := s.o.Epoch()
	if err != nil {
		s.log.Warn("new epoch waits", "err", err)
		return false
	}
	if next == s.epoch {
		next++
	}
	r := &renewal{
		Epoch: s.epoch, Held: s.renewal.Held,
		Lanes: map[report.Lane]*laneCursor{}, Start: map[report.Lane]uint64{}, Base: map[report.Lane]uint64{},
	}
	c := cursors{Version: formatVersion, Epoch: next, Lanes: map[report.Lane]*laneCursor{}, Renew: r}
	for _, l := range s.lanes {
		l.retire()
		old := l.cursor(false)
		old.Known = old.Known[max(len(old.Known)-maxPending, 0):]
		base := max(old.Next, old.Reserved, r.Held[l.name]+1) + l.jump()
		r.Lanes[l.name], r.Start[l.name], r.Base[l.name] = old, old.First, base
		c.Lanes[l.name] = &laneCursor{First: base, Next: base, ID: old.ID, Reserved: base}
	}
	if s.mirror != nil {
		c.Behind = s.mirror.behindNames()
	}
	if _, err := s.cursor.save(c, true); err != nil {
		s.log.Warn("new epoch waits", "err", err)
		return false
	}
	s.log.Warn("new epoch begins", "was", s.epoch, "epoch", next, "held", r.Held)
	if s.mirror != nil {
		s.mirror.saveCursor(c, true)
		s.mirror.close()
	}
	s.cursor.close()
	return true
}

// oldFiles takes the files of the old epoch out of the survey.
func (s *Spool) oldFiles(sv *survey) (old [3][]*found) {
	former := s.formerEpoch()
	for i, files := range sv.lanes {
		sv.lanes[i] = nil
		for _, f := range files {
			if f.epoch == former && former != 0 {
				old[i] = append(old[i], f)
			} else {
				sv.lanes[i] = append(sv.lanes[i], f)
			}
		}
	}
	return old
}

// openOld makes lanes of what is left of the old epoch.
func (s *Spool) openOld(files [3][]*found) {
	s.old = nil
	if !s.renewal.moving() {
		return
	}
	for i, name := range report.Lanes() {
		old := s.newLane(name)
		old.epoch = s.renewal.Epoch
		c := s.renewal.Lanes[name]
		old.restore(files[i], c, c == nil, false, 0, 0)
		old.retire()
		l := s.lanes[i]
		l.topID, l.topSlot = max(l.topID, old.topID), max(l.topSlot, old.topSlot)
		s.old = append(s.old, old)
		s.renewal.complete(name, l, old)
		var from uint64
		from, old.have = s.movedBefore(l) // before anything can be acknowledged or written
		old.moved = max(from, old.first) - 1
		s.handOver(old)
	}
}

// complete fills in what a cursor that was lost would have told.
func (r *renewal) complete(name report.Lane, l, old *lane) {
	if r.Lanes[name] != nil && r.Base[name] > 0 {
		return
	}
	if r.Start == nil {
		r.Start = map[report.Lane]uint64{}
	}
	if r.Base == nil {
		r.Base = map[report.Lane]uint64{}
	}
	r.Lanes[name] = &laneCursor{First: old.first, Next: old.next, ID: old.topID}
	r.Start[name], r.Base[name] = old.first, l.first
}

// handOver gives the files that the old epoch does not need any more to the new
// one.
func (s *Spool) handOver(old *lane) (any bool) {
	l := s.lanes[laneNumber(old.name)]
	old.mu.Lock()
	free := old.free
	old.free = nil
	rest := int64(0)
	for _, seg := range old.segs {
		rest += seg.size
	}
	old.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, free...)
	l.oldBytes = rest
	return len(free) > 0
}

// clone is a copy for the cursor.
func (r *renewal) clone() *renewal {
	if r == nil {
		return nil
	}
	c := *r
	c.Moved = maps.Clone(r.Moved)
	return &c
}
