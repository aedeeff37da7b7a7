package spool

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kentongan/agent/report"
)

const (
	maxKnown   = 32  // reported holes of a lane that the cursor remembers, so that it fits into its page
	maxPending = 8   // holes of a lane that the cursor remembers although no durable record explains them yet
	maxNotes   = 512 // that wait in memory while the event lane can't be written
	lazyNotes  = 30 * time.Second
	maxInRound = 64
)

// note is something that the spool itself has to say in the event lane.
type note struct {
	damage *report.Damage
	gap    *report.Gap
	disk   *report.DiskRefusal
	epoch  *report.NewEpoch
	alone  bool      // no other gap joins it
	lazy   time.Time // may wait until then
	closed bool      // being written: numbers that follow make a note of their own
}

// notes are those that are not in the event lane yet. The mutex guards all.
type notes struct {
	mu      sync.Mutex
	pending []*note
	failed  bool // the last attempt did; wait for another event, or for the tick
}

// gap notes that numbers of a lane will never arrive. Numbers that follow
// those of a waiting note join it.
func (s *Spool) gap(l *lane, from, to uint64, reason string) {
	s.noteGap(report.Gap{Lane: l.name, Epoch: l.epoch, From: from, To: to, Count: to - from + 1, Reason: reason})
}

func (s *Spool) noteGap(g report.Gap) {
	var lazy time.Time
	if g.Lane == report.Telemetry && g.Reason == report.GapFull {
		lazy = time.Now().Add(lazyNotes) // a full lane drops for hours: one record each half minute
	}
	s.noteGapBy(g, lazy)
}

// noteGapBy notes a gap that may wait until lazy.
func (s *Spool) noteGapBy(g report.Gap, lazy time.Time) {
	// What was begun and never confirmed is no loss: nobody was promised it.
	level, msg := slog.LevelWarn, "records lost"
	if g.Reason == report.GapTorn || g.Reason == report.GapWrite || g.Reason == report.GapEpoch {
		level, msg = slog.LevelInfo, "numbers left out"
	}
	s.log.Log(context.Background(), level, msg, "lane", g.Lane, "from", g.From, "to", g.To, "reason", g.Reason)
	s.notes.add(&note{gap: &g, lazy: lazy})
	if s.wake != nil {
		s.poke()
	}
}

// damage notes a fault of the store.
func (s *Spool) damage(d report.Damage) {
	s.log.Error("spool damaged", "lane", d.Lane, "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes, "detail", d.Detail, "saved", d.Saved)
	s.notes.add(&note{damage: &d})
	if s.wake != nil {
		s.poke()
	}
}

func (ns *notes) add(n *note) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n.gap != nil && !n.alone {
		for _, old := range ns.pending {
			if g := old.gap; g != nil && !old.closed && !old.alone && touch(*g, *n.gap) {
				*g = spanGap(*g, *n.gap)
				return
			}
		}
	}
	if len(ns.pending) >= maxNotes && n.damage != nil {
		return // the gap records are what counts
	}
	ns.pending = append(ns.pending, n)
}

// requests makes records of the notes that are due.
func (ns *notes) requests(all, rides bool, stamp func() report.Stamp) (out []*request) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.failed && !all && !rides {
		return nil
	}
	now := time.Now()
	for _, n := range ns.pending {
		if !all && now.Before(n.lazy) || len(out) == maxInRound {
			continue
		}
		r := &request{note: n, stamp: stamp()}
		// A gap or a refusal may grow until it is encoded, and must not after.
		switch {
		case n.gap != nil:
			r.kind, r.body = report.KindGap, func(uint64) any { return *closed(ns, n, n.gap) }
		case n.disk != nil:
			r.kind, r.body = report.KindDisk, func(uint64) any { return *closed(ns, n, n.disk) }
		case n.epoch != nil:
			r.kind, r.body = report.KindEpoch, func(uint64) any { return *n.epoch }
		default:
			r.kind, r.body = report.KindDamage, func(uint64) any { return *n.damage }
		}
		out = append(out, r)
	}
	return out
}

// closed returns a copy of what a note says, as it will be written.
func closed[T any](ns *notes, n *note, says *T) *T {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	n.closed = true
	out := *says
	return &out
}

// ready tells whether there is any note to write: after an attempt that failed
// only together with an event that was taken.
func (ns *notes) ready(event bool) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return len(ns.pending) > 0 && (event || !ns.failed)
}

// waits tells whether what a note says may still grow.
func (ns *notes) waits(n *note) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return !n.closed
}

// settle forgets a note that is durable.
func (ns *notes) settle(n *note, err error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.failed = err != nil; ns.failed {
		n.closed = false
		return
	}
	ns.pending = slices.DeleteFunc(ns.pending, func(other *note) bool { return other == n })
}

// again lets notes be tried at once after an attempt that failed.
func (ns *notes) again() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.failed = false
}

// hole is a range of numbers that will never arrive, and why.
type hole struct {
	report.Range
	Reason string
	Count  uint64       `json:",omitempty"` // of the numbers, where it is not all
	Epoch  report.Epoch `json:",omitzero"`  // where it is another one than the store's
}

// gap is the record of the hole.
func (h hole) gap(lane report.Lane, epoch report.Epoch) report.Gap {
	g := report.Gap{Lane: lane, Epoch: epoch, From: h.From, To: h.To, Count: h.To - h.From + 1, Reason: h.Reason}
	if h.Count > 0 {
		g.Count = h.Count
	}
	if h.Epoch != 0 {
		g.Epoch = h.Epoch
	}
	return g
}

// holeOf is what the cursor keeps of a gap.
func holeOf(g report.Gap, epoch report.Epoch) hole {
	h := hole{Range: report.Range{From: g.From, To: g.To}, Reason: g.Reason}
	if g.Count != g.To-g.From+1 {
		h.Count = g.Count
	}
	if g.Epoch != epoch {
		h.Epoch = g.Epoch
	}
	return h
}

// gaps are those of a lane that waiting notes explain, the oldest note first.
func (ns *notes) gaps(lane report.Lane) (out []report.Gap) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for _, n := range ns.pending {
		if n.gap != nil && n.gap.Lane == lane {
			out = append(out, *n.gap)
		}
	}
	return out
}

// addRange adds a range to those known, joined where they touch.
func addRange(known []report.Range, r report.Range) []report.Range {
	out := known[:0:0]
	for _, k := range known {
		if k.To+1 < r.From || r.To+1 < k.From {
			out = append(out, k)
			continue
		}
		r.From, r.To = min(r.From, k.From), max(r.To, k.To)
	}
	out = append(out, r)
	slices.SortFunc(out, func(a, b report.Range) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return out
}

// unknown returns the parts of r that no known range holds.
func unknown(known []report.Range, r report.Range) (out []report.Range) {
	for _, k := range known {
		if k.To < r.From || r.To < k.From {
			continue
		}
		if r.From < k.From {
			out = append(out, report.Range{From: r.From, To: k.From - 1})
		}
		if k.To >= r.To {
			return out
		}
		r.From = k.To + 1
	}
	return append(out, r)
}
