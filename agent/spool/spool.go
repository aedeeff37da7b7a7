// Package spool keeps records on flash until the centre has them.
//
// A spool has three lanes. A lane is an ordered log of records in numbered
// segment files; its cursor is the first sequence number not yet acknowledged.
//
//	Append ──► segment 000041 ──► Next ──► (uplink) ──► Ack ──► segment used again
//
// # Durability
//
// Append returns after fdatasync (telemetry: at once, and is on the disk after
// TelemetryDelay). Appends that wait at the same time share one write and one
// fdatasync. An error from fdatasync is final for that file: the lane moves on
// to a new one with what was not confirmed.
//
// # Damage
//
// Opening never fails because of what the spool holds. Damage is set aside,
// named by an event of kind damage and by gap records with the lost numbers,
// and the rest goes on. A number that the centre may have seen is never given
// to another record.
//
// # Concurrency
//
// All methods of Spool may be called from any goroutine. Who has the pen
// writes: a goroutine begun by Open and ended by Close, or a caller of Append
// who is alone, since waking another costs more than the work does. Readers open
// files themselves.
//
// The bytes on the disk are described in docs/reference/spool-format.md.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kentongan/agent/report"
)

// Errors that a caller may ask for.
var (
	// ErrFull is a lane that has used up its space. In the complaint lane it
	// means: tell the citizen that the press was not taken.
	ErrFull = errors.New("lane is full")
	// ErrClosed is a spool after Close.
	ErrClosed = errors.New("spool is closed")

	// errNoRoom is ErrFull where nothing is wrong with the disk.
	errNoRoom = fmt.Errorf("%w", ErrFull)
)

// DefaultQuota is the space of each lane in bytes. A complaint takes a page of
// 4 KiB, so its lane holds some 8,000 presses.
func DefaultQuota() map[report.Lane]int64 {
	return map[report.Lane]int64{report.Complaint: 32 << 20, report.Event: 64 << 20, report.Telemetry: 256 << 20}
}

// Options is how a spool is opened.
type Options struct {
	Device         string
	Stamp          func() report.Stamp          // called for each record, by the goroutine that appends it
	Mirror         string                       // second directory for the complaint lane, "" for none
	Quota          map[report.Lane]int64        // bytes; missing = DefaultQuota
	Segment        map[report.Lane]int64        // bytes of one file; missing = a 256th of the quota, 256 KiB to 4 MiB
	TelemetryDelay time.Duration                // default 10 s
	Log            *slog.Logger                 // default slog.Default
	FS             FS                           // default the operating system's; tests make it fail
	Epoch          func() (report.Epoch, error) // default random; tests make it known
}

// Spool is an open spool.
type Spool struct {
	o      Options
	dir    string
	fs     FS
	log    *slog.Logger
	lock   interface{ Close() error }
	epoch  report.Epoch
	clean  bool // the run before ended with Close
	lanes  [3]*lane
	mirror *mirror

	// A new epoch that is asked for or under way, see epoch.go; of the one with the pen.
	renewal *renewal
	old     []*lane // what has not moved yet
	told    []*note // of what has happened
	unread  error   // what recover could not read, and will be readable again

	reserved atomic.Uint64 // telemetry numbers below it may be given out
	rest     atomic.Bool   // a caller has written, and left the rest of the round
	syncs    atomic.Int64
	written  atomic.Int64

	mu     sync.Mutex // guards queue and closed
	queue  [3][]*request
	closed bool

	notes   notes
	trouble refusals

	wake chan struct{}
	quit chan struct{}
	done chan struct{} // closed when the writer has ended
	end  error         // what Close returns; set before done is closed

	pen chan struct{} // who has put something in may write

	// of the one with the pen
	cursor    cursorFile
	cursorDue time.Time
	flushDue  time.Time
	group     int           // requests in the last round
	took      time.Duration // by the last commit
}

// request is one record that waits for the writer.
type request struct {
	kind    string
	stamp   report.Stamp
	body    func(seq uint64) any
	note    *note // what it explains, for the spool's own records
	seq     uint64
	err     error
	settled bool
	done    chan struct{}
}

// guess is about how large the record will be. The body is not known yet, so
// this only bounds how many records one commit may take.
func (r *request) guess() int { return 512 }

func (r *request) finish(seq uint64, err error) {
	r.seq, r.err, r.settled = seq, err, true
	if r.done != nil {
		close(r.done)
	}
}

// Append adds a record to a lane and returns its number. In the complaint and
// the event lane the record is on the disk when it returns; in the telemetry
// lane it is in memory, and on the disk within TelemetryDelay.
//
// When ctx ends first, the record may still be kept, unconfirmed. A caller that
// is alone writes itself, and then waits for one flush of a disk that was fast
// until now, even if ctx ends.
func (s *Spool) Append(ctx context.Context, l report.Lane, kind string, body any) (seq uint64, err error) {
	return s.AppendFunc(ctx, l, kind, func(uint64) any { return body })
}

// AppendFunc is Append with a body that depends on the record's number. The
// function may be called more than once or on another goroutine, and must not
// call the spool.
func (s *Spool) AppendFunc(ctx context.Context, lane report.Lane, kind string, body func(seq uint64) any) (seq uint64, err error) {
	l, err := s.lane(lane)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append to lane %s: %w", lane, err)
	}
	r := &request{kind: kind, stamp: s.o.Stamp(), body: body}
	if lane == report.Telemetry {
		return l.accept(ctx, r)
	}
	if s.appendHere(l, r) {
		return r.seq, r.err
	}
	r.done = make(chan struct{})
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, ErrClosed
	}
	i := laneNumber(lane)
	s.queue[i] = append(s.queue[i], r)
	s.mu.Unlock()
	s.poke()
	select {
	case <-r.done:
		return r.seq, r.err
	case <-ctx.Done():
		return 0, fmt.Errorf("append to lane %s: not confirmed: %w", lane, ctx.Err())
	}
}

// Ack says that all records up to and including seq are done with. The cursor
// never moves back; a number that no record has yet is an error.
func (s *Spool) Ack(lane report.Lane, seq uint64) error {
	l, err := s.lane(lane)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= l.next {
		return fmt.Errorf("acknowledge %d of lane %s: its next number is %d", seq, lane, l.next)
	}
	if seq+1 <= l.first {
		return nil
	}
	l.first = seq + 1
	l.buffer.flushed(l.first)
	l.releaseLocked()
	return nil
}

// Head returns what the lane holds now: First is the first number not yet
// acknowledged, Next the one that the next record gets.
func (s *Spool) Head(lane report.Lane) report.Head {
	l, err := s.lane(lane)
	if err != nil {
		return report.Head{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return report.Head{Lane: lane, Epoch: s.epoch, First: l.first, Next: l.next}
}

// Changed returns a channel that is closed when the next record becomes
// readable. Take it before looking at Head, or a record may be missed.
func (s *Spool) Changed(lane report.Lane) <-chan struct{} {
	l, err := s.lane(lane)
	if err != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Epoch names this store.
func (s *Spool) Epoch() report.Epoch { return s.epoch }

// Close writes what waits, saves the cursor and unlocks the directory. Append
// and Read fail afterwards. A second call returns what the first did.
func (s *Spool) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	<-s.done
	return s.end
}

func (s *Spool) lane(name report.Lane) (*lane, error) {
	i := laneNumber(name)
	if i < 0 {
		return nil, fmt.Errorf("there is no lane %q", name)
	}
	return s.lanes[i], nil
}

func (s *Spool) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

func (s *Spool) wrote(bytes int64, syncs int64) {
	s.written.Add(bytes)
	s.syncs.Add(syncs)
}

// fault tells of a refusal of the disk, which the lane survives. The lane's
// status shows it until an append or a retry succeeds.
func (s *Spool) fault(l *lane, err error) {
	l.mu.Lock()
	l.stats.Err, l.stats.Full = err.Error(), false
	l.mu.Unlock()
	l.mending = true
	s.refused(string(l.name), err, 1, 0)
}

// appendLine appends the bytes of a record to b, or returns b as it was.
func (l *lane) appendLine(b []byte, seq uint64, prev report.Hash, r *request) ([]byte, error) {
	o := report.Origin{Device: l.s.o.Device, Lane: l.name, Epoch: l.epoch}
	out, err := report.AppendRecord(b, o, seq, prev, r.stamp, r.kind, r.body(seq))
	if err != nil {
		return b, err
	}
	if n := len(out) - len(b); frameSpace(n) > l.size-headerSize {
		return b, fmt.Errorf("record of %d bytes does not fit into a segment of %d", n, l.size)
	}
	return out, nil
}

// marks returns the next number of each lane.
func (s *Spool) marks() (next [3]uint64) {
	for i, l := range s.lanes {
		l.mu.Lock()
		next[i] = l.next
		l.mu.Unlock()
	}
	return next
}
