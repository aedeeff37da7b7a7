package spool

import (
	"context"
	"errors"
	"fmt"

	"kentongan/agent/report"
)

// verifyTries is how often a segment that an agent may be writing to is read
// again before what was found there counts.
const verifyTries = 3

// Verify checks headers, checksums, numbers and the chain, and returns all
// that is wrong. What a power cut left behind the last confirmed record is not
// wrong, and neither is a hole that the spool itself knows of.
func (v *View) Verify() []Fault {
	out, _ := v.VerifyWithin(context.Background())
	return out
}

// VerifyWithin is Verify until ctx ends; all is false when it did before
// everything was read.
func (v *View) VerifyWithin(ctx context.Context) (out []Fault, all bool) {
	out = append(out, v.faults...)
	for _, lane := range report.Lanes() {
		c := chain{v: v, lane: lane}
		for i := range v.lanes[lane] {
			if ctx.Err() != nil {
				return out, false
			}
			out = append(out, c.segment(i)...)
		}
		out = append(out, c.end()...)
	}
	return out, true
}

// chain follows the records of one lane over its segments.
type chain struct {
	v    *View
	lane report.Lane
	last uint64 // 0 before the first
	hash report.Hash
	file string
}

func (c *chain) segment(i int) (faults []Fault) {
	seg := c.v.lanes[c.lane][i]
	var im image
	var w walked
	var err error
	for range verifyTries {
		im, w, err = c.v.walk(c.lane, i)
		if errors.Is(err, errMoved) {
			return nil
		}
		if err == nil && len(w.spans) == 0 && !w.dirty {
			break
		}
	}
	fault := func(off int64, format string, args ...any) {
		faults = append(faults, Fault{Lane: c.lane, File: seg.file, Offset: off, Text: fmt.Sprintf(format, args...)})
	}
	if err != nil {
		fault(0, "%v", err)
	}
	if c.last != 0 && !seg.bad {
		c.joins(seg, fault)
	}
	for _, sp := range w.spans {
		if !sp.torn {
			fault(sp.off, "%d bytes are no record; lost: %s", sp.end-sp.off, rangeText(sp.after+1, sp.before-1))
		}
	}
	c.last, c.file = max(c.last, seg.first-1), seg.file
	if c.lane.Chained() {
		c.hash = seg.prev
		c.records(im, w, seg.bad, fault)
	}
	c.last = max(c.last, w.last(c.last))
	return faults
}

// joins checks that a segment begins where the one before it ended.
func (c *chain) joins(seg *viewSegment, fault func(int64, string, ...any)) {
	switch {
	case seg.before > c.last && c.waits(seg.before):
		fault(0, "the segment before it lacks %s", rangeText(c.last+1, seg.before))
	case seg.before == c.last && c.lane.Chained() && seg.prev != c.hash:
		fault(0, "the hash of record %d is not the one in the header", c.last)
	}
}

// waits tells whether a number is not acknowledged yet; what is may be gone.
func (c *chain) waits(seq uint64) bool { return seq >= c.v.first(c.lane) }

// records checks numbers, place and chain of each record of a segment.
func (c *chain) records(im image, w walked, guessed bool, fault func(int64, string, ...any)) {
	sure := !guessed // the hash of the record before is known
	for i, spot := range w.spots {
		line := im.data[spot.off+frameSize : spot.off+frameSize+int64(spot.length)]
		r, err := report.DecodeRecord(line)
		switch {
		case err != nil:
			fault(spot.off, "record %d: %v", spot.seq, err)
		case r.Seq != spot.seq || r.Lane != c.lane || r.Epoch != c.v.Epoch:
			fault(spot.off, "record %d says of itself that it is %s/%s/%d", spot.seq, r.Lane, r.Epoch, r.Seq)
		case sure && (i == 0 || spot.seq == w.spots[i-1].seq+1) && *r.Prev != c.hash:
			fault(spot.off, "record %d is not chained to the one before it", spot.seq)
		}
		c.hash, sure = report.HashLine(line), true
	}
}

// end checks that the newest segment is there. Telemetry in memory may have
// numbers that no segment has.
func (c *chain) end() []Fault {
	cur := c.v.cursor
	if cur == nil || cur.Lanes[c.lane] == nil {
		return nil
	}
	next := cur.Lanes[c.lane].Next
	named := cur.Lanes[c.lane].Known
	for _, h := range cur.Lanes[c.lane].Pending {
		if h.Epoch == 0 {
			named = addRange(named, h.Range)
		}
	}
	missing := unknown(named, report.Range{From: max(c.last+1, c.v.first(c.lane)), To: next - 1})
	if next == 0 || c.last+1 >= next || c.v.first(c.lane) >= next || len(missing) == 0 {
		return nil
	}
	return []Fault{{Lane: c.lane, File: c.file, Text: "nothing holds " + rangeText(missing[0].From, missing[len(missing)-1].To)}}
}

func rangeText(from, to uint64) string {
	switch {
	case from > to:
		return "no number"
	case from == to:
		return fmt.Sprintf("number %d", from)
	}
	return fmt.Sprintf("numbers %d to %d", from, to)
}
