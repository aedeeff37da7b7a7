package spool

import (
	"fmt"
	"path/filepath"
	"slices"

	"kentongan/agent/report"
)

// lostCursorJump is how many numbers a lane leaves out when the cursor was
// lost though there is a history: more than are likely to have been on the
// pages that went with it.
const lostCursorJump = 1024

// lostTelemetryJump is the same for telemetry: each life that ended before it
// wrote any has taken 4096 numbers, and only the cursor knew.
const lostTelemetryJump = 1 << 20

// restore makes a lane of what stands on the disk. lost tells that there is a
// history but no cursor; mark is the highest next number that any header of
// the spool gives.
func (l *lane) restore(files []*found, c *laneCursor, lost, clean bool, mark, reserved uint64) {
	if c == nil {
		c = &laneCursor{}
	}
	l.known = slices.Clone(c.Known)
	for _, h := range c.Pending {
		if h.Epoch == 0 {
			l.known = addRange(l.known, h.Range)
		}
		l.s.noteGap(h.gap(l.name, l.s.epoch))
	}
	l.topID = c.ID
	for _, f := range files {
		// A file that was cut short is read as if the rest were zeros.
		seg := &segment{header: f.header, slot: f.slot, bad: f.info.Size != f.size}
		l.topID = max(l.topID, f.id)
		if f.id == 0 || f.size < 2*pageSize {
			seg.bad = seg.bad || f.size == 0
			l.free = append(l.free, seg)
			continue
		}
		l.segs = append(l.segs, seg)
	}
	l.boundaries()
	if l.first = c.First; l.first == 0 {
		l.first = 1
		if len(l.segs) > 0 {
			l.first = l.segs[0].first
		}
	}
	// A header may know of acknowledgements that came after the cursor was
	// saved. Segments that were free keep their records until their next life.
	upto := uint64(0)
	for _, seg := range l.segs {
		l.first, upto = max(l.first, seg.cursor), max(upto, seg.upto)
	}
	tail := l.tail()
	next := max(tail.last+1+tail.skip, c.Next, mark, l.first)
	if l.name == report.Telemetry {
		next = max(tail.last+1, c.Next, c.Reserved, l.first)
		if !clean {
			next = max(next, reserved, tail.reserved)
		}
		if lost {
			next += lostTelemetryJump
		}
	} else if lost {
		next += lostCursorJump
	}
	l.next, l.durable = next, next
	l.missing(tail, upto, l.confirmed(tail, c, clean, lost))
	if tail.dirty || tail.last+1 != next && l.name != report.Telemetry {
		l.retire()
	}
	l.settleSegments()
}

// boundaries derives each segment's last number from the header after it.
func (l *lane) boundaries() {
	for i, seg := range l.segs[:max(len(l.segs)-1, 0)] {
		next := l.segs[i+1]
		seg.last = max(next.before, seg.first-1)
	}
}

// tailed is what the newest segment ends with.
type tailed struct {
	last     uint64 // number of the last record
	skip     uint64 // numbers that may have been begun after it
	reserved uint64
	dirty    bool // nothing may be written behind it
}

// tail reads the newest segment and makes it the active one.
func (l *lane) tail() (t tailed) {
	n := len(l.segs)
	if n == 0 {
		t.last = l.first - 1
		return t
	}
	seg := l.segs[n-1]
	im, err := l.load(seg)
	if passing(err) {
		l.s.unread = fmt.Errorf("lane %s: segment %s: %w", l.name, slotName(seg.slot), err)
	}
	w := im.walk(seg.first, ^uint64(0))
	seg.last = w.last(seg.first - 1)
	seg.end = w.end
	t.last, t.dirty = seg.last, w.dirty || err != nil || len(w.spans) > 0
	if w.dirty {
		t.skip = begunNumbers(im.data[w.end:])
	}
	for _, spot := range w.spots {
		if spot.kind == frameReserve {
			t.reserved = max(t.reserved, spot.seq)
		}
	}
	l.prev = seg.prev
	for i := len(w.spots) - 1; i >= 0; i-- {
		if spot := w.spots[i]; spot.kind == frameRecord {
			l.prev = report.HashLine(im.data[spot.off+frameSize : spot.off+frameSize+int64(spot.length)])
			l.newest = newest{spot.seq, l.prev}
			break
		}
	}
	l.reportSpans(seg, im, w, seg.last, err)
	l.active = seg
	if !t.dirty {
		if l.file, err = l.s.fs.Open(l.path(seg.slot), true); err != nil {
			l.s.fault(l, err)
			t.dirty = true
		}
	}
	return t
}

// confirmed is the number below which everything after the newest segment had
// been on the disk. What is above was begun, or in memory, when the power went.
func (l *lane) confirmed(t tailed, c *laneCursor, clean, lost bool) uint64 {
	none := len(l.segs) == 0
	switch {
	case clean: // what seems begun behind it is of an epoch that has ended
		return max(c.Next, t.last+1)
	case none && (lost || l.name.Chained()):
		return l.next
	case l.name == report.Telemetry:
		return c.Next
	case c.Next > t.last+1+t.skip:
		return l.next
	}
	return t.last + 1
}

// missing reports numbers that stand in no segment: before the oldest, between
// two that do not follow each other, and after the newest. Those below upto
// were acknowledged or dropped, those below sure were on the disk.
func (l *lane) missing(t tailed, upto, sure uint64) {
	for i, seg := range l.segs {
		if i+1 < len(l.segs) && l.segs[i+1].id != seg.id+1 && seg.last >= l.first {
			im, err := l.load(seg)
			if passing(err) {
				l.s.unread = fmt.Errorf("lane %s: segment %s: %w", l.name, slotName(seg.slot), err)
				return
			}
			l.reportSpans(seg, im, im.walk(seg.first, seg.last), seg.last, err)
		}
	}
	l.hole(t.last+1, min(l.next, sure), report.GapDamage)
	l.hole(max(t.last+1, sure), l.next, report.GapTorn)
	oldest := l.next
	if len(l.segs) > 0 {
		if l.segs[len(l.segs)-1].last < l.first {
			return // all are acknowledged
		}
		if oldest = l.segs[0].first; l.segs[0].last < l.first {
			return
		}
	}
	if l.first < oldest {
		if l.name != report.Complaint { // it never drops
			l.hole(l.first, min(oldest, upto), report.GapFull)
		}
		l.hole(l.first, oldest, l.headReason())
		l.mu.Lock()
		l.first = oldest
		l.mu.Unlock()
	}
}

// headReason says why numbers before the oldest segment are missing.
func (l *lane) headReason() string {
	if l.name != report.Complaint && l.used()+l.size > l.quota {
		return report.GapFull
	}
	return report.GapDamage
}

// hole reports numbers below to that were not reported yet.
func (l *lane) hole(from, to uint64, reason string) {
	from = max(from, l.first)
	if from >= to {
		return
	}
	r := report.Range{From: from, To: to - 1}
	for _, part := range unknown(l.known, r) {
		l.s.gap(l, part.From, part.To, reason)
		if reason == report.GapDamage {
			l.stats.Damaged += part.Count()
		}
	}
	l.known = addRange(l.known, r)
}

// settleSegments frees what is acknowledged.
func (l *lane) settleSegments() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saved = l.first
	l.releaseLocked()
	used := int64(0)
	for _, seg := range l.segs {
		used += seg.size
	}
	for i, seg := range l.free { // a smaller quota than before
		if used += seg.size; used > l.quota && l.name == report.Complaint {
			for _, extra := range l.free[i:] {
				_ = l.s.fs.Remove(l.path(extra.slot))
			}
			l.free = l.free[:i]
			return
		}
	}
}

// restore remembers which copies lack something.
func (m *mirror) restore(names []string) {
	m.cursor.open()
	if gen, _, _, err := readCursors(m.fs, filepath.Dir(m.dir)); err == nil {
		m.cursor.gen = gen
	}
	for _, name := range names {
		if slot, ok := parseSlot(name); ok {
			m.behind[slot] = true
		}
	}
}

// compare marks the copies that are not of the same life as the lane's.
func (m *mirror) compare(l *lane) {
	for _, seg := range l.segs {
		h, err := readHeader(m.fs, m.path(seg.slot))
		if err != nil || h.id != seg.id || h.epoch != seg.epoch {
			m.behind[seg.slot] = true
		}
	}
}
