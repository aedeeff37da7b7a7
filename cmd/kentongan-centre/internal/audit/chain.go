package audit

import (
	"encoding/json"
	"fmt"
	"slices"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// chain reads the records of a lane in order, and finds the first where it is not
// as the device made it. It holds no records, so a copy of it is a place to go on
// from.
type chain struct {
	name    laneName
	chained bool
	signed  map[uint64]report.Hash // what the device's checkpoints say
	found   []Finding              // at most one of each fault, the first

	last    uint64      // number of the last record
	hash    report.Hash // of it
	count   uint64      // records
	erased  uint64      // of these, whose content was erased here; their hashes stay
	from    uint64      // the first record
	holes   []report.Range
	suspect *Finding // two neighbours that do not fit: the next good checkpoint says that the first of them was altered
	good    uint64   // the newest checkpoint that fits
}

// maxHolesKept is how many holes of a lane are remembered; with more of them the
// lane is beyond an account.
const maxHolesKept = 10_000

func newChain(n laneName) *chain {
	return &chain{name: n, chained: report.Lane(n.lane).Chained(), signed: map[uint64]report.Hash{}}
}

// copy is a chain that can be read on beside this one.
func (c *chain) copy() *chain {
	n := *c
	n.found, n.holes = slices.Clone(c.found), slices.Clone(c.holes)
	return &n
}

// fault keeps the first finding of its kind.
func (c *chain) fault(fault string, seq uint64, format string, args ...any) {
	for _, f := range c.found {
		if f.Fault == fault {
			return
		}
	}
	c.found = append(c.found, c.name.finding(fault, seq, format, args...))
}

// next takes the record with the next higher number.
func (c *chain) next(r store.AuditRecord) (rec report.Record, ok bool) {
	hole := r.Seq > c.last+1
	if hole && len(c.holes) < maxHolesKept {
		c.holes = append(c.holes, report.Range{From: c.last + 1, To: r.Seq - 1})
	}
	if c.count == 0 {
		c.from = r.Seq
	}
	before := c.hash
	own, gone := store.HashOf(r.Line)
	if gone {
		c.erased++
	}
	c.last, c.hash, c.count = r.Seq, own, c.count+1
	rec, err := report.DecodeRecord(r.Line)
	if err != nil {
		c.fault(Altered, r.Seq, "it can't be read: %v", err)
		c.suspect = nil
		return rec, false
	}
	ok = c.place(r, rec)
	if c.chained && !hole && ok && rec.Prev != nil && *rec.Prev != before {
		c.broken(r.Seq, before, *rec.Prev)
	}
	c.check(r.Seq, own)
	return rec, ok
}

// place holds what a record says of itself against where it stands.
func (c *chain) place(r store.AuditRecord, rec report.Record) bool {
	here := fmt.Sprintf("%s/%s of epoch %s, number %d", c.name.device, c.name.lane, c.name.epoch, r.Seq)
	says := fmt.Sprintf("%s/%s of epoch %s, number %d", rec.Device, rec.Lane, rec.Epoch, rec.Seq)
	if says != here {
		c.fault(Place, r.Seq, "the record that stands here says that it is %s", says)
		return false
	}
	if rec.Kind != r.Kind {
		c.fault(Altered, r.Seq, "the table says that its kind is %.40q; the record says %.40q", r.Kind, rec.Kind)
	}
	return true
}

// broken notes two neighbours that do not fit.
func (c *chain) broken(seq uint64, is, said report.Hash) {
	if c.suspect != nil {
		return
	}
	if seq == 1 {
		c.fault(Altered, 1, "the first record of a lane names no record before it; this one names %s", said)
		return
	}
	f := c.name.finding(Chain, seq-1, "record %d has the hash %s, and record %d says that it was %s: one of them was altered, and nothing that is signed says which", seq-1, is, seq, said)
	c.suspect = &f
}

// check holds a record against a checkpoint of it. From a good one down to the
// last break all records are what the device signed, so what is wrong with the
// break is the record before it.
func (c *chain) check(seq uint64, own report.Hash) {
	want, signed := c.signed[seq]
	switch {
	case !signed:
	case want != own:
		c.fault(Checkpoint, seq, "the device signed this record with the hash %s; here it has %s, so something from %d to %d was altered and chained anew", want, own, c.good+1, seq)
	default:
		if s := c.suspect; s != nil && seq > s.Seq {
			c.fault(Altered, s.Seq, "record %d says that its hash was another, and the device signed all from there to %d", s.Seq+1, seq)
			c.suspect = nil
		}
		c.good = max(c.good, seq)
	}
}

// end says what no later record decides any more. The chain may go on from the
// same place: what it returns is not kept.
func (c *chain) end() []Finding {
	found := append([]Finding(nil), c.found...)
	if s := c.suspect; s != nil {
		found = append(found, *s)
	}
	return found
}

// gapOf is a gap record's body.
func gapOf(rec report.Record) (g report.Gap, ok bool) {
	return g, rec.Lane == report.Event && rec.Kind == report.KindGap && json.Unmarshal(rec.Body, &g) == nil
}
