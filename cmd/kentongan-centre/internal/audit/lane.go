package audit

import (
	"context"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Lane is what was found of one lane.
type Lane struct {
	Device    string     `json:"device"`
	Epoch     string     `json:"epoch"`
	Lane      string     `json:"lane"`
	Records   uint64     `json:"records"`
	From      uint64     `json:"from,omitempty"`   // the lowest number that is held
	To        uint64     `json:"to,omitempty"`     // the highest
	Erased    uint64     `json:"erased,omitempty"` // of Records: complaints whose content was erased; their hashes stay
	Explained uint64     `json:"explained"`        // numbers that never come, by the device's own word
	Waiting   uint64     `json:"waiting"`          // numbers that the device may still have
	SignedTo  uint64     `json:"signed_to"`        // the newest checkpoint that fits; 0 is none
	SignedAt  *time.Time `json:"signed_at,omitempty"`
	Findings  []Finding  `json:"findings"`
}

// OK tells whether nothing is wrong.
func (l Lane) OK() bool { return len(l.Findings) == 0 }

// evidence is what is signed and said of a lane, beside its records.
type evidence struct {
	row      store.AuditLane
	keys     []string // record keys of the device, also earlier ones
	gaps     []store.AuditGap
	checks   []check
	receipts []report.Ack
	found    []Finding // what is wrong with these themselves
	conflict []uint64
	root     *rooted                // what the log of roots says; nil is nothing
	hashes   map[uint64]report.Hash // of records that receipts and the root name, as they are here
	checked  uint64                 // checkpoints up to this number are in
	receipt  uint64                 // receipts up to this number are in: they come behind their checkpoints
	withheld bool                   // the record that the root names is a piece of a picture, which is not kept as it came
}

// check is a checkpoint that verified.
type check struct {
	report.Checkpoint
	received time.Time
}

func (e *evidence) name() laneName { return laneName{e.row.Device, e.row.Epoch, e.row.Lane} }

// gather reads what there is beside the records, and what is new of it when it
// has been read before.
func (e *evidence) gather(ctx context.Context, v *store.View, centre note.Verifiers) (err error) {
	if e.gaps, err = v.AuditGaps(ctx, e.row.ID); err != nil {
		return err
	}
	if e.conflict, err = v.AuditConflicts(ctx, e.row.ID); err != nil {
		return err
	}
	if report.Lane(e.row.Lane).Chained() {
		if err := e.notes(ctx, v, centre); err != nil {
			return err
		}
	}
	if e.root != nil {
		return e.look(ctx, v, e.root.Seq)
	}
	return nil
}

// notes verifies the checkpoints and receipts that are new.
func (e *evidence) notes(ctx context.Context, v *store.View, centre note.Verifiers) error {
	checks, err := v.AuditCheckpoints(ctx, e.row.ID, e.checked)
	if err != nil {
		return err
	}
	receipts, err := v.AuditReceipts(ctx, e.row.ID, e.receipt)
	if err != nil {
		return err
	}
	for _, n := range checks {
		e.takeCheckpoint(n)
		e.checked = max(e.checked, n.Seq)
	}
	for _, n := range receipts {
		e.takeReceipt(n, centre)
		e.receipt = max(e.receipt, n.Seq)
	}
	for _, a := range e.receipts {
		if err := e.look(ctx, v, a.Seq); err != nil {
			return err
		}
		if err := e.look(ctx, v, a.Checkpoint.Seq); err != nil {
			return err
		}
	}
	return nil
}

// look notes the hash of a record, where it is here.
func (e *evidence) look(ctx context.Context, v *store.View, seq uint64) error {
	if _, done := e.hashes[seq]; done || seq == 0 {
		return nil
	}
	list, err := v.AuditRecords(ctx, e.row.ID, seq-1, 1)
	if err == nil && len(list) == 1 && list[0].Seq == seq {
		e.hashes[seq], _ = store.HashOf(list[0].Line)
		e.withheld = report.Lane(e.row.Lane) == report.Telemetry && list[0].Kind == report.KindSnapshotPiece
	}
	return err
}

func (e *evidence) takeCheckpoint(n store.AuditNote) {
	for _, key := range e.keys {
		c, err := report.OpenCheckpoint(n.Note, e.row.Device, report.Lane(e.row.Lane), key)
		if err != nil {
			continue
		}
		if c.Epoch.String() != e.row.Epoch || c.Seq != n.Seq {
			e.found = append(e.found, e.name().finding(Checkpoint, n.Seq, "the checkpoint that stands here is of epoch %s, record %d", c.Epoch, c.Seq))
			return
		}
		e.checks = append(e.checks, check{c, n.Received})
		return
	}
	e.found = append(e.found, e.name().finding(Key, n.Seq, "the checkpoint of this record is signed with none of the device's %d known keys", len(e.keys)))
}

func (e *evidence) takeReceipt(n store.AuditNote, centre note.Verifiers) {
	a, err := report.OpenAck(n.Note, e.row.Device, report.Lane(e.row.Lane), centre)
	switch {
	case err != nil:
		e.found = append(e.found, e.name().finding(Receipt, n.Seq, "the receipt that is kept here is not the centre's: %v", err))
	case a.Epoch.String() != e.row.Epoch || a.Checkpoint == nil || a.Checkpoint.Seq != n.Seq:
		e.found = append(e.found, e.name().finding(Receipt, n.Seq, "the receipt that is kept here is of epoch %s, record %d", a.Epoch, a.Seq))
	default:
		e.receipts = append(e.receipts, a)
	}
}

// mayBeFilled tells whether some of a hole is neither explained nor gone.
func (e *evidence) mayBeFilled(h report.Range) bool {
	for _, rest := range e.unexplained(h) {
		if rest.To >= e.gone() {
			return true
		}
	}
	return false
}

// gone is the number below which the device has let go: by its own word, or
// because the centre has signed for all of it.
func (e *evidence) gone() uint64 { return max(e.row.First, e.signedFor()+1) }

// judge puts everything together, once the records are read; said are the gap
// records of the device, and declared whether it has said that this epoch is one
// to which it was set back.
func (e *evidence) judge(c *chain, said map[gapKey]time.Time, declared bool, now time.Time) Lane {
	out := Lane{Device: e.row.Device, Epoch: e.row.Epoch, Lane: e.row.Lane, Records: c.count, Erased: c.erased, From: c.from, To: c.last, SignedTo: c.good}
	out.Findings = append(c.end(), e.found...)
	add := func(fault string, seq uint64, format string, args ...any) {
		out.Findings = append(out.Findings, e.name().finding(fault, seq, format, args...))
	}
	for _, k := range e.checks {
		if k.Seq == c.good {
			out.SignedAt = &k.Time
		}
	}
	if len(e.conflict) > 0 && !declared {
		add(Content, e.conflict[0], "it came again with another content, %d such numbers in all", len(e.conflict))
	}
	e.judgeGaps(said, add)
	e.judgeHoles(c, &out, said, add)
	e.judgeReceipts(c, add)
	e.judgeRoot(c, add)
	e.judgeSigned(c, now, add)
	out.Findings = firstOfEach(out.Findings)
	return out
}

// firstOfEach keeps, of each fault of a lane, the one with the lowest number.
func firstOfEach(list []Finding) []Finding {
	sortFindings(list)
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(f Finding) bool {
		was := seen[f.Fault]
		seen[f.Fault] = true
		return was
	})
}

// gapKey is what a gap record says.
type gapKey struct {
	lane, epoch     string
	from, to, count uint64
	reason          string
}

func (e *evidence) gapKey(g store.AuditGap) gapKey {
	return gapKey{e.row.Lane, e.row.Epoch, g.From, g.To, g.Count, g.Reason}
}

// judgeGaps looks for explanations that the device did not give, or can't have.
func (e *evidence) judgeGaps(said map[gapKey]time.Time, add func(string, uint64, string, ...any)) {
	for _, g := range e.gaps {
		if _, ok := said[e.gapKey(g)]; !ok {
			add(Gap, g.From, "the table explains %d to %d (%s), and no gap record of the device does", g.From, g.To, g.Reason)
		}
		if e.row.Lane == string(report.Complaint) && g.Reason == report.GapFull {
			add(Gap, g.From, "%d to %d are said to be dropped for room, and a complaint never is", g.From, g.To)
		}
	}
}

// judgeHoles tells holes that are explained, that wait, and that are missing.
// What the centre has signed for can't be waiting, whatever the table says.
func (e *evidence) judgeHoles(c *chain, out *Lane, said map[gapKey]time.Time, add func(string, uint64, string, ...any)) {
	holes := slices.Clone(c.holes)
	if e.row.Next > c.last+1 {
		holes = append(holes, report.Range{From: c.last + 1, To: e.row.Next - 1})
	}
	for _, h := range holes {
		for _, rest := range e.unexplained(h) {
			gone := e.gone()
			if rest.From < gone {
				to := min(rest.To, gone-1)
				add(Missing, rest.From, "%d to %d are neither here nor explained", rest.From, to)
			}
			if rest.To >= gone {
				out.Waiting += rest.To - max(rest.From, gone) + 1
			}
		}
		out.Explained += h.Count()
		for _, rest := range e.unexplained(h) {
			out.Explained -= rest.Count()
		}
		e.toldTooLate(h, said, add)
	}
}

// toldTooLate finds an explanation that came after the centre had signed for the
// numbers that it explains: then they were here.
func (e *evidence) toldTooLate(h report.Range, said map[gapKey]time.Time, add func(string, uint64, string, ...any)) {
	for _, g := range e.gaps {
		from, to := max(g.From, h.From), min(g.To, h.To)
		if from > to {
			continue
		}
		told := said[e.gapKey(g)]
		for _, a := range e.receipts {
			if from <= a.Seq && told.After(a.Time.Add(time.Minute)) {
				add(Gap, from, "the device's word that %d to %d never come is of %s; on %s the centre had signed for all up to %d", g.From, g.To, told.Format(time.RFC3339), a.Time.Format(time.RFC3339), a.Seq)
				return
			}
		}
	}
}

// pruned is the number up to which age has taken measurements. Complaints and
// events are never pruned, whatever a table says.
func (e *evidence) pruned() uint64 {
	if report.Lane(e.row.Lane).Chained() {
		return 0
	}
	return e.row.PrunedTo
}

// prunedRecords is how many age has taken.
func (e *evidence) prunedRecords() uint64 {
	if e.pruned() == 0 {
		return 0
	}
	return e.row.Pruned
}

// unexplained is what of a range no gap explains, nor age.
func (e *evidence) unexplained(h report.Range) (out []report.Range) {
	from := max(h.From, e.pruned()+1)
	for _, g := range e.gaps { // by their first number
		if g.To < from || g.From > h.To {
			continue
		}
		if g.From > from {
			out = append(out, report.Range{From: from, To: g.From - 1})
		}
		from = g.To + 1
	}
	if from <= h.To {
		out = append(out, report.Range{From: from, To: h.To})
	}
	return out
}

// signedFor is the highest number up to which the centre has signed that it has
// all of the lane.
func (e *evidence) signedFor() (seq uint64) {
	for _, a := range e.receipts {
		seq = max(seq, a.Seq)
	}
	return seq
}

// judgeReceipts holds the records against what the centre has signed for.
func (e *evidence) judgeReceipts(c *chain, add func(string, uint64, string, ...any)) {
	newest := e.newestCheck()
	for _, a := range e.receipts {
		if a.Seq > c.last && len(e.unexplained(report.Range{From: c.last + 1, To: a.Seq})) > 0 {
			add(Receipt, c.last+1, "on %s the centre signed for all up to %d; here the last one is %d", a.Time.Format(time.RFC3339), a.Seq, c.last)
		}
		if have, ok := e.hashes[a.Seq]; ok && a.Hash != nil && have != *a.Hash {
			add(Receipt, a.Seq, "on %s the centre signed for it with the hash %s; here it has %s", a.Time.Format(time.RFC3339), a.Hash, have)
		}
		if k := a.Checkpoint; k.Seq > newest {
			add(Checkpoint, k.Seq, "on %s the centre countersigned the device's checkpoint of record %d; it is not here", a.Time.Format(time.RFC3339), k.Seq)
		} else if have, ok := e.hashes[k.Seq]; ok && have != k.Hash {
			add(Receipt, k.Seq, "the centre countersigned it with the hash %s; here it has %s", k.Hash, have)
		}
	}
}

// judgeRoot holds the lane against the log of roots.
func (e *evidence) judgeRoot(c *chain, add func(string, uint64, string, ...any)) {
	r := e.root
	if r == nil {
		return
	}
	have, here := e.hashes[r.Seq]
	switch {
	case r.Seq <= e.pruned():
		// It was here, and its time was over.
	case r.Seq > c.last:
		add(Rollback, c.last+1, "root %d had this lane up to %d; here the last one is %d", r.by, r.Seq, c.last)
	case !here:
		add(Removed, r.Seq, "root %d had this record; it is not here", r.by)
	case have != r.Hash && !e.withheld: // a database of before had the piece in it
		add(Rollback, r.Seq, "root %d had this record with the hash %s; here it has %s", r.by, r.Hash, have)
	case r.Records > c.count+e.prunedRecords():
		add(Removed, 0, "root %d had %d records of this lane; here are %d", r.by, r.Records, c.count)
	}
	newest := e.newestCheck()
	if r.Checkpoint > newest {
		add(Checkpoint, r.Checkpoint, "root %d had the device's checkpoint of record %d; the newest here is of %d", r.by, r.Checkpoint, newest)
	}
}

func (e *evidence) newestCheck() (seq uint64) {
	for _, k := range e.checks {
		seq = max(seq, k.Seq)
	}
	return seq
}

// onItsWay is how long a record may come behind the checkpoint of it: records
// leave a device before its states, but a long backlog takes its time.
const onItsWay = 24 * time.Hour

// judgeSigned looks for records that the device has signed and that are not here.
func (e *evidence) judgeSigned(c *chain, now time.Time, add func(string, uint64, string, ...any)) {
	for _, k := range e.checks {
		if k.Seq > c.last && now.Sub(k.received) > onItsWay && len(e.unexplained(report.Range{From: k.Seq, To: k.Seq})) > 0 {
			add(Missing, c.last+1, "on %s the device signed record %d; here the last one is %d", k.Time.Format(time.RFC3339), k.Seq, c.last)
			return
		}
	}
}
