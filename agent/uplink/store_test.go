package uplink

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
)

const testEpoch report.Epoch = 0x0f3a9c1d2e4b5a67

// memoryStore is a Store in memory, for tests of the uplink alone. Records are
// made when they are appended, or, for a backlog, when they are read.
type memoryStore struct {
	mu    sync.Mutex
	lanes map[report.Lane]*memoryLane
}

type memoryLane struct {
	first, next uint64
	lines       map[uint64][]byte
	made        uint64 // numbers under it are made when they are read
	holes       ranges
	dropped     uint64 // all up to here were dropped
	prev        report.Hash
	changed     chan struct{}
}

func newMemoryStore() *memoryStore {
	s := &memoryStore{lanes: map[report.Lane]*memoryLane{}}
	for _, l := range report.Lanes() {
		s.lanes[l] = &memoryLane{first: 1, next: 1, made: 1, lines: map[uint64][]byte{}, changed: make(chan struct{})}
	}
	return s
}

// backlog makes a lane hold n records more, without keeping them.
func (s *memoryStore) backlog(lane report.Lane, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	l.next += n
	l.made = l.next
}

// append adds records, as a spool does.
func (s *memoryStore) append(t testing.TB, lane report.Lane, n int) (last uint64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	for range n {
		l.add(makeLine(lane, l.next, l.prev))
	}
	return l.next - 1
}

func (l *memoryLane) add(line []byte) {
	l.prev = report.HashLine(line)
	l.lines[l.next] = line
	l.next++
	close(l.changed)
	l.changed = make(chan struct{})
}

// drop takes the oldest away until keep are left, and explains it by an event.
func (s *memoryStore) drop(t testing.TB, lane report.Lane, keep uint64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	l, events := s.lanes[lane], s.lanes[report.Event]
	if l.next-l.first <= keep {
		return
	}
	from := l.first
	for l.first = l.next - keep; from < l.first; from++ {
		delete(l.lines, from)
	}
	gap := report.Gap{Lane: lane, Epoch: testEpoch, From: l.dropped + 1, To: l.first - 1, Count: l.first - 1 - l.dropped, Reason: report.GapFull}
	l.dropped = l.first - 1
	events.add(encode(report.Event, events.next, events.prev, report.KindGap, gap))
}

// hole takes numbers away, as damage does.
func (s *memoryStore) hole(lane report.Lane, from, to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[lane].holes.add(from, to)
}

// makeLine makes a record about as long as those of the field (some 350 bytes).
func makeLine(lane report.Lane, seq uint64, prev report.Hash) []byte {
	var kind string
	var body any
	switch lane {
	case report.Complaint:
		kind, body = report.KindPress, report.Press{Ticket: report.NewTicket(7, seq).String(), Line: "road", ServiceCode: "jalan-rusak", Category: "infrastruktur", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1}
	case report.Event:
		kind, body = report.KindLine, report.LineState{Line: "road", State: "ok", Count: seq}
	default:
		kind, body = report.KindStreamStats, report.StreamStats{Name: fmt.Sprintf("gate-%d", seq%4), WindowMS: 10000, FPS: 24.9 + float64(seq%7)/10, BitsPerS: int64(1900000 + seq*7919%100000), Packets: seq * 371, PacketsLost: seq / 900, SinceFrameMS: int64(seq * 13 % 40)}
	}
	return encode(lane, seq, prev, kind, body)
}

func encode(lane report.Lane, seq uint64, prev report.Hash, kind string, body any) []byte {
	stamp := report.Stamp{Time: time.Unix(1790000000, 0).Add(time.Duration(seq) * 731 * time.Millisecond), Clock: report.ClockSynced, Boot: "0badcafe", Uptime: time.Duration(seq) * 731 * time.Millisecond}
	r, err := report.NewRecord(testDevice, lane, testEpoch, seq, prev, stamp, kind, body)
	if err != nil {
		panic(err)
	}
	line, err := r.Encode()
	if err != nil {
		panic(err)
	}
	return line
}

func (s *memoryStore) Head(lane report.Lane) report.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	return report.Head{Lane: lane, Epoch: testEpoch, First: l.first, Next: l.next}
}

func (s *memoryStore) Read(lane report.Lane, from uint64, maxRecords, maxBytes int) (out []report.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	size := 0
	for seq := max(from, l.first); seq < l.next && len(out) < maxRecords; seq++ {
		if l.holes.covers(seq, seq) {
			continue
		}
		line := l.lines[seq]
		if line == nil {
			line = makeLine(lane, seq, report.Hash{})
		}
		if size += len(line); len(out) > 0 && size > maxBytes {
			break
		}
		out = append(out, report.Entry{Seq: seq, Line: line})
	}
	return out, nil
}

func (s *memoryStore) Ack(lane report.Lane, seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	if seq >= l.next {
		return fmt.Errorf("acknowledge %d: beyond the end", seq)
	}
	for ; l.first <= seq; l.first++ {
		delete(l.lines, l.first)
	}
	return nil
}

func (s *memoryStore) Changed(lane report.Lane) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[lane].changed
}

// waiting is how many records of the lane have not left.
func (s *memoryStore) waiting(lane report.Lane) uint64 { return s.Head(lane).Backlog() }
