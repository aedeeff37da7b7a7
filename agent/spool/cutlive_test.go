package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// moment is one entry of a trace: a change of the disk, or a promise.
type moment struct {
	op    memdisk.Op
	lane  report.Lane
	seq   uint64
	line  string
	acked bool
	gap   *report.Gap
}

// String is the moment without what differs from run to run: which file it was.
func (m moment) String() string {
	gap := ""
	if m.gap != nil {
		gap = fmt.Sprintf("%+v", *m.gap)
	}
	return fmt.Sprint(m.op.Kind, m.op.Dir, m.op.Name, m.op.To, m.op.Off, sha256.Sum256(m.op.Data), m.lane, m.seq, m.line, m.acked, gap)
}

// cutRun is one life of a spool, recorded. What happens at the same time in an
// agent comes here in an order that follows from the seed: nothing is left to
// the scheduler, or a failure could not be looked at twice.
type cutRun struct {
	t       *testing.T
	rng     *rand.Rand
	how     *rand.Rand // draws how records come together
	seed    uint64
	life    int
	offline bool // no event leaves: the lane overflows
	renew   int  // the step at which a new epoch is asked for; 0 for none
	mu      sync.Mutex
	moments []moment
}

func newCutRun(t *testing.T, rng *rand.Rand, seed uint64, life int) *cutRun {
	return &cutRun{t: t, rng: rng, how: rand.New(rand.NewPCG(seed, drawsHow+uint64(life))), seed: seed, life: life}
}

func (r *cutRun) add(m moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moments = append(r.moments, m)
}

// live opens the spool and does what an agent does, for some steps.
func (r *cutRun) live(disk *memdisk.Disk, o Options, steps int) {
	disk.Trace = func(o memdisk.Op) { r.add(moment{op: o}) }
	o.FS = disk
	s, err := Open("/s", o)
	if err != nil {
		r.t.Fatal(err)
	}
	for step := range steps {
		synctest.Wait()
		if step+1 == r.renew {
			if err := s.Renew(map[report.Lane]uint64{report.Complaint: s.Head(report.Complaint).Next + 7}); err != nil {
				r.t.Fatal(err)
			}
			synctest.Wait()
		}
		r.step(s)
	}
	synctest.Wait()
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
	disk.Trace = nil
}

func (r *cutRun) step(s *Spool) {
	switch n := r.rng.IntN(20); {
	case n < 6:
		r.burst(s, report.Complaint)
	case n < 10:
		r.burst(s, report.Event)
	case n < 14:
		r.burst(s, report.Telemetry)
	case n < 18:
		lane := report.Lanes()[r.rng.IntN(3)]
		if r.offline && lane == report.Event {
			r.burst(s, lane)
			return
		}
		r.deliver(s, lane)
	default:
		time.Sleep(time.Duration(r.rng.IntN(12000)) * time.Millisecond)
	}
}

// burst appends some records: the first few each by itself, as a caller who is
// alone does, and the others while somebody has the pen, so that one commit
// takes them all.
func (r *cutRun) burst(s *Spool, lane report.Lane) {
	bodies := make([]string, 1+r.rng.IntN(3))
	for i := range bodies {
		bodies[i] = strings.Repeat("x", r.rng.IntN(200)*r.rng.IntN(8)) + fmt.Sprint(r.rng.Uint64())
	}
	since, alone := len(r.moments), r.how.IntN(len(bodies)+1)
	seqs := make([]uint64, len(bodies)) // 0 where the lane is full: nothing was promised
	for i, body := range bodies[:alone] {
		seqs[i], _ = s.Append(context.Background(), lane, "test", body)
		synctest.Wait()
	}
	s.pen <- struct{}{}
	var wg sync.WaitGroup
	for i, body := range bodies[alone:] {
		wg.Go(func() { seqs[alone+i], _ = s.Append(context.Background(), lane, "test", body) })
		synctest.Wait() // it waits, behind the one before
	}
	<-s.pen
	wg.Wait()
	synctest.Wait()
	for _, seq := range seqs {
		if lane.Chained() && seq != 0 {
			r.confirmed(s, lane, seq, since)
		}
	}
}

// confirmed notes a promise, where the flush stands that the record was on the
// disk with: Append returns a little later, but when, the scheduler decides.
func (r *cutRun) confirmed(s *Spool, lane report.Lane, seq uint64, since int) {
	got, err := s.Read(lane, seq, 1, 1<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(got) == 0 || got[0].Seq != seq {
		return // the lane has given it up since
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	write := since + slices.IndexFunc(r.moments[since:], func(m moment) bool {
		return m.op.Kind == "write" && bytes.Contains(m.op.Data, got[0].Line)
	})
	if write < since {
		r.t.Fatalf("lane %s: %d was confirmed and not written", lane, seq)
	}
	flush := write + slices.IndexFunc(r.moments[write:], func(m moment) bool {
		return m.op.Kind == "sync" && m.op.File == r.moments[write].op.File
	})
	if flush < write {
		r.t.Fatalf("lane %s: %d was confirmed and not flushed", lane, seq)
	}
	r.moments = slices.Insert(r.moments, flush+1, moment{lane: lane, seq: seq, line: string(got[0].Line)})
}

// see reads records and notes that somebody has.
func (r *cutRun) see(s *Spool, lane report.Lane, from uint64, n int) (last uint64) {
	got, err := s.Read(lane, from, n, 1<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range got {
		r.add(moment{lane: lane, seq: e.Seq, line: string(e.Line)})
		if g := gaps(r.t, []report.Entry{e}); len(g) > 0 {
			r.add(moment{gap: &g[0]})
		}
		last = e.Seq
	}
	return last
}

// deliver reads some records and acknowledges them.
func (r *cutRun) deliver(s *Spool, lane report.Lane) {
	last := r.see(s, lane, s.Head(lane).First, 1+r.rng.IntN(8))
	if last == 0 {
		return
	}
	r.add(moment{lane: lane, seq: last, acked: true}) // before: it may be gone at once
	if err := s.Ack(lane, last); err != nil {
		r.t.Fatal(err)
	}
}
