package spool

import (
	"fmt"
	"io"
	"slices"

	"kentongan/agent/report"
)

// readWindow is how much of a segment is read at a time, in bytes: some
// batches of the uplink, and little enough for a board of 512 MiB.
const readWindow = 64 << 10

// hint is where a reader came to, so that the next call goes on from there.
type hint struct {
	id  uint64 // of the segment
	seq uint64 // the number that comes next
	off int64
}

// reader collects entries until one of its limits is reached.
type reader struct {
	from     uint64
	records  int
	bytes    int
	out      []report.Entry
	finished bool

	packed bool // blocks are wanted as they stand, up to number to
	to     uint64
	blocks []report.Block
}

// takeBlock takes a block as it stands, when it begins where the reader is or
// after it; false when this one, or no more, will do.
func (r *reader) takeBlock(f frame, payload []byte) bool {
	if f.kind != frameBlock || f.seq < r.from || f.last() > r.to || len(payload) > r.bytes {
		r.finished = true
		return false
	}
	r.blocks = append(r.blocks, report.Block{From: f.seq, To: f.last(), Gzip: slices.Clone(payload)})
	r.bytes -= len(payload)
	r.from = f.last() + 1
	return true
}

// take adds a line, which is the reader's from then on. It returns false when no
// more fits; the first line always does.
func (r *reader) take(seq uint64, line []byte) bool {
	if seq < r.from {
		return true
	}
	if len(r.out) > 0 && (len(r.out) >= r.records || len(line) > r.bytes) {
		r.finished = true
		return false
	}
	r.out = append(r.out, report.Entry{Seq: seq, Line: line})
	r.bytes -= len(line)
	r.from = seq + 1
	return true
}

// Read returns records of the lane with numbers from 'from' on, in order and
// jumping over holes: at most maxRecords with at most maxBytes of lines, but
// at least one if there is one. At the end of the lane it returns none. An error
// will pass: the records are there, and the process can't open or read their file
// now.
//
// Records of the complaint and event lanes are on the disk; those of the
// telemetry lane may still be in memory. A record that is damaged is not
// returned: its number is named by a gap record in the event lane.
func (s *Spool) Read(lane report.Lane, from uint64, maxRecords, maxBytes int) ([]report.Entry, error) {
	l, err := s.lane(lane)
	if err != nil {
		return nil, err
	}
	r := &reader{from: max(from, 1), records: max(maxRecords, 1), bytes: maxBytes}
	if err := l.read(r); err != nil && len(r.out) == 0 {
		return nil, fmt.Errorf("read lane %s from %d: %w", lane, from, err)
	}
	return r.out, nil
}

// read reads the disk, then the memory. It never passes over what is there: who
// reads takes numbers that are left out for a hole.
func (l *lane) read(r *reader) error {
	for {
		if err := l.readSegments(r); err != nil || r.finished || l.readBuffer(r) {
			return err
		}
	}
}

// ReadPacked returns telemetry from 'from' to 'to' as it stands on the disk:
// blocks that lie wholly between them, in order, as many as maxBytes holds. It
// returns none where there is no such block at 'from'; Read has the records
// then.
func (s *Spool) ReadPacked(lane report.Lane, from, to uint64, maxBytes int) ([]report.Block, error) {
	l, err := s.lane(lane)
	if err != nil {
		return nil, err
	}
	r := &reader{from: max(from, 1), bytes: maxBytes, packed: true, to: to}
	if err := l.readSegments(r); err != nil && len(r.blocks) == 0 {
		return nil, fmt.Errorf("read lane %s packed from %d: %w", lane, from, err)
	}
	return r.blocks, nil
}

// readSegments reads what is on the disk. What was read before an error is
// good; the error comes again with the next call.
func (l *lane) readSegments(r *reader) error {
	for !r.finished {
		seg, last, end, ok, err := l.pin(r.from)
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		err = l.readSegment(seg, last, end, r)
		l.release(seg)
		if err != nil {
			return fmt.Errorf("segment %s: %w", slotName(seg.slot), err)
		}
		if !r.finished {
			r.from = max(r.from, last+1)
		}
	}
	return nil
}

// pin finds the segment with the number, or the next one after it, and keeps
// it from a new life until release.
func (l *lane) pin(from uint64) (seg *segment, last uint64, end int64, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, 0, 0, false, ErrClosed
	}
	i, _ := slices.BinarySearchFunc(l.segs, from, func(seg *segment, from uint64) int {
		if seg.last < from {
			return -1
		}
		return 1
	})
	if i == len(l.segs) {
		return nil, 0, 0, false, nil
	}
	seg = l.segs[i]
	seg.pins++
	end = seg.size
	if seg == l.active {
		end = seg.end
	}
	return seg, seg.last, end, true, nil
}

func (l *lane) release(seg *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.pins--
	l.unpin.Broadcast()
}

// readBuffer takes what is still in memory; false when the reader must look at the
// disk again first, because a flush has moved something there since it did.
func (l *lane) readBuffer(r *reader) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segs); n > 0 && l.segs[n-1].last >= r.from {
		return false
	}
	i, _ := slices.BinarySearchFunc(l.buffer.entries, r.from, func(e report.Entry, from uint64) int {
		return int(min(max(int64(e.Seq)-int64(from), -1), 1))
	})
	for _, e := range l.buffer.entries[i:] {
		if !r.take(e.Seq, e.Line) {
			return true
		}
	}
	return true
}

// readSegment takes records of one segment, up to number last.
func (l *lane) readSegment(seg *segment, last uint64, end int64, r *reader) error {
	f, err := l.s.fs.Open(l.path(seg.slot), false)
	if passing(err) {
		return err
	}
	if err != nil {
		return l.readDamaged(seg, last, r, err)
	}
	defer f.Close()
	at := l.hint(seg, r.from)
	w := window{f: f, end: end}
	sum := seed(seg.epoch, l.name, seg.id)
	for at.seq <= last && !r.finished {
		head := w.bytes(at.off, frameSize)
		if paged(l.name) && at.off%pageSize != 0 && allZero(head) {
			at.off = (at.off + pageSize - 1) &^ (pageSize - 1)
			continue
		}
		peek, ok := peekFrame(head)
		if !ok {
			return l.readDamaged(seg, last, r, w.err)
		}
		fr, payload, ok := parseFrame(w.bytes(at.off, frameSize+peek.length), sum)
		if !ok || fr.kind != frameReserve && !l.follows(fr, at.seq) {
			return l.readDamaged(seg, last, r, w.err)
		}
		if fr.kind != frameReserve {
			if !takeFrame(fr, payload, r) {
				break
			}
			at.seq = fr.last() + 1
		}
		at.off += fr.space()
	}
	l.remember(at)
	return nil
}

// follows tells whether a frame may come where seq was expected: telemetry
// that was acknowledged in memory leaves holes, the other lanes only where one
// was reported.
func (l *lane) follows(f frame, seq uint64) bool {
	if f.seq == seq || l.name == report.Telemetry && f.seq > seq {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return f.seq > seq && len(unknown(l.known, report.Range{From: seq, To: f.seq - 1})) == 0
}

// takeFrame takes the records of a frame; false when no more fits.
func takeFrame(f frame, payload []byte, r *reader) bool {
	if f.last() < r.from {
		return true
	}
	if r.packed {
		return r.takeBlock(f, payload)
	}
	if f.kind == frameRecord {
		return r.take(f.seq, slices.Clone(payload)) // the window is used again
	}
	lines, err := unpack(payload, f.count)
	if err != nil {
		return true // its CRC is good, so it was written so: nothing to save
	}
	for i, line := range lines {
		if !r.take(f.seq+uint64(i), line) {
			return false
		}
	}
	return true
}

// readDamaged takes records of a segment in which something makes no sense:
// it is read as a whole, mended from the mirror where there is one, and what
// is missing is reported.
func (l *lane) readDamaged(seg *segment, last uint64, r *reader, cause error) error {
	im, err := l.load(seg)
	if passing(err) {
		return err
	}
	if err != nil {
		cause = err
	}
	w := im.walk(seg.first, last)
	l.reportSpans(seg, im, w, last, cause)
	for _, spot := range w.spots {
		if spot.kind == frameReserve {
			continue
		}
		at := spot.off + frameSize
		if !takeFrame(spot.frame, im.data[at:at+int64(spot.length)], r) {
			break
		}
	}
	return nil
}

// hint returns the best place known to begin at.
func (l *lane) hint(seg *segment, from uint64) hint {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := hint{id: seg.id, seq: seg.first, off: headerSize}
	for _, h := range l.hints {
		if h.id == seg.id && h.seq <= from && h.seq > best.seq {
			best = h
		}
	}
	return best
}

// remember keeps a place for the next call, in the stead of the oldest one or
// of one that it continues.
func (l *lane) remember(h hint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.hints {
		if l.hints[i] == h {
			return
		}
	}
	l.hints[l.hintAt] = h
	l.hintAt = (l.hintAt + 1) % len(l.hints)
}

// window is a part of a file in memory.
type window struct {
	f   File
	end int64 // nothing is read from here on
	off int64
	buf []byte
	err error // of the last read that failed
}

// bytes returns n bytes at off, or fewer where the segment ends or the disk
// refuses.
func (w *window) bytes(off int64, n int) []byte {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		w.off = off
		want := max(min(readWindow, w.end-off), 0)
		if cap(w.buf) < int(want) {
			w.buf = make([]byte, want)
		}
		got, err := w.f.ReadAt(w.buf[:want], off)
		if err != nil && err != io.EOF {
			w.err = err
		}
		w.buf = w.buf[:got]
	}
	rest := w.buf[off-w.off:]
	return rest[:min(n, len(rest))]
}
