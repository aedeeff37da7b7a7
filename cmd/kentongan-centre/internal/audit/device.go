package audit

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Device is what was found of one device.
type Device struct {
	Device   string    `json:"device"`
	Keys     int       `json:"keys"` // record keys that are known of it; 0 is a device that signs nothing
	Lanes    []Lane    `json:"lanes"`
	Findings []Finding `json:"findings"` // of the device as a whole
	Checked  time.Time `json:"checked"`  // when all of it was read last
}

// First is the first fault; nil is none.
func (d Device) First() *Finding {
	if len(d.Findings) > 0 {
		return &d.Findings[0]
	}
	for i := range d.Lanes {
		if len(d.Lanes[i].Findings) > 0 {
			return &d.Lanes[i].Findings[0]
		}
	}
	return nil
}

// OK tells whether nothing is wrong.
func (d Device) OK() bool { return d.First() == nil }

// examiner reads one device. It may be asked again, and then reads what is new.
type examiner struct {
	view   *store.View
	device string
	centre note.Verifiers
	roots  *rootLog                    // nil is none
	pause  func(context.Context) error // after each page of records
	read   func(records int)           // told of each page

	lanes    map[int64]*reading
	said     map[gapKey]time.Time // the gap records, and when they came
	declared map[string]bool      // epochs that the device says it was set back to, and left
}

// reading is how far a lane has been read.
type reading struct {
	evidence *evidence
	solid    *chain // up to the first hole that may still be filled
	now      *chain
	shown    *Finding // a complaint that differs
}

// pageRecords is how many records are read at a time.
const pageRecords = 2000

// examine reads what is new of the device, and judges all.
func (x *examiner) examine(ctx context.Context, now time.Time) (Device, error) {
	d := Device{Device: x.device, Checked: now, Lanes: []Lane{}, Findings: []Finding{}}
	keys, err := x.view.DeviceKeys(ctx, x.device)
	if err != nil {
		return d, err
	}
	d.Keys = len(keys)
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		names = append(names, k.Key)
	}
	rows, err := x.view.AuditLanes(ctx, x.device, time.Time{})
	if err != nil {
		return d, err
	}
	for _, row := range rows { // the event lanes first: they explain the others
		if err := x.lane(ctx, row, names); err != nil {
			return d, err
		}
	}
	for _, row := range rows {
		r := x.lanes[row.ID]
		l := r.evidence.judge(r.now, x.said, x.declared[row.Epoch], now)
		if r.shown != nil {
			l.Findings = firstOfEach(append(l.Findings, *r.shown))
		}
		d.Lanes = append(d.Lanes, l)
	}
	if err := x.wholeDevice(ctx, &d, keys, rows); err != nil {
		return d, err
	}
	sortFindings(d.Findings)
	return d, nil
}

// lane reads what is new of a lane. Up to the first hole that may still be filled
// it is never read again; behind it, it is.
func (x *examiner) lane(ctx context.Context, row store.AuditLane, keys []string) error {
	r := x.lanes[row.ID]
	if r == nil {
		r = &reading{evidence: &evidence{hashes: map[uint64]report.Hash{}}}
		x.lanes[row.ID] = r
	}
	e := r.evidence
	e.row, e.keys = row, keys
	if x.roots != nil {
		if root, ok := x.roots.heads[e.name()]; ok {
			e.root = &root
		}
	}
	known := len(e.checks)
	if err := e.gather(ctx, x.view, x.centre); err != nil {
		return err
	}
	if r.solid == nil {
		r.solid = newChain(e.name())
	}
	for _, k := range e.checks[known:] {
		r.solid.signed[k.Seq] = k.Hash
		if k.Seq > r.solid.last {
			continue // its record comes
		}
		if err := e.look(ctx, x.view, k.Seq); err != nil {
			return err
		}
		if own, here := e.hashes[k.Seq]; here {
			r.solid.check(k.Seq, own)
		}
	}
	return x.records(ctx, r)
}

// records reads a lane from the place that is solid.
func (x *examiner) records(ctx context.Context, r *reading) error {
	e, c := r.evidence, r.solid.copy()
	var solid *chain // where reading begins the next time
	for {
		page, err := x.view.AuditRecords(ctx, e.row.ID, c.last, pageRecords)
		if err != nil {
			return err
		}
		shown := shownPage{after: c.last, to: math.MaxInt64}
		for _, rec := range page {
			if hole := (report.Range{From: c.last + 1, To: rec.Seq - 1}); solid == nil && hole.To >= hole.From && e.mayBeFilled(hole) {
				solid = c.copy()
			}
			if decoded, ok := c.next(rec); ok {
				x.hears(decoded, rec.Received)
				shown.add(decoded)
			}
		}
		if len(page) == pageRecords {
			shown.to = c.last
		}
		if e.row.Lane == string(report.Complaint) && r.shown == nil {
			if r.shown, err = shown.differs(ctx, x.view, e); err != nil {
				return err
			}
		}
		x.read(len(page))
		if len(page) < pageRecords {
			break
		}
		if err := x.pause(ctx); err != nil {
			return err
		}
	}
	if solid == nil {
		solid = c.copy()
	}
	r.solid, r.now = solid, c
	return nil
}

// hears takes what a record says of other records.
func (x *examiner) hears(rec report.Record, received time.Time) {
	if g, ok := gapOf(rec); ok {
		x.said[gapKey{string(g.Lane), g.Epoch.String(), g.From, g.To, g.Count, report.Clip(g.Reason, 64)}] = received
	}
	if rec.Lane == report.Event && rec.Kind == report.KindEpoch {
		var n report.NewEpoch
		if json.Unmarshal(rec.Body, &n) == nil {
			x.declared[n.Was.String()] = true
		}
	}
}

// wholeDevice looks for what belongs to no lane that is here.
func (x *examiner) wholeDevice(ctx context.Context, d *Device, keys []store.DeviceKey, rows []store.AuditLane) error {
	here := map[laneName]int{}
	for i, row := range rows {
		here[laneName{row.Device, row.Epoch, row.Lane}] = i
	}
	if x.roots != nil {
		for _, name := range x.roots.lanes[x.device] {
			if _, ok := here[name]; !ok {
				h := x.roots.heads[name]
				d.Findings = append(d.Findings, name.finding(Removed, 0, "root %d had %d records of this lane; nothing of it is here", h.by, h.Records))
			}
		}
		if want := x.roots.keys[x.device]; want != "" && !slices.ContainsFunc(keys, func(k store.DeviceKey) bool { return k.Key == want }) {
			d.Findings = append(d.Findings, laneName{device: x.device}.finding(Key, 0, "the log of roots knows the device by the key %s; it is not here", want))
		}
	}
	faults, err := x.view.Faults(ctx, x.device)
	if err != nil {
		return err
	}
	for _, f := range faults {
		if x.declared[f.Epoch] && f.Fault != store.FaultKey {
			continue // the device has said that it was set back, and where it goes on
		}
		name := laneName{f.Device, f.Epoch, f.Lane}
		found := name.finding(f.Fault, f.Seq, "seen when it came in, on %s: %s", f.Found.Format(time.RFC3339), f.Detail)
		if i, ok := here[name]; ok {
			if l := &d.Lanes[i]; l.OK() {
				l.Findings = append(l.Findings, found)
			}
			continue
		}
		d.Findings = append(d.Findings, found)
	}
	return nil
}
