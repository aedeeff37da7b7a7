package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// promise is what the spool has told somebody, at a moment of a trace.
type promise struct {
	lines map[report.Lane]map[uint64]string // confirmed, or handed out
	acked map[report.Lane]uint64
	gaps  []report.Gap
}

func newPromise() *promise {
	p := &promise{lines: map[report.Lane]map[uint64]string{}, acked: map[report.Lane]uint64{}}
	for _, lane := range report.Lanes() {
		p.lines[lane] = map[uint64]string{}
	}
	return p
}

// moment is one entry of a trace: a change of the disk, or a promise.
type moment struct {
	op    op
	lane  report.Lane
	seq   uint64
	line  string
	acked bool
	gap   *report.Gap
}

func (p *promise) take(m moment) {
	switch {
	case m.gap != nil:
		p.gaps = append(p.gaps, *m.gap)
	case m.acked:
		p.acked[m.lane] = max(p.acked[m.lane], m.seq)
	case m.lane != "":
		p.lines[m.lane][m.seq] = m.line
	}
}

// run is one life of a spool, recorded.
type cutRun struct {
	t       *testing.T
	rng     *rand.Rand
	offline bool // no event leaves: the lane overflows
	renew   int  // the step at which a new epoch is asked for; 0 for none
	mu      sync.Mutex
	moments []moment
}

func (r *cutRun) add(m moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moments = append(r.moments, m)
}

// live opens the spool and does what an agent does, for some steps.
func (r *cutRun) live(disk *memFS, o Options, steps int) {
	disk.trace = func(o op) { r.add(moment{op: o}) }
	o.FS = disk
	s, err := Open("/s", o)
	if err != nil {
		r.t.Fatal(err)
	}
	for step := range steps {
		if step+1 == r.renew {
			if err := s.Renew(map[report.Lane]uint64{report.Complaint: s.Head(report.Complaint).Next + 7}); err != nil {
				r.t.Fatal(err)
			}
		}
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
				continue
			}
			r.deliver(s, lane)
		default:
			time.Sleep(time.Duration(r.rng.IntN(12000)) * time.Millisecond)
		}
		synctest.Wait()
	}
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
	disk.trace = nil
}

// burst appends some records at the same time.
func (r *cutRun) burst(s *Spool, lane report.Lane) {
	var wg sync.WaitGroup
	for range 1 + r.rng.IntN(3) {
		body := strings.Repeat("x", r.rng.IntN(200)*r.rng.IntN(8)) + fmt.Sprint(r.rng.Uint64())
		wg.Go(func() {
			seq, err := s.Append(context.Background(), lane, "test", body)
			if err != nil {
				return // full: nothing was promised
			}
			if lane.Chained() {
				r.see(s, lane, seq, 1)
			}
		})
	}
	wg.Wait()
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

// check opens an image and holds it against the promises.
func check(disk *memFS, o Options, p *promise) (err error) {
	o.FS = disk
	log := &heard{}
	o.Log = slog.New(log)
	s, err := Open("/s", o)
	if err != nil {
		return err
	}
	defer s.Close()
	defer func() { // a power cut is no refusal of the disk
		if said := log.about("refuses"); err == nil && said != "" || err != nil {
			err = errors.Join(err, fmt.Errorf("said %q", log.about("")))
		}
	}()
	holes := p.gaps
	have := map[report.Lane]map[uint64]string{}
	for _, lane := range []report.Lane{report.Event, report.Complaint, report.Telemetry} {
		next := s.Head(lane).Next
		for seq := range p.lines[lane] {
			if seq >= next {
				return fmt.Errorf("lane %s: next is %d, but %d was given before", lane, next, seq)
			}
		}
		if have[lane], err = readCut(s, lane, p, &holes); err != nil {
			return err
		}
	}
	for _, lane := range report.Lanes() {
		if err := compareCut(s, lane, p, have[lane], holes); err != nil {
			return err
		}
	}
	for _, lane := range report.Lanes() {
		seq, err := s.Append(context.Background(), lane, "test", "after")
		if err != nil {
			if lane == report.Complaint && p.full(s) {
				continue
			}
			return fmt.Errorf("append after the cut: %w", err)
		}
		if got, err := s.Read(lane, seq, 1, 1); err != nil || len(got) != 1 || got[0].Seq != seq {
			return fmt.Errorf("lane %s: appended %d, read %v, %v", lane, seq, got, err)
		}
	}
	return nil
}

// full tells whether the complaint lane may rightly be.
func (p *promise) full(s *Spool) bool {
	st := s.Status().Lanes[report.Complaint]
	return st.Used+s.lanes[0].size > st.Quota
}

func readCut(s *Spool, lane report.Lane, p *promise, holes *[]report.Gap) (map[uint64]string, error) {
	have, from, prev := map[uint64]string{}, s.Head(lane).First, ""
	moved := map[uint64]bool{}
	for {
		got, err := s.Read(lane, from, 16, 1<<20)
		if err != nil {
			return nil, err
		}
		if len(got) == 0 {
			return have, nil
		}
		for _, e := range got {
			r, err := report.DecodeRecord(e.Line)
			if err != nil || r.Seq != e.Seq || e.Seq < from {
				return nil, fmt.Errorf("lane %s: record %d where at least %d was expected: %v", lane, e.Seq, from, err)
			}
			if want, ok := p.lines[lane][e.Seq]; ok && want != string(e.Line) {
				return nil, fmt.Errorf("lane %s: %d is another record than the one given out", lane, e.Seq)
			}
			if r.Was != nil {
				if moved[r.Was.Seq] {
					return nil, fmt.Errorf("lane %s: %d was moved twice", lane, r.Was.Seq)
				}
				moved[r.Was.Seq] = true
				if want, err := report.DecodeRecord([]byte(p.lines[lane][r.Was.Seq])); err == nil && (string(want.Body) != string(r.Body) || want.Kind != r.Kind) {
					return nil, fmt.Errorf("lane %s: %d is another record than %d was", lane, e.Seq, r.Was.Seq)
				}
				have[r.Was.Seq] = string(e.Line)
			}
			if r.Kind == report.KindGap {
				g, err := decodeBody[report.Gap](r)
				if err != nil {
					return nil, err
				}
				if g.Reason == report.GapDamage {
					return nil, fmt.Errorf("a power cut is reported as damage: %s", r.Body)
				}
				*holes = append(*holes, g)
			}
			if r.Kind == report.KindDamage {
				return nil, fmt.Errorf("a power cut is reported as damage: %s", r.Body)
			}
			if prev != "" && have[e.Seq-1] == prev && r.Prev != nil && *r.Prev != report.HashLine([]byte(prev)) {
				return nil, fmt.Errorf("lane %s: %d is not chained to the record before", lane, e.Seq)
			}
			have[e.Seq], prev = string(e.Line), string(e.Line)
			from = e.Seq + 1
		}
	}
}

// compareCut: what was confirmed and not acknowledged is there, and every
// number that is not has its gap record.
func compareCut(s *Spool, lane report.Lane, p *promise, have map[uint64]string, holes []report.Gap) error {
	h := s.Head(lane)
	for seq := range p.lines[lane] {
		if seq <= p.acked[lane] || !lane.Chained() || have[seq] != "" {
			continue
		}
		if lane == report.Event && (explained(holes, lane, seq, report.GapFull) || droppedMoved(holes, seq)) {
			continue
		}
		return fmt.Errorf("lane %s: %d was confirmed and is lost (head %+v, waits %v)", lane, seq, h, s.waitsToMove())
	}
	for seq := p.acked[lane] + 1; seq < h.Next; seq++ {
		if have[seq] == "" && !explained(holes, lane, seq) {
			now := ""
			if got, _ := s.Read(lane, seq, 1, 1); len(got) > 0 {
				now = string(got[0].Line)
			}
			return fmt.Errorf("lane %s: %d is missing without a gap record (head %+v, gaps %v); read now: %q", lane, seq, h, holes, now)
		}
	}
	return nil
}

// waitsToMove shows what is left of an epoch that has ended.
func (s *Spool) waitsToMove() (out string) {
	if s.renewal == nil {
		return "nothing"
	}
	out = fmt.Sprintf("moved %v", s.renewal.Moved)
	for _, old := range s.old {
		out += fmt.Sprintf("; %s first %d next %d moved %d segs %d err %s used %d of %d", old.name, old.first, old.next, old.moved, len(old.segs), s.lanes[laneNumber(old.name)].stats.Err, s.lanes[laneNumber(old.name)].used(), old.quota)
	}
	return out
}

// droppedMoved tells whether an event of an epoch that has ended may have been
// dropped under its new number, which nobody has seen.
func droppedMoved(holes []report.Gap, seq uint64) bool {
	for _, g := range holes {
		if g.Lane == report.Event && g.Reason == report.GapFull && g.To > seq {
			return explained(holes, report.Event, seq, report.GapEpoch)
		}
	}
	return false
}

// TestPowerCuts cuts the power at every change of the disk, in many ways.
// KENTONGAN_CUTS is how many images are opened, KENTONGAN_SEED where to begin.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	want := int64(100_000 / slowdown)
	if v := os.Getenv("KENTONGAN_CUTS"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			t.Fatalf("KENTONGAN_CUTS: %v", err)
		}
		want = n
	}
	base := testSeed(t)
	began := time.Now()
	var images atomic.Int64
	for seed := base; images.Load() < want && !t.Failed(); seed++ {
		cutSeed(t, seed, &images)
	}
	took := time.Since(began)
	t.Logf("%d images from seed %d in %v, %.0f/s", images.Load(), base, took.Round(time.Millisecond), float64(images.Load())/took.Seconds())
}

// testSeed returns the seed that KENTONGAN_SEED gives, or a new one, and
// prints it.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("KENTONGAN_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("KENTONGAN_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("KENTONGAN_SEED=%d", seed)
	return seed
}

// cutSeed lives some lives, each on a disk that a cut of the one before left.
func cutSeed(t *testing.T, seed uint64, images *atomic.Int64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	o := small(nil)
	if rng.IntN(4) == 0 {
		o.Mirror = "/m"
	}
	o.TelemetryDelay = 2 * time.Second
	o.Epoch = func() (report.Epoch, error) { return report.Epoch(rand.Uint64() | 1), nil }
	offline, renewIn := rng.IntN(3) == 0, rng.IntN(6)
	if offline {
		o.Quota[report.Event] = 2 * 16 << 10
	}
	disk, p := newMemFS(), newPromise()
	for life := range 3 {
		at, run := newCutDisk(disk), &cutRun{t: t, rng: rng, offline: offline}
		if life == renewIn {
			run.renew = 1 + rng.IntN(8)
		}
		synctest.Test(t, func(t *testing.T) { run.live(disk, o, 8+rng.IntN(25)) })
		if t.Failed() {
			t.Logf("seed %d, life %d", seed, life)
			return
		}
		next, wg, start := rng.IntN(len(run.moments)), newPool(), disk
		now := p.copy()
		for i, m := range run.moments {
			if m.op.kind != "" {
				at.step(m.op)
			} else {
				p.take(m)
				now = p.copy()
			}
			if i == next {
				start = at.image(rng)
			}
			for v := range 6 {
				if v > 0 && len(at.writes)+len(at.changes) == 0 {
					break // nothing is in flight: one image is all there is
				}
				img, now := at.image(rng), now
				wg.do(func() {
					images.Add(1)
					if err := check(img, o, now); err != nil {
						t.Errorf("seed %d, life %d, moment %d of %d, variant %d: %v", seed, life, i, len(run.moments), v, err)
					}
				})
			}
			if i == next {
				disk = start
				break
			}
		}
		wg.wait()
		if t.Failed() {
			return
		}
	}
}

// copy keeps the promises as they are now.
func (p *promise) copy() *promise {
	c := newPromise()
	for lane, lines := range p.lines {
		for seq, line := range lines {
			c.lines[lane][seq] = line
		}
		c.acked[lane] = p.acked[lane]
	}
	c.gaps = append(c.gaps, p.gaps...)
	return c
}

// TestCutsFindADiskThatLies is the negative control: when flushes of segments
// are not passed on, the harness must say that confirmed records are lost.
func TestCutsFindADiskThatLies(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	disk, o := newMemFS(), small(nil)
	at, run := newCutDisk(disk), &cutRun{t: t, rng: rng}
	synctest.Test(t, func(t *testing.T) { run.live(disk, o, 20) })
	p, failed := newPromise(), 0
	for _, m := range run.moments {
		switch {
		case m.op.kind == "":
			p.take(m)
		case m.op.kind != "sync" || !strings.HasSuffix(m.op.name, ".seg"):
			at.step(m.op)
		}
		if check(at.image(rng), o, p) != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Errorf("none of %d images shows a loss", len(run.moments))
	}
}
