package audit

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// A running centre proves what is new at once, and finds what was altered of the
// old when it reads everything again.
func TestAuditorReadsWhatIsNew(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSite(t)
	all := s.store.For(store.Everything())
	a := NewAuditor(AuditorConfig{Centre: s.keys(), Roots: s.rootsFile(), Every: time.Minute, Full: 24 * time.Hour}, all, quiet)
	reads := 0
	round := func() {
		t.Helper()
		for _, x := range a.examiners {
			x.read = func(n int) { reads += n }
		}
		reads = 0
		if err := a.Round(ctx, s.now); err != nil {
			t.Fatal(err)
		}
	}
	round()
	if st := a.Status(); st.Devices != 2 || st.Green != 2 || st.Red != 0 || st.Whole.IsZero() || st.Left != 0 || st.Root != 2 || len(st.Findings) > 0 {
		t.Errorf("status %+v, want two green devices", st)
	}
	signed := func() uint64 {
		t.Helper()
		d, ok := a.Proof("kiosk-1")
		if !ok || !d.OK() {
			t.Fatalf("proof %+v, want a green one", d)
		}
		for _, l := range d.Lanes {
			if l.Lane == string(report.Complaint) {
				return l.SignedTo
			}
		}
		return 0
	}
	if got := signed(); got != 20 {
		t.Errorf("signed to %d, want 20", got)
	}
	s.now = s.now.Add(10 * time.Minute)
	round()
	if reads != 0 {
		t.Errorf("%d records read although nothing came", reads)
	}
	s.checkpoint(s.one, report.Complaint) // of a record that has been read already
	s.records(s.one, report.Complaint, s.one.Press())
	round()
	if reads != 1 {
		t.Errorf("%d records read, want the one that is new", reads)
	}
	if got := signed(); got != 24 {
		t.Errorf("signed to %d, want 24", got)
	}
	// Two that come in the wrong order: the hole between them is no fault, and is
	// closed.
	first, second := s.one.Press(), s.one.Press()
	s.records(s.one, report.Complaint, second)
	round()
	if d, _ := a.Proof("kiosk-1"); !d.OK() || d.Lanes[1].Waiting != 1 {
		t.Errorf("proof %+v, want a green one with one record on its way", d)
	}
	s.records(s.one, report.Complaint, first)
	round()
	if d, _ := a.Proof("kiosk-1"); !d.OK() || d.Lanes[1].Waiting != 0 || d.Lanes[1].Records != 27 {
		t.Errorf("proof %+v, want a green one of 27 complaints", d)
	}
	s.sql("UPDATE record SET line = replace(line, 'jalan-rusak', 'lampu-mati!') WHERE lane_id = (SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'complaint') AND seq = 7")
	s.now = s.now.Add(25 * time.Hour)
	round()
	list, err := a.Proofs(ctx, all)
	if err != nil || len(list) != 2 || list[0].Device != "kiosk-1" {
		t.Fatalf("proofs %+v (%v), want the red one first", list, err)
	}
	if f := list[0].First(); f == nil || f.Fault != Altered || f.Seq != 7 {
		t.Errorf("first fault %+v, want record 7 altered", f)
	}
	if st := a.Status(); st.Green != 1 || st.Red != 1 {
		t.Errorf("status %+v, want one green and one red", st)
	}
	// An agency sees its own devices only.
	if list, err := a.Proofs(ctx, s.store.For(store.OfAgency("dinkes"))); err != nil || len(list) != 0 {
		t.Errorf("proofs of an agency without devices %+v (%v), want none", list, err)
	}
}

// A receipt is kept a moment after the checkpoint that it countersigns: an auditor that
// looked in between takes it the next time.
func TestReceiptBehindItsCheckpointIsRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := NewAuditor(AuditorConfig{Centre: s.keys(), Roots: s.rootsFile(), Every: time.Minute, Full: 24 * time.Hour}, s.store.For(store.Everything()), quiet)
	countersigned := func() (seq uint64) { // the newest checkpoint of the device
		t.Helper()
		if err := a.Round(context.Background(), s.now); err != nil {
			t.Fatal(err)
		}
		for _, r := range a.examiners["kiosk-1"].lanes {
			for _, k := range r.evidence.receipts {
				if r.evidence.row.Lane == string(report.Complaint) {
					seq = max(seq, k.Checkpoint.Seq)
				}
			}
		}
		return seq
	}
	s.records(s.one, report.Complaint, s.one.Press())
	late := s.commit(s.signs(s.one, report.Complaint))
	before := countersigned()
	s.keep(late)
	if after := countersigned(); len(late) != 1 || after != late[0].Checkpoint.Seq || after <= before {
		t.Errorf("countersigned up to %d, and then %d: want the receipt %+v", before, after, late)
	}
}
