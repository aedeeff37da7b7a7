package spool

import (
	"errors"
	"fmt"
	"slices"

	"kentongan/agent/report"
)

// maxCommit is the most that one write carries, in bytes: a card of class 4
// writes it in a few milliseconds, and a press does not wait longer than that
// behind a burst of events.
const maxCommit = 64 << 10

// item is what becomes one frame.
type item struct {
	kind    byte
	seq     uint64
	count   uint32
	payload []byte
	hash    report.Hash // of a record's line
}

// last is the number of the item's last record.
func (it item) last() uint64 { return it.seq + uint64(it.count) - 1 }

// commit makes a batch durable and settles each of its requests.
func (l *lane) commit(batch []*request) {
	for len(batch) > 0 {
		items, taken := l.encode(batch)
		if len(items) > 0 {
			n, err := l.put(items)
			if err != nil {
				l.s.refused(string(l.name), err, 0, brought(batch[:taken]))
			}
			taken = l.settle(batch[:taken], items[:n], err)
		}
		batch = batch[taken:]
	}
}

// brought is how many of the requests somebody waits for; the others are the
// spool's own notes.
func brought(batch []*request) (n uint64) {
	for _, r := range batch {
		if !r.settled && r.note == nil {
			n++
		}
	}
	return n
}

// encode makes frames of as many requests as one commit may carry. A request
// that can't be encoded is settled at once and takes no number.
func (l *lane) encode(batch []*request) (items []item, taken int) {
	seq, prev, size := l.next, l.prev, 0 // only the writer moves next of this lane
	lines := l.lines[:0]
	for _, r := range batch {
		if size > 0 && size+r.guess() > maxCommit {
			break
		}
		taken++
		at := len(lines)
		var err error
		if lines, err = l.appendLine(lines, seq, prev, r); err != nil {
			r.finish(0, err)
			continue
		}
		r.seq = seq
		line := lines[at:len(lines):len(lines)]
		prev = report.HashLine(line)
		items = append(items, item{kind: frameRecord, seq: seq, count: 1, payload: line, hash: prev})
		seq, size = seq+1, size+int(frameSpace(len(line)))
	}
	l.lines = reuse(lines)
	return items, taken
}

// reuse keeps a buffer for the next commit, unless one was unusually large.
func reuse(b []byte) []byte {
	if cap(b) > 2*maxCommit {
		return nil
	}
	return b[:0]
}

// settle answers the requests of the first len(done) items, and returns how
// many of the batch are dealt with.
func (l *lane) settle(batch []*request, done []item, err error) int {
	if err == nil {
		l.prev = done[len(done)-1].hash
	}
	at := 0
	for i, r := range batch {
		if r.settled {
			continue
		}
		if err == nil && at == len(done) {
			return i
		}
		at++
		r.finish(r.seq, err)
	}
	return len(batch)
}

// put makes the first n items durable with one write and one sync, and makes
// them readable. An error of a file is final for it: a new segment takes the
// same items once; a second error goes to the caller, and the numbers that may
// stand on the disk are not used again.
func (l *lane) put(items []item) (n int, err error) {
	var tried int
	for range 2 {
		if err = l.ensure(items[0]); err != nil {
			break // it has tried every file there is
		}
		var buf []byte
		var end int64
		if buf, n, end = l.layout(items); n == 0 {
			err = fmt.Errorf("frame of %d bytes does not fit into a segment", len(items[0].payload))
			break
		}
		if err = l.write(buf, end); err == nil {
			l.publish(items[:n])
			if l.s.trouble.some() {
				l.s.taken(string(l.name))
			}
			return n, nil
		}
		tried = max(tried, n)
		l.fail(err)
	}
	if tried > 0 && l.name != report.Telemetry {
		l.burn(items[:tried])
	}
	l.mu.Lock()
	l.stats.Err, l.stats.Full = err.Error(), tried == 0 && errors.Is(err, errNoRoom)
	l.mu.Unlock()
	return tried, fmt.Errorf("append to lane %s: %w", l.name, err)
}

// layout lays as many items as fit into what the next write carries. The
// commit after it goes to end.
func (l *lane) layout(items []item) (buf []byte, n int, end int64) {
	seg := l.active
	buf = l.out[:0]
	if l.fresh {
		buf = append(buf, seg.header.encode()...)
	}
	base := seg.end - int64(len(buf))
	sum, flags := seed(seg.epoch, l.name, seg.id), byte(flagFirst)
	for _, it := range items {
		at := base + int64(len(buf))
		if at+frameSpace(len(it.payload)) > seg.size || n > 0 && len(buf) > maxCommit {
			break
		}
		f := frame{kind: it.kind, flags: flags, id: seg.id, seq: it.seq, count: it.count}
		buf = appendFrame(buf, sum, f, it.payload)
		n, flags = n+1, 0
	}
	end = base + int64(len(buf))
	// What an earlier life left must not be taken for something begun: the rest
	// of the page in a lane of pages, one empty frame in the others.
	pad := min(frameSize, seg.size-end)
	if paged(l.name) {
		pad = -end & (pageSize - 1)
		end += pad
	}
	buf = append(buf, zeros[:pad]...)
	l.out = reuse(buf)
	return buf, n, end
}

// write puts the bytes at the end of the active segment, and on the disk. The
// mirror follows; its errors are its own.
func (l *lane) write(buf []byte, end int64) error {
	off := l.active.end
	if l.fresh {
		off = 0
	}
	if _, err := l.file.WriteAt(buf, off); err != nil {
		return fmt.Errorf("segment %s: write %d bytes at %d: %w", slotName(l.active.slot), len(buf), off, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("segment %s: sync: %w", slotName(l.active.slot), err)
	}
	l.s.wrote(int64(len(buf)), 1)
	if l.name == report.Complaint && l.s.mirror != nil {
		l.s.mirror.write(l.active, buf, off)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active.end, l.fresh = end, false
	return nil
}

// publish makes durable items readable.
func (l *lane) publish(items []item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		if it.kind == frameReserve {
			continue
		}
		l.active.last = it.last()
		l.durable = it.last() + 1
		l.stats.Written += uint64(it.count)
	}
	l.stats.Err, l.stats.Full = "", false
	if l.name == report.Telemetry {
		l.buffer.flushed(l.durable)
		l.releaseLocked()
		return
	}
	l.next = l.durable
	if n := len(items); n > 0 {
		l.newest = newest{items[n-1].seq, items[n-1].hash}
	}
	l.notifyLocked()
}

// fail leaves a segment whose file refused a write or a sync.
func (l *lane) fail(err error) {
	seg := l.active
	l.s.fault(l, err)
	_ = l.file.Close()
	l.file = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active, seg.bad = nil, true
	if seg.last < seg.first { // nothing in it was confirmed
		l.segs = slices.DeleteFunc(l.segs, func(other *segment) bool { return other == seg })
		l.free = append(l.free, seg) // at the end, so that others come first
	}
	l.releaseLocked()
}

// burn gives up the numbers of records that may stand on the disk and were not
// confirmed. The next record is chained to the last one that was.
func (l *lane) burn(items []item) {
	from, to := items[0].seq, items[len(items)-1].last()
	l.mu.Lock()
	l.next, l.durable = to+1, to+1
	l.known = addRange(l.known, report.Range{From: from, To: to})
	l.mu.Unlock()
	l.s.lost(string(l.name), from, to)
	l.s.gap(l, from, to, report.GapWrite)
}
