package spool

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"kentongan/agent/report"
)

const (
	// reserveStep is how many telemetry numbers are reserved at a time: one
	// page written for each 4096 records, and a jump of at most so many after a
	// power cut.
	reserveStep = 4096
	// bufferMax bounds the telemetry in memory, in bytes of lines: some 700
	// records, more than a minute of a large site.
	bufferMax = 256 << 10
	// blockRaw is how many bytes of lines go into one block. It is a window of
	// deflate; larger ones gain little and cost more to lose.
	blockRaw = 32 << 10
)

// buffer holds telemetry that is not on the disk yet.
type buffer struct {
	entries []report.Entry
	bytes   int
	since   time.Time // when the oldest came
	room    chan struct{}
	scratch []byte // where a record is made
}

func (b *buffer) empty() bool { return len(b.entries) == 0 }

func (b *buffer) firstOr(next uint64) uint64 {
	if b.empty() {
		return next
	}
	return b.entries[0].Seq
}

// flushed forgets the records below the number: they are on the disk, or
// acknowledged, and then they never need to be written.
func (b *buffer) flushed(below uint64) {
	n := 0
	for n < len(b.entries) && b.entries[n].Seq < below {
		b.bytes -= len(b.entries[n].Line)
		b.entries[n].Line = nil
		n++
	}
	if b.entries = b.entries[n:]; b.empty() {
		b.entries = nil
	}
	if n > 0 {
		b.wakeLocked()
	}
}

// wakeLocked lets those go on that wait for room or for numbers.
func (b *buffer) wakeLocked() {
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// accept takes a telemetry record into memory. It waits only when memory or
// the reserved numbers are used up.
func (l *lane) accept(ctx context.Context, r *request) (uint64, error) {
	for {
		seq, wait, err := l.tryAccept(r)
		if wait == nil {
			return seq, err
		}
		l.s.poke()
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, fmt.Errorf("append to lane %s: %w", l.name, ctx.Err())
		}
	}
}

func (l *lane) tryAccept(r *request) (seq uint64, wait chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, nil, ErrClosed
	}
	b := &l.buffer
	short := l.next >= l.s.reserved.Load()
	if short && l.refused != nil {
		l.s.poke() // the writer tries again, for the next one
		l.s.refused(string(l.name), l.refused, 0, 1)
		return 0, nil, fmt.Errorf("append to lane %s: no numbers reserved: %w", l.name, l.refused)
	}
	if short || b.bytes >= bufferMax {
		if b.room == nil {
			b.room = make(chan struct{})
		}
		return 0, b.room, nil
	}
	made, err := l.appendLine(b.scratch[:0], l.next, report.Hash{}, r)
	if err != nil {
		return 0, nil, err
	}
	b.scratch = reuse(made)
	line := append(make([]byte, 0, len(made)), made...) // it stays in memory: no room behind it
	if b.empty() {
		b.since = time.Now()
		l.s.poke() // so that the writer knows when it is due
	} else if b.bytes < bufferMax/2 && b.bytes+len(line) >= bufferMax/2 {
		l.s.poke()
	}
	seq = l.next
	b.entries = append(b.entries, report.Entry{Seq: seq, Line: line})
	b.bytes += len(line)
	l.next++
	if l.next+reserveStep/2 == l.s.reserved.Load() {
		l.s.poke()
	}
	l.notifyLocked()
	return seq, nil, nil
}

// idle tells whether nothing waits in memory.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.empty()
}

// rides tells whether telemetry is old enough to go out with another commit.
func (l *lane) rides(now time.Time, delay time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.buffer.empty() && now.Sub(l.buffer.since) >= delay/2
}

// telemetry flushes the buffer when it is due: after the delay, when it is
// half full, or together with another lane's commit once half of the delay is
// over, since the disk is awake then.
func (s *Spool) telemetry(now time.Time, rides bool) {
	l := s.lanes[2]
	l.mu.Lock()
	empty, since, size, next := l.buffer.empty(), l.buffer.since, l.buffer.bytes, l.next
	l.mu.Unlock()
	if next+reserveStep/2 >= s.reserved.Load() {
		s.reserve(l)
	}
	if empty {
		return
	}
	age := now.Sub(since)
	if s.flushDue = since.Add(s.o.TelemetryDelay); age >= s.o.TelemetryDelay ||
		size >= bufferMax/2 || rides && age >= s.o.TelemetryDelay/2 {
		if err := l.flush(false); err != nil {
			l.mu.Lock()
			l.buffer.since = now // not before another delay
			l.mu.Unlock()
			s.flushDue = now.Add(s.o.TelemetryDelay)
		}
	}
}

// reserve makes more numbers usable, by the cursor and by the newest segment,
// so that the loss of either does not bring a number back.
func (s *Spool) reserve(l *lane) {
	// Without the disk the same numbers might come again after a restart, so
	// nothing is accepted until it takes them.
	err := s.saveCursor(false)
	if err != nil {
		s.fault(l, err)
	} else if l.idle() && s.trouble.some() {
		s.taken(string(l.name)) // else a flush tells
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
	l.buffer.wakeLocked()
}

// flush writes the buffer. When the disk refuses, the oldest records leave the
// memory once it is full, with a gap record.
func (l *lane) flush(closing bool) error {
	reserved := l.s.reserved.Load()
	if l.noted < reserved && !closing {
		mark := item{kind: frameReserve, seq: reserved}
		if _, err := l.put([]item{mark}); err == nil {
			l.noted = reserved
		}
	}
	for {
		it, err := l.nextBlock()
		if err != nil || it.count == 0 {
			return err
		}
		if _, err := l.put([]item{it}); err != nil {
			l.overflow()
			return err
		}
		l.mu.Lock()
		l.buffer.since = time.Now()
		l.mu.Unlock()
	}
}

// overflow drops the older half of a buffer that is full.
func (l *lane) overflow() {
	l.mu.Lock()
	b := &l.buffer
	if b.bytes < bufferMax {
		l.mu.Unlock()
		return
	}
	from, to := b.entries[0].Seq, b.entries[len(b.entries)/2].Seq
	b.flushed(to + 1)
	l.first = max(l.first, to+1)
	l.stats.Dropped += to - from + 1
	l.mu.Unlock()
	l.s.lost(string(l.name), from, to)
	l.s.gap(l, from, to, report.GapFull)
}

// nextBlock packs the oldest records of the buffer, as many as follow each
// other and fit.
func (l *lane) nextBlock() (item, error) {
	l.mu.Lock()
	var lines [][]byte
	var first uint64
	size, limit := 0, min(blockRaw, int(l.size-headerSize)-2*frameSize-64)
	for i, e := range l.buffer.entries {
		if i == 0 {
			first = e.Seq
		}
		if e.Seq != first+uint64(i) || i > 0 && size+len(e.Line)+1 > limit {
			break
		}
		lines = append(lines, e.Line)
		size += len(e.Line) + 1
	}
	l.mu.Unlock()
	if len(lines) == 0 {
		return item{}, nil
	}
	payload, err := pack(lines)
	return item{kind: frameBlock, seq: first, count: uint32(len(lines)), payload: payload}, err
}

var packers = sync.Pool{New: func() any {
	// Not the fastest level: a site makes a block every few seconds, and each is
	// a quarter smaller on the flash and on the link.
	w, _ := gzip.NewWriterLevel(nil, gzip.DefaultCompression) // the level is valid
	return w
}}

// pack makes one gzip member of lines, each with a line end. A batch on the wire
// is gzip members too, so the uplink can send it as it stands.
func pack(lines [][]byte) ([]byte, error) {
	var buf bytes.Buffer
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&buf)
	for _, line := range lines {
		_, _ = w.Write(line) // a bytes.Buffer takes everything
		_, _ = w.Write([]byte{'\n'})
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack telemetry: %w", err)
	}
	return buf.Bytes(), nil
}

var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

var errBlock = errors.New("block does not hold what it says")

// unpack takes the lines out of a block of count of them.
func unpack(payload []byte, count uint32) ([][]byte, error) {
	r := unpackers.Get().(*gzip.Reader)
	defer unpackers.Put(r)
	if err := r.Reset(bytes.NewReader(payload)); err != nil {
		return nil, errBlock
	}
	raw := bytes.NewBuffer(make([]byte, 0, blockRaw+bytes.MinRead))
	if _, err := raw.ReadFrom(io.LimitReader(r, maxPayload+1)); err != nil || raw.Len() > maxPayload {
		return nil, errBlock
	}
	lines := bytes.Split(bytes.TrimSuffix(raw.Bytes(), []byte{'\n'}), []byte{'\n'})
	if len(lines) != int(count) {
		return nil, errBlock
	}
	return lines, nil
}
