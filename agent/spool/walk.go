package spool

import (
	"bytes"

	"kentongan/agent/report"
)

// image is one segment wholly in memory.
type image struct {
	data  []byte
	epoch report.Epoch
	lane  report.Lane
	id    uint64
	was   report.Epoch // whose frames an earlier life may have left; 0 for none
}

// paged tells whether the commits of a lane start on a fresh page each, so
// that no page is written twice.
func paged(l report.Lane) bool { return l == report.Complaint }

// spot is one good frame and where it stands.
type spot struct {
	frame
	off int64
}

// span is a stretch of a segment that makes no sense, between good frames.
type span struct {
	off, end      int64
	after, before uint64 // the numbers on either side; before is 0 at the end
	torn          bool   // of the last commit, which may never have been confirmed
}

// walked is what a walk over a segment found.
type walked struct {
	spots []spot
	spans []span
	end   int64 // where the next frame would go
	dirty bool  // something was begun there
}

// last is the last record's number, or before when there is none.
func (w walked) last(before uint64) uint64 {
	for i := len(w.spots) - 1; i >= 0; i-- {
		if w.spots[i].kind != frameReserve {
			return w.spots[i].last()
		}
	}
	return before
}

// walk reads a segment from its first frame to its last. Numbers must grow;
// those that are above limit belong to a commit that was given up, and those
// after them are not looked at.
func (im image) walk(first, limit uint64) walked {
	var w walked
	s := seed(im.epoch, im.lane, im.id)
	seen := first - 1
	off := int64(headerSize)
	for off < int64(len(im.data)) {
		f, _, ok := parseFrame(im.data[off:], s)
		if !ok || f.id != im.id || f.kind != frameReserve && f.seq <= seen {
			next, found := im.find(off, s, seen)
			if skip, only := im.padding(off, next, found); only {
				if off = skip; found || off%pageSize != 0 {
					continue
				}
			}
			if !found {
				break
			}
			f, _ := peekFrame(im.data[next:])
			if f.kind != frameReserve && f.last() > limit {
				break // being written now, or given up
			}
			w.spans = append(w.spans, span{off: off, end: next, after: seen, before: f.seq})
			off = next
			continue
		}
		if f.kind != frameReserve {
			if f.last() > limit {
				break
			}
			seen = f.last()
		}
		w.spots = append(w.spots, spot{f, off})
		off += f.space()
	}
	w.end = min(off, int64(len(im.data)))
	w.dirty = im.begun(w.end)
	im.judge(&w)
	return w
}

// find looks for the next good frame of this life with a higher number.
func (im image) find(off int64, s uint32, seen uint64) (int64, bool) {
	for at := (off + align - 1) &^ (align - 1); at+frameSize <= int64(len(im.data)); at += align {
		if im.data[at] != 'K' || im.data[at+1] != 'r' || le.Uint64(im.data[at+8:]) != im.id {
			continue
		}
		if f, _, ok := parseFrame(im.data[at:], s); ok && (f.seq > seen || f.kind == frameReserve) {
			return at, true
		}
	}
	return 0, false
}

// padding tells whether what stands at off is only the zeros that fill a
// page, and where they end.
func (im image) padding(off, next int64, found bool) (int64, bool) {
	if !paged(im.lane) || off%pageSize == 0 {
		return 0, false
	}
	end := min((off+pageSize-1)&^(pageSize-1), int64(len(im.data)))
	if found && next < end || !allZero(im.data[off:end]) {
		return 0, false
	}
	return end, true
}

// begun tells whether something was begun at off that is neither nothing nor
// a frame of an earlier life of the segment.
func (im image) begun(off int64) bool {
	rest := im.data[off:]
	if len(rest) < frameSize || allZero(rest[:frameSize]) {
		return false
	}
	f, ok := peekFrame(rest)
	if !ok || f.id >= im.id {
		return true
	}
	for _, epoch := range []report.Epoch{im.epoch, im.was} {
		if _, _, old := parseFrame(rest, seed(epoch, im.lane, f.id)); old {
			return false
		}
	}
	return true
}

// judge marks the spans that are of the last commit: no frame after them begins
// another one.
func (im image) judge(w *walked) {
	begins := int64(0) // where the last commit that is known to begin does
	for _, s := range w.spots {
		if s.flags&flagFirst != 0 {
			begins = s.off
		}
	}
	for i := range w.spans {
		w.spans[i].torn = w.spans[i].end > begins
	}
}

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// begunNumbers is how many records can have been begun in so many bytes that
// are not zero: no record's line is shorter than 128 bytes.
func begunNumbers(data []byte) uint64 {
	n := len(data)
	for n > 0 && data[n-1] == 0 {
		n--
	}
	return uint64(min(n, maxCommit))/128 + 1
}
