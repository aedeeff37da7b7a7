package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"kentongan/agent/report"
)

// What a citizen took back and what somebody here says stands with the complaint.
func TestHowComplaintsStand(t *testing.T) { onEach(t, testHowComplaintsStand) }

func testHowComplaintsStand(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ticket := func(seq uint64) string { return report.NewTicket(7, seq).String() }
	commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), press(t, "k1", 2),
		rec(t, "k1", report.Complaint, 3, report.KindCancel, report.Cancel{Ticket: ticket(2), Line: "road", By: "button"})))
	ctx := context.Background()
	standing := func() map[string]TicketState {
		list, err := s.Complaints(ctx, ComplaintFilter{})
		if err != nil || len(list) != 2 {
			t.Fatalf("%d complaints, %v; a cancel is none", len(list), err)
		}
		got := map[string]TicketState{}
		for _, c := range list {
			if c.Status != nil {
				got[c.Ticket] = *c.Status
			}
		}
		return got
	}
	got := standing()
	if len(got) != 1 || got[ticket(2)].State != report.TicketWithdrawn {
		t.Errorf("stands %+v, want the second taken back", got)
	}
	said := TicketState{State: report.TicketDone, At: t0.Add(time.Hour), Who: "Sari", Note: report.Text{ID: "Sudah ditambal"}}
	if err := s.SetTicket(ctx, "k1", ticket(1), said); err != nil {
		t.Fatal(err)
	}
	if got := standing()[ticket(1)]; got != said {
		t.Errorf("stands %+v, want %+v", got, said)
	}
	list, err := s.Complaints(ctx, ComplaintFilter{Ticket: ticket(1)})
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if dev, tk, err := s.ComplaintOf(ctx, list[0].ID); err != nil || dev != "k1" || tk != ticket(1) {
		t.Errorf("complaint is of %s, %s, %v", dev, tk, err)
	}
	if _, _, err := s.ComplaintOf(ctx, 999); !errors.Is(err, ErrNoComplaint) {
		t.Errorf("a complaint that is not here: %v", err)
	}
}

// A cancel that makes no sense is kept as a record and says nothing.
func TestCancelOfNothing(t *testing.T) { onEach(t, testCancelOfNothing) }

func testCancelOfNothing(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	done := commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1),
		rec(t, "k1", report.Complaint, 2, report.KindCancel, report.Cancel{Ticket: "0007-0001-0"}),
		rec(t, "k1", report.Complaint, 3, report.KindCancel, []int{1})))
	if done.Records != 3 {
		t.Errorf("%d records kept, want 3", done.Records)
	}
	list, err := s.Complaints(context.Background(), ComplaintFilter{})
	if err != nil || len(list) != 1 || list[0].Status != nil {
		t.Errorf("%+v, %v", list, err)
	}
}
