package spool

import (
	"fmt"
	"maps"
	"slices"

	"kentongan/agent/report"
)

// move gives what is left of the old epoch its place in the new one. It belongs
// to the one with the pen; after an error it goes on where it was.
func (s *Spool) move() {
	if !s.renewal.moving() {
		return
	}
	s.giveUpTelemetry()
	for _, old := range s.old[:2] {
		if err := s.moveLane(old); err != nil {
			s.log.Warn("records wait for the new epoch", "lane", old.name, "err", err)
			return
		}
	}
	s.settleEpoch()
}

// moveRecords is how many records are moved with one commit at most.
const moveRecords = 128

func (s *Spool) moveLane(old *lane) error {
	l := s.lanes[laneNumber(old.name)]
	for {
		r := &reader{from: max(old.first, old.moved+1), records: moveRecords, bytes: maxCommit / 2}
		if err := old.readSegments(r); err != nil && len(r.out) == 0 {
			return err
		}
		if len(r.out) == 0 {
			old.mu.Lock()
			old.first = old.next
			old.releaseLocked()
			old.mu.Unlock()
			s.leaveOld(old)
			return nil
		}
		some := old.ofOneSegment(r.out)
		err := s.moveSome(l, old, some)
		if err == nil {
			old.moved = some[len(some)-1].Seq
		}
		old.mu.Lock()
		old.first = max(old.first, old.moved+1)
		old.releaseLocked()
		freed := len(old.free) > 0
		old.mu.Unlock()
		if freed || err != nil { // what has moved may be acknowledged before the rest goes on
			s.leaveOld(old)
		}
		if err != nil {
			return err
		}
	}
}

// ofOneSegment are those of the entries that stand in the same segment as the
// first, so that it is free before the next one moves.
func (l *lane) ofOneSegment(entries []report.Entry) []report.Entry {
	for _, seg := range l.segs {
		if seg.last < entries[0].Seq {
			continue
		}
		n := 1
		for n < len(entries) && entries[n].Seq <= seg.last {
			n++
		}
		return entries[:n]
	}
	return entries
}

// moveSome writes records of the old epoch as records of the new one.
func (s *Spool) moveSome(l, old *lane, entries []report.Entry) error {
	var items []item
	var places []uint64 // where they stood
	seq, prev := l.next, l.prev
	for _, e := range entries {
		if old.have[e.Seq] {
			continue
		}
		line, err := l.movedLine(e.Line, seq, prev)
		if err != nil {
			old.cantMove(e, err)
			continue
		}
		prev = report.HashLine(line)
		items = append(items, item{kind: frameRecord, seq: seq, count: 1, payload: line, hash: prev})
		places = append(places, e.Seq)
		seq++
	}
	for len(items) > 0 {
		n, err := l.put(items)
		if err != nil {
			return err
		}
		l.prev = items[n-1].hash
		old.moved = places[n-1]
		s.renewal.count(old.name, n)
		items, places = items[n:], places[n:]
	}
	return nil
}

// movedLine is a record of the old epoch as one of the lane.
func (l *lane) movedLine(was []byte, seq uint64, prev report.Hash) ([]byte, error) {
	rec, err := report.DecodeRecord(was)
	if err != nil {
		return nil, err
	}
	line, err := rec.Move(l.epoch, seq, prev)
	if err == nil && frameSpace(len(line)) > l.size-headerSize {
		err = fmt.Errorf("record of %d bytes does not fit into a segment of %d", len(line), l.size)
	}
	return line, err
}

// cantMove sets a record aside that has no place in the new epoch: a longer
// number may make the longest record too long. The others must not wait for it.
func (l *lane) cantMove(e report.Entry, err error) {
	l.have[e.Seq] = true
	l.s.damage(report.Damage{
		Lane: l.name, Bytes: int64(len(e.Line)), Detail: fmt.Sprintf("record %s/%d can't move into the new epoch: %v", l.epoch, e.Seq, err),
		Saved: l.s.setAside(l.name, uint64(l.epoch), int64(e.Seq), e.Line),
	})
}

func (r *renewal) count(lane report.Lane, n int) {
	if r.Moved == nil {
		r.Moved = map[report.Lane]uint64{}
	}
	r.Moved[lane] += uint64(n)
}

// leaveOld tells the cursor how far the old epoch has been moved, before its
// files are used again.
func (s *Spool) leaveOld(old *lane) {
	if c := s.renewal.Lanes[old.name]; c != nil {
		c.First = min(old.first, c.Next)
	}
	_ = s.saveCursor(false) // it logs; without it some records are taken for missing after a power cut
	s.handOver(old)
}

// movedBefore finds out what an earlier run moved: all below from, and those in
// have. The power may have gone within a commit, which then left any of its
// records; all before it were confirmed. Segments that are free count too, for
// what the centre has acknowledged has moved: nothing may have written to any
// since the spool was opened.
func (s *Spool) movedBefore(l *lane) (from uint64, have map[uint64]bool) {
	have = map[uint64]bool{}
	all := slices.Concat(l.segs, l.free)
	slices.SortFunc(all, func(a, b *segment) int { return compare(b.id, a.id) })
	for _, seg := range all {
		if seg.id == 0 || seg.epoch != l.epoch {
			continue
		}
		im, _ := l.load(seg)
		for _, spot := range im.walk(seg.first, seg.last).spots {
			at := spot.off + frameSize
			rec, err := report.DecodeRecord(im.data[at : at+int64(spot.length)])
			if err == nil && rec.Was != nil && rec.Was.Epoch == s.renewal.Epoch {
				have[rec.Was.Seq] = true
			}
		}
		if len(have) > moveRecords {
			return slices.Min(slices.Collect(maps.Keys(have))), have
		}
	}
	return 0, have
}

// giveUpTelemetry lets the measurements of the old epoch go: the centre has
// others under their numbers, or these.
func (s *Spool) giveUpTelemetry() {
	old := s.old[2]
	old.mu.Lock()
	old.first = old.next
	old.releaseLocked()
	old.mu.Unlock()
	s.leaveOld(old)
	s.lanes[2].shrink()
}

// settleEpoch says what has happened, and forgets the old epoch when that is
// durable.
func (s *Spool) settleEpoch() {
	if len(s.told) == 0 {
		s.tellEpoch()
	}
	s.events(nil, false, true)
	if s.notes.has(s.told) {
		return
	}
	for _, l := range s.lanes {
		l.shrink() // a file less costs less than one made anew
		l.rehead()
	}
	s.log.Warn("new epoch settled", "was", s.renewal.Epoch, "epoch", s.epoch, "moved", s.renewal.Moved)
	s.renewal, s.old, s.told = nil, nil, nil
	_ = s.saveCursor(false) // it logs; without it the same is said once more
}

// tellEpoch makes the notes: an event, and gap records of the numbers that have
// ended with the old epoch, and of those that the new one leaves out.
func (s *Spool) tellEpoch() {
	r := s.renewal
	said := report.NewEpoch{Was: r.Epoch, Epoch: s.epoch, Held: r.Held, Moved: r.Moved, Gone: map[report.Lane]uint64{}}
	for _, old := range s.old {
		from, to := max(r.Start[old.name], 1), old.next-1
		if from <= to {
			s.told = append(s.told, &note{gap: &report.Gap{Lane: old.name, Epoch: r.Epoch, From: from, To: to, Count: to - from + 1, Reason: report.GapEpoch}})
			if gone := to - from + 1; gone > r.Moved[old.name] {
				said.Gone[old.name] = gone - r.Moved[old.name]
			}
		}
		if base := r.Base[old.name]; base > 1 {
			s.told = append(s.told, &note{gap: &report.Gap{Lane: old.name, Epoch: s.epoch, From: 1, To: base - 1, Count: base - 1, Reason: report.GapEpoch}})
		}
	}
	s.told = append(s.told, &note{epoch: &said})
	for _, n := range s.told {
		n.alone = true
		s.notes.add(n)
	}
}

// has tells whether any of the notes still waits.
func (ns *notes) has(some []*note) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return slices.ContainsFunc(ns.pending, func(n *note) bool { return slices.Contains(some, n) })
}

// rehead takes the old epoch out of free files: their headers would be another
// store's when it is forgotten, and what an earlier life left would be taken for
// something begun.
func (l *lane) rehead() {
	l.mu.Lock()
	free := slices.Clone(l.free)
	l.mu.Unlock()
	for _, seg := range free {
		if seg.epoch == l.epoch || seg.bad {
			continue
		}
		f, err := l.s.fs.Open(l.path(seg.slot), true)
		if err == nil {
			err = rewrite(f, l.blank(), seg.size)
			_ = f.Close()
		}
		l.mu.Lock()
		seg.header = header{lane: l.name, epoch: l.epoch, size: seg.size, device: l.s.o.Device}
		seg.last, seg.bad = 0, err != nil
		l.mu.Unlock()
		if err != nil {
			l.s.fault(l, err)
		}
	}
}

// rewrite gives a file a header and nothing else. The header comes first, in the
// one sector that it takes, so that what the power leaves is a free file.
func rewrite(f File, head []byte, size int64) error {
	if _, err := f.WriteAt(head[:headerUsed], 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := wipe(f, size); err != nil {
		return err
	}
	return f.Sync()
}

// wipe writes zeros behind the header where there is something else.
func wipe(f File, size int64) error {
	buf := make([]byte, len(zeros))
	for off := int64(headerSize); off < size; {
		n := min(int64(len(buf)), size-off)
		got, _ := f.ReadAt(buf[:n], off)
		if int64(got) < n || !allZero(buf[:n]) {
			if _, err := f.WriteAt(zeros[:n], off); err != nil {
				return err
			}
		}
		off += n
	}
	return nil
}
