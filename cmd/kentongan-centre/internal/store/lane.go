package store

import (
	"fmt"
	"slices"
	"sort"

	"kentongan/agent/report"
)

// Limits that a hostile or broken device can't talk us past.
const (
	maxSeq    = 1 << 40 // 35 years of a thousand a second; the sum over eight million lanes fits SQLite's 63 bits
	maxHoles  = 4096    // per lane; the window of a healthy device makes a handful
	maxEpochs = 64      // per device: each is a new disk
)

// lane is what we know of one counted log. It holds no records; it is the
// arithmetic of which numbers we have.
//
// Of 1 … top every number is held, explained or in a hole. Above top nothing
// is known but that the device has given out numbers up to next-1.
type lane struct {
	id          int64
	key         Key
	first, next uint64
	top         uint64
	received    uint64
	duplicates  uint64
	conflicts   uint64
	seen        int64          // Unix ms
	holes       []report.Range // ascending, apart
	stored      []report.Range // the holes as the database has them
	hash        *report.Hash   // of record thru, nil when unknown or not held
	hashSeq     uint64
	vouched     *report.Signed // the newest checkpoint that fits the record held
	awaited     *report.Signed // the newest checkpoint whose record is not here yet

	dirty     bool // the row must be written
	holesMove bool // the hole rows must be written
}

// errHoles is a record that would leave more holes than a lane may have.
var errHoles = fmt.Errorf("more than %d holes in one lane", maxHoles)

// head takes what the device says of its lane. Heads can arrive late; numbers
// only grow, so the larger one is the newer.
func (l *lane) head(h report.Head) {
	if h.Next > maxSeq {
		return
	}
	if h.Next > l.next {
		l.next, l.dirty = h.Next, true
	}
	if h.First > l.first {
		l.first, l.dirty = h.First, true
	}
	if l.first-1 > l.top { // the device let go of numbers that we never saw
		l.addHole(report.Range{From: l.top + 1, To: l.first - 1})
		l.top = l.first - 1
	}
}

// canTake tells whether a new number fits the limits.
func (l *lane) canTake(seq uint64) error {
	if seq > maxSeq {
		return fmt.Errorf("sequence number %d is larger than %d", seq, uint64(maxSeq))
	}
	if len(l.holes) >= maxHoles && l.opensHole(seq) {
		return errHoles
	}
	return nil
}

// opensHole tells whether taking seq makes one hole more: it lies beyond the
// next number, or in the middle of a hole.
func (l *lane) opensHole(seq uint64) bool {
	if seq > l.top {
		return seq > l.top+1
	}
	i := sort.Search(len(l.holes), func(i int) bool { return l.holes[i].To >= seq })
	return i < len(l.holes) && l.holes[i].From < seq && seq < l.holes[i].To
}

// fresh tells whether no record of this number can be held: it lies beyond all
// that is known, or in a hole. Any other is held, or was explained.
func (l *lane) fresh(seq uint64) bool {
	if seq > l.top {
		return true
	}
	i := sort.Search(len(l.holes), func(i int) bool { return l.holes[i].To >= seq })
	return i < len(l.holes) && l.holes[i].From <= seq
}

// take notes that record seq is held now.
func (l *lane) take(seq uint64) {
	l.received++
	l.dirty = true
	l.cover(report.Range{From: seq, To: seq})
}

// explain notes that those of the range which are not held will never come.
func (l *lane) explain(r report.Range) { l.cover(r); l.dirty = true }

// cover takes a range out of the holes and raises top to its end.
func (l *lane) cover(r report.Range) {
	if r.From > l.top+1 {
		l.addHole(report.Range{From: l.top + 1, To: r.From - 1})
	}
	if r.From <= l.top {
		l.cutHoles(r)
	}
	if r.To > l.top {
		l.top = r.To
	}
	l.next = max(l.next, l.top+1)
}

// addHole adds a hole above all others.
func (l *lane) addHole(r report.Range) {
	l.holesMove, l.dirty = true, true
	if n := len(l.holes); n > 0 && l.holes[n-1].To+1 == r.From {
		l.holes[n-1].To = r.To
		return
	}
	l.holes = append(l.holes, r)
}

// cutHoles removes r from the holes.
func (l *lane) cutHoles(r report.Range) {
	i := sort.Search(len(l.holes), func(i int) bool { return l.holes[i].To >= r.From })
	j := i
	var rest []report.Range
	for ; j < len(l.holes) && l.holes[j].From <= r.To; j++ {
		h := l.holes[j]
		if h.From < r.From {
			rest = append(rest, report.Range{From: h.From, To: r.From - 1})
		}
		if h.To > r.To {
			rest = append(rest, report.Range{From: r.To + 1, To: h.To})
		}
	}
	if i == j {
		return
	}
	l.holes = slices.Replace(l.holes, i, j, rest...)
	l.holesMove, l.dirty = true, true
}

// thru is what the centre acknowledges: a number that is held or explained, as
// are all below it that the device may still have. Numbers below First that are
// neither can't be had any more (the device let go of them, for another centre
// or an older database of this one); they count as missing for ever, but must
// not stop the lane. A hole is never acknowledged up to its end, whatever First
// says: a head is not signed, and a receipt that names no record of ours would
// let a device free what nobody holds.
func (l *lane) thru() uint64 {
	for _, h := range l.holes {
		if h.To >= l.first || h.To == l.top {
			return h.From - 1
		}
	}
	return l.top
}

// want lists the holes that the device still has: from First to Next-1.
func (l *lane) want() []report.Range {
	var out []report.Range
	for _, h := range l.holes {
		if h.To < l.first {
			continue
		}
		if len(out) == report.MaxWant {
			break
		}
		out = append(out, report.Range{From: max(h.From, l.first), To: h.To})
	}
	return out
}
