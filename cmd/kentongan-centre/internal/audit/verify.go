// Package audit proves what a centre has received, or names the first record
// where it can't.
//
//	records ──► chain ──┐
//	checkpoints, keys ──┤
//	receipts ───────────┼──► judge ──► per device and lane: green, or the first fault
//	gap records ────────┤
//	log of roots ───────┘
//
// What is signed is believed, in this order: a device's checkpoints, by the key
// that it was enrolled with or used first; the centre's receipts; and its log of
// roots, which lies outside the database. All else, every table and every row, is
// what somebody may have changed.
//
// The newest records, which came after the last checkpoint, are held by the chain
// and the next root alone.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Report is the result of an audit of a whole database.
type Report struct {
	At       time.Time `json:"at"`
	Devices  []Device  `json:"devices"`
	Findings []Finding `json:"findings"` // of the database as a whole
	Records  uint64    `json:"records"`
	Root     uint64    `json:"root"` // number of the newest root that it was held against; 0 is none
}

// OK tells whether nothing is wrong.
func (r Report) OK() bool { return len(r.All()) == 0 }

// All lists every finding, those of the whole database first.
func (r Report) All() (list []Finding) {
	list = append(list, r.Findings...)
	for _, d := range r.Devices {
		list = append(list, d.Findings...)
		for _, l := range d.Lanes {
			list = append(list, l.Findings...)
		}
	}
	return list
}

// Options say what a database is held against.
type Options struct {
	Centre note.Verifiers // of the keys that signed receipts and roots
	Roots  string         // file of the log of roots
	Now    time.Time
	// Progress is told how many records of how many were read; nil is nobody.
	Progress func(read, of uint64)
}

// Verify audits a whole database. An error is that it could not be read; what is
// wrong with it is in the report.
func Verify(ctx context.Context, v *store.View, o Options) (Report, error) {
	r := Report{At: o.Now.UTC(), Devices: []Device{}, Findings: []Finding{}}
	roots, err := readRoots(o.Roots, o.Centre, func(number uint64, why string) {
		r.Findings = append(r.Findings, laneName{}.finding(Roots, 0, "root %d: %s", number, why))
	})
	if err != nil {
		return r, err
	}
	r.Root = roots.last.Number
	if err := r.database(ctx, v, roots, o.Roots); err != nil {
		return r, err
	}
	lanes, err := v.AuditLanes(ctx, "", time.Time{})
	if err != nil {
		return r, err
	}
	devices, total, err := devicesOf(ctx, v, lanes, roots)
	if err != nil {
		return r, err
	}
	for _, id := range devices {
		x := newExaminer(v, id, o.Centre, roots)
		x.pause = func(ctx context.Context) error { return ctx.Err() }
		x.read = func(n int) {
			r.Records += uint64(n)
			if o.Progress != nil {
				o.Progress(r.Records, max(total, r.Records))
			}
		}
		d, err := x.examine(ctx, o.Now)
		if err != nil {
			return r, fmt.Errorf("audit %s: %w", id, err)
		}
		r.Devices = append(r.Devices, d)
	}
	return r, nil
}

func newExaminer(v *store.View, device string, centre note.Verifiers, roots *rootLog) *examiner {
	return &examiner{
		view: v, device: device, centre: centre, roots: roots,
		lanes: map[int64]*reading{}, said: map[gapKey]time.Time{}, declared: map[string]bool{},
	}
}

// devicesOf lists all devices that anything is known of, also of those that were
// taken out, and how many records there ought to be.
func devicesOf(ctx context.Context, v *store.View, lanes []store.AuditLane, roots *rootLog) (ids []string, records uint64, err error) {
	all := map[string]bool{}
	for _, l := range lanes {
		all[l.Device] = true
		records += l.Received
	}
	for n := range roots.heads {
		all[n.device] = true
	}
	keys, err := v.DeviceKeys(ctx, "")
	if err != nil {
		return nil, 0, err
	}
	for _, k := range keys {
		all[k.Device] = true
	}
	return slices.Sorted(maps.Keys(all)), records, nil
}

// database looks at what belongs to no device.
func (r *Report) database(ctx context.Context, v *store.View, roots *rootLog, file string) error {
	add := func(fault, format string, args ...any) {
		r.Findings = append(r.Findings, laneName{}.finding(fault, 0, format, args...))
	}
	known, err := v.LastRoot(ctx)
	if err != nil {
		return err
	}
	_, err = os.Stat(file)
	switch {
	case known.Number > 0 && errors.Is(err, fs.ErrNotExist):
		add(Roots, "the database knows of %d roots, and there is no %s", known.Number, file)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read roots: %w", err)
	case known.Number > roots.last.Number:
		add(Roots, "the database knows of root %d; the log ends with %d: it was cut, or set back", known.Number, roots.last.Number)
	case known.Number+1 < roots.last.Number: // one may be on its way
		add(Rollback, "the log of roots goes up to %d of %s; the database knows of %d", roots.last.Number, roots.last.Time.Format(time.RFC3339), known.Number)
	case known.Number == roots.last.Number && known.Number > 0 && known.Hash != roots.hash.String():
		add(Rollback, "root %d has the hash %s; the database says %s", known.Number, roots.hash, known.Hash)
	}
	orphans, err := v.AuditOrphans(ctx)
	if err != nil {
		return err
	}
	if len(orphans) > 0 {
		add(Removed, "there are records or signatures of %d lanes that have no row (the first has the id %d)", len(orphans), orphans[0])
	}
	return nil
}

// Keys are the verifiers of a centre: its key, and earlier ones.
func Keys(texts ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, text := range texts {
		v, err := note.NewVerifier(text)
		if err != nil {
			return nil, fmt.Errorf("centre's key %q: %w", report.Clip(text, 120), err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}
