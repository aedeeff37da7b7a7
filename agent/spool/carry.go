package spool

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"kentongan/agent/report"
)

// When the event lane gives up its oldest segment, the gap records in it are
// written again behind the newest event, or what they explain would be a hole
// without a word at the centre. Ranges are merged, so that a lane that overflows
// for weeks carries a handful of them.

// gapMark stands in each gap record's line, see report.AppendRecord.
var gapMark = []byte(`"kind":"` + report.KindGap + `"`)

// gapBytes is about what one gap record takes in a segment, in bytes. Three
// quarters of a segment may be gap records that are carried; more would leave no
// room for anything new.
const gapBytes = 400

// carry takes the gap records out of a segment that is about to be given up,
// from number first on, and makes notes of them together with own, the gap that
// giving it up makes itself. below is the lane's new first number; lazy is until
// when the notes may wait.
func (l *lane) carry(seg *segment, first, below uint64, own *report.Gap, lazy time.Time) {
	var gaps []report.Gap
	for _, g := range l.gapRecords(seg, first) {
		if g.Lane == l.name && g.Epoch == l.s.epoch && g.To < below {
			own.From, own.Count = min(own.From, g.From), own.Count+g.Count // all below is gone, whatever the reason
			continue
		}
		gaps = join(gaps, g)
	}
	own.Count = min(own.Count, own.To-own.From+1)
	for _, lane := range l.s.lanes {
		lane.mu.Lock()
		first := lane.first
		lane.mu.Unlock()
		gaps = squeeze(gaps, lane.name, l.s.epoch, first)
	}
	if most := int((l.size - headerSize) * 3 / 4 / gapBytes); len(gaps) > most {
		l.s.log.Error("gap records given up", "lane", l.name, "count", len(gaps)-most)
		gaps = gaps[len(gaps)-most:]
	}
	l.s.notes.carry(gaps, lazy)
}

// gapRecords reads the gap records of a segment, from number first on, as far
// as the disk lets it.
func (l *lane) gapRecords(seg *segment, first uint64) (out []report.Gap) {
	f, err := l.s.fs.Open(l.path(seg.slot), false)
	if err != nil {
		l.s.fault(l, err)
		return nil
	}
	defer f.Close()
	data, err := readAll(f, seg.size)
	if err != nil {
		l.s.fault(l, err)
	}
	im := image{data: data, epoch: seg.epoch, lane: l.name, id: seg.id}
	for _, spot := range im.walk(seg.first, seg.last).spots {
		line := data[spot.off+frameSize : spot.off+frameSize+int64(spot.length)]
		if spot.seq < first || !bytes.Contains(line, gapMark) {
			continue
		}
		var g report.Gap
		r, err := report.DecodeRecord(line)
		if err != nil || r.Kind != report.KindGap || json.Unmarshal(r.Body, &g) != nil {
			continue
		}
		if g.Lane.Valid() && g.From > 0 && g.To >= g.From {
			out = append(out, g)
		}
	}
	return out
}

// touch tells whether two gaps are of the same kind and leave nothing between
// them.
func touch(a, b report.Gap) bool {
	return a.Lane == b.Lane && a.Epoch == b.Epoch && a.Reason == b.Reason && a.From <= b.To+1 && b.From <= a.To+1
}

// spanGap is one gap from the first of both to the last.
func spanGap(a, b report.Gap) report.Gap {
	g := a
	g.From, g.To = min(a.From, b.From), max(a.To, b.To)
	g.Count = min(a.Count+b.Count, g.To-g.From+1)
	if grave(b.Reason) > grave(a.Reason) {
		g.Reason = b.Reason
	}
	return g
}

// grave orders the reasons of gaps: the worst one stands for both.
func grave(reason string) int {
	return slices.Index([]string{report.GapEpoch, report.GapTorn, report.GapWrite, report.GapFull, report.GapDamage}, reason)
}

// join adds a gap to others, as part of one that it touches where there is one.
func join(gaps []report.Gap, g report.Gap) []report.Gap {
	for i := 0; i < len(gaps); i++ {
		if touch(gaps[i], g) {
			g = spanGap(gaps[i], g)
			gaps = slices.Delete(gaps, i, i+1)
			i = -1
		}
	}
	return append(gaps, g)
}

// squeeze merges gaps of one lane until the cursor has room for them. It takes
// the two that are closest to each other, and only where everything between them
// has left the lane (numbers below first): one that is still to be sent must not
// be called lost. Telemetry may be: such a record counts when it arrives, and
// Count says that not all of the range is missing.
func squeeze(gaps []report.Gap, lane report.Lane, epoch report.Epoch, first uint64) []report.Gap {
	slices.SortStableFunc(gaps, func(a, b report.Gap) int { return compare(a.From, b.From) })
	for {
		var mine []int
		for i, g := range gaps {
			if g.Lane == lane {
				mine = append(mine, i)
			}
		}
		if len(mine) <= maxPending {
			return gaps
		}
		best, least := -1, ^uint64(0)
		for k := range mine[1:] {
			a, b := gaps[mine[k]], gaps[mine[k+1]]
			gone := a.Epoch != epoch || b.To < first || lane == report.Telemetry
			if d := b.From - min(a.To, b.From); a.Epoch == b.Epoch && gone && d < least {
				best, least = k, d
			}
		}
		if best < 0 {
			return gaps
		}
		gaps[mine[best]] = spanGap(gaps[mine[best]], gaps[mine[best+1]])
		gaps = slices.Delete(gaps, mine[best+1], mine[best+1]+1)
	}
}

// carry makes notes of gaps that had a record, before all others: nothing else
// on the disk tells of them any more.
func (ns *notes) carry(gaps []report.Gap, lazy time.Time) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	var front []*note
	for _, g := range gaps {
		front = append(front, &note{gap: &g, lazy: lazy})
	}
	ns.pending = append(front, ns.pending...)
}
