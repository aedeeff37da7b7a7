package audit

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// With complaints erased, everything else is proven as before, and the account tells
// how many: one in the middle of what is signed, the one that a checkpoint and a root
// name, and the newest, which nothing names yet.
func TestErasedComplaintsLeaveTheChainProven(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); testErasedLeavesProof(t, newSite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); testErasedLeavesProof(t, newSiteIn(newCentreOn(t, pgtest.URL(t)))) })
}

func testErasedLeavesProof(t *testing.T, s *site) {
	s.erase(7, 20, 24)
	s.root()
	s.records(s.one, report.Complaint, s.one.Press())
	s.erase(25)
	s.eraseOld()
	r := s.verify()
	if !r.OK() {
		t.Errorf("findings %v, want none", r.All())
	}
	for _, d := range r.Devices {
		for _, l := range d.Lanes {
			if want := map[string]uint64{"kiosk-1/complaint": 5}[l.Device+"/"+l.Lane]; l.Erased != want {
				t.Errorf("%s/%s: %d erased, want %d", l.Device, l.Lane, l.Erased, want)
			}
		}
	}
}

// erase erases the complaints of kiosk-1 with these numbers.
func (s *site) erase(seqs ...uint64) {
	s.t.Helper()
	for _, seq := range seqs {
		ticket := report.NewTicket(7, seq).String()
		list, err := s.store.Complaints(context.Background(), store.ComplaintFilter{Device: "kiosk-1", Ticket: ticket})
		if err != nil || len(list) != 1 {
			s.t.Fatalf("complaint %s: %d of it, %v", ticket, len(list), err)
		}
		if _, err := s.store.EraseComplaint(context.Background(), list[0].ID); err != nil {
			s.t.Fatal(err)
		}
	}
}

// eraseOld has time erase one complaint of kiosk-1 that is done.
func (s *site) eraseOld() {
	s.t.Helper()
	ctx := context.Background()
	list, err := s.store.Complaints(ctx, store.ComplaintFilter{Device: "kiosk-1"})
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c store.Complaint) bool { return !c.Erased })
	said := s.now.Add(time.Hour)
	if err := s.store.SetTicket(ctx, "kiosk-1", list[i].Ticket, store.TicketState{State: report.TicketDone, At: said, Who: "Budi"}); err != nil {
		s.t.Fatal(err)
	}
	n, _, err := s.store.EraseOld(ctx, store.Age{Before: said.Add(time.Hour), Note: func(context.Context, store.Tx, int64) error { return nil }})
	if err != nil || n != 1 {
		s.t.Fatalf("erased %d (%v), want one", n, err)
	}
}

// Who erases behind the centre's back, or says that what was erased was something
// else, is found: the mark hides no change.
func TestErasureHidesNoChange(t *testing.T) {
	t.Parallel()
	const lane = "(SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'complaint')"
	good := newSite(t)
	good.erase(7)
	good.close()
	for name, tt := range map[string]struct {
		change string
		want   string // fault
	}{
		"another hash":     {"UPDATE record SET line = replace(line, '\"erased\":\"', '\"erased\":\"AAAA') WHERE seq = 7 AND lane_id = " + lane, Altered},
		"another record's": {"UPDATE record SET line = (SELECT replace(replace(x.line, '\"seq\":7,', '\"seq\":8,'), 'y', 'y') FROM record x WHERE x.seq = 7 AND x.lane_id = record.lane_id) WHERE seq = 8 AND lane_id = " + lane, Altered},
		"shown again":      {"UPDATE complaint SET ticket = '0007-0007-F', category = 'x' WHERE seq = 7 AND device = 'kiosk-1'", Complaint},
		"removed":          {"DELETE FROM record WHERE seq = 7 AND lane_id = " + lane, Missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := good.fork(t)
			s.sql(tt.change)
			r := s.verify()
			var faults []string
			for _, f := range r.All() {
				faults = append(faults, f.Fault)
			}
			if !strings.Contains(strings.Join(faults, " "), tt.want) {
				t.Errorf("findings %v, want %s", r.All(), tt.want)
			}
		})
	}
}
