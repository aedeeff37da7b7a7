package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// promise is what the spool has told somebody, at a moment of a trace.
type promise struct {
	lines map[report.Lane]map[uint64]string // confirmed, or handed out
	acked map[report.Lane]uint64
	gaps  []report.Gap
	read  *readings // of those lines, for all images of a seed
}

// readings remembers what lines say: most lines of an image stand in a hundred
// others as well, and to decode them was a sixth of the harness.
type readings struct {
	mu    sync.Mutex // guards lines
	lines map[string]reading
}

type reading struct {
	report.Record
	gap *report.Gap
}

// of reads a line. It remembers it when it was given out: others, such as what
// an image's own recovery writes, may never come again.
func (r *readings) of(line []byte, given bool) (got reading, err error) {
	r.mu.Lock()
	got, known := r.lines[string(line)]
	r.mu.Unlock()
	if known {
		return got, nil
	}
	if got.Record, err = report.DecodeRecord(line); err != nil {
		return got, err
	}
	if got.Kind == report.KindGap {
		g, err := decodeBody[report.Gap](got.Record)
		if err != nil {
			return got, err
		}
		got.gap = &g
	}
	if given {
		r.mu.Lock()
		r.lines[string(line)] = got
		r.mu.Unlock()
	}
	return got, nil
}

func newPromise() *promise {
	p := &promise{lines: map[report.Lane]map[uint64]string{}, acked: map[report.Lane]uint64{}, read: &readings{lines: map[string]reading{}}}
	for _, lane := range report.Lanes() {
		p.lines[lane] = map[uint64]string{}
	}
	return p
}

// numbers are those that were given, in order.
func (p *promise) numbers(lane report.Lane) []uint64 {
	return slices.Sorted(maps.Keys(p.lines[lane]))
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

// check opens an image and holds it against the promises. Time stands still
// meanwhile, and the spool's writer is heard out before each look, so that the
// same image always gets the same verdict.
func check(t *testing.T, disk *memdisk.Disk, o Options, p *promise) (err error) {
	synctest.Test(t, func(*testing.T) { err = checkStill(disk, o, p) })
	return err
}

func checkStill(disk *memdisk.Disk, o Options, p *promise) (err error) {
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
	holes := slices.Clone(p.gaps) // other images look at the same promise
	have := map[report.Lane]map[uint64]string{}
	for _, lane := range []report.Lane{report.Event, report.Complaint, report.Telemetry} {
		synctest.Wait()
		next := s.Head(lane).Next
		if last := slices.Max(append(p.numbers(lane), 0)); last >= next {
			return fmt.Errorf("lane %s: next is %d, but %d was given before", lane, next, last)
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
	return appendAfter(s, p)
}

// appendAfter holds that each lane takes a record after the cut.
func appendAfter(s *Spool, p *promise) error {
	for _, lane := range report.Lanes() {
		synctest.Wait()
		seq, err := s.Append(context.Background(), lane, "test", "after")
		if err != nil {
			if lane == report.Complaint && p.full(s) {
				continue
			}
			return fmt.Errorf("append after the cut: %w", err)
		}
		synctest.Wait()
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
		synctest.Wait()
		if len(got) == 0 {
			return have, nil
		}
		for _, e := range got {
			want, given := p.lines[lane][e.Seq]
			r, err := p.read.of(e.Line, given)
			if err != nil || r.Seq != e.Seq || e.Seq < from {
				return nil, fmt.Errorf("lane %s: record %d where at least %d was expected: %v", lane, e.Seq, from, err)
			}
			if given && want != string(e.Line) {
				return nil, fmt.Errorf("lane %s: %d is another record than the one given out", lane, e.Seq)
			}
			if r.Was != nil {
				if moved[r.Was.Seq] {
					return nil, fmt.Errorf("lane %s: %d was moved twice", lane, r.Was.Seq)
				}
				moved[r.Was.Seq] = true
				if want, err := p.read.of([]byte(p.lines[lane][r.Was.Seq]), true); err == nil && (string(want.Body) != string(r.Body) || want.Kind != r.Kind) {
					return nil, fmt.Errorf("lane %s: %d is another record than %d was", lane, e.Seq, r.Was.Seq)
				}
				have[r.Was.Seq] = string(e.Line)
			}
			if r.Kind == report.KindGap {
				if r.gap.Reason == report.GapDamage {
					return nil, fmt.Errorf("a power cut is reported as damage: %s", r.Body)
				}
				*holes = append(*holes, *r.gap)
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
	for _, seq := range p.numbers(lane) {
		if seq <= p.acked[lane] || !lane.Chained() || have[seq] != "" {
			continue
		}
		if lane == report.Event && (explained(holes, lane, seq, report.GapFull) || droppedMoved(holes, seq)) {
			continue
		}
		return fmt.Errorf("lane %s: %d was confirmed and is lost (head %+v, waits %v)", lane, seq, h, s.waitsToMove())
	}
	for seq := p.acked[lane] + 1; seq < h.Next; seq++ {
		if have[seq] != "" {
			continue
		}
		if to, ok := explainedTo(holes, lane, seq); ok {
			seq = to // an epoch begins thousands of numbers above the one before
		} else {
			now := ""
			if got, _ := s.Read(lane, seq, 1, 1); len(got) > 0 {
				now = string(got[0].Line)
			}
			return fmt.Errorf("lane %s: %d is missing without a gap record (head %+v, gaps %v); read now: %q", lane, seq, h, holes, now)
		}
	}
	return nil
}

// explainedTo tells whether seq is explained, and up to where by the same gap.
func explainedTo(holes []report.Gap, lane report.Lane, seq uint64) (to uint64, ok bool) {
	for _, g := range holes {
		if g.Lane == lane && g.From <= seq && seq <= g.To {
			to, ok = max(to, g.To), true
		}
	}
	return to, ok
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

// copy keeps the promises as they are now.
func (p *promise) copy() *promise {
	c := newPromise()
	for lane, lines := range p.lines {
		for seq, line := range lines {
			c.lines[lane][seq] = line
		}
		c.acked[lane] = p.acked[lane]
	}
	c.gaps, c.read = append(c.gaps, p.gaps...), p.read
	return c
}
