package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kentongan/agent/report"
)

// Of a complaint that was erased nothing is left in the database: not in its tables,
// and of SQLite not in its files. Its neighbours are as they were, and what the device
// sends again is a double.
func TestErasedComplaintIsGone(t *testing.T) { onEach(t, testErasedComplaintIsGone) }

func testErasedComplaintIsGone(t *testing.T, place func(testing.TB) string) {
	ctx := context.Background()
	where := place(t)
	s := open(t, where)
	ticket := func(n uint64) string { return report.NewTicket(7, n).String() }
	press := func(seq uint64) report.Received {
		return rec(t, "kiosk-7", report.Complaint, seq, report.KindPress, report.Press{Ticket: ticket(seq), Line: fmt.Sprint("GPIO-of-", seq), ServiceCode: fmt.Sprint("kekerasan-", seq), Category: fmt.Sprint("kategori-", seq), Label: report.Text{ID: fmt.Sprint("Lapor-", seq), EN: fmt.Sprint("Report-", seq)}, Presses: 3, PIN: fmt.Sprint("pin-is-", seq)})
	}
	cancel := rec(t, "kiosk-7", report.Complaint, 4, report.KindCancel, report.Cancel{Ticket: ticket(2)})
	other := press(2)
	other.Body = []byte(strings.Replace(string(other.Body), "pin-is-2", "pin-is-two", 1))
	line, err := other.Encode()
	if err != nil {
		t.Fatal(err)
	}
	other.Line = line
	commit(t, s, batch("kiosk-7", report.Complaint, 1, 5, press(1), press(2), press(3), cancel))
	if c := commit(t, s, batch("kiosk-7", report.Complaint, 1, 5, other)); c.Conflicts != 1 {
		t.Fatalf("%+v, want a conflict, whose line has to go as well", c)
	}
	list, err := s.Complaints(ctx, ComplaintFilter{Ticket: ticket(2)})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	id := list[0].ID
	if err := s.SetTicket(ctx, "kiosk-7", ticket(2), TicketState{State: report.TicketDone, At: t0, Who: "Budi", Note: report.Text{ID: "catatan-rahasia", EN: "secret-note"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddOrder(ctx, Order{ID: "a1", Device: "kiosk-7", Name: report.OrderTicket, Subject: ticket(2), Who: "Budi", Expires: t0.AddDate(0, 0, 1), Asked: t0}, func(uint64) ([]byte, error) { return []byte("catatan-rahasia"), nil }); err != nil {
		t.Fatal(err)
	}

	if _, err := s.For(OfAgency("dinkes")).EraseComplaint(ctx, id); !errors.Is(err, ErrNoComplaint) {
		t.Errorf("another agency erases it: %v", err)
	}
	device, err := s.EraseComplaint(ctx, id)
	if err != nil || device != "kiosk-7" {
		t.Fatal(device, err)
	}
	if _, err := s.EraseComplaint(ctx, id); !errors.Is(err, ErrNoComplaint) {
		t.Errorf("once more: %v, want that there is none", err)
	}

	if c := commit(t, s, batch("kiosk-7", report.Complaint, 1, 5, press(1), press(2), press(3), cancel)); c.Duplicates != 4 || c.Conflicts != 0 || len(c.Complaints) != 0 {
		t.Errorf("all of it again: %+v, want 4 doubles", c)
	}
	// What else came under the number stays known, by its hash: the kiosk may not let
	// go of it, for it is kept nowhere else.
	if c := commit(t, s, batch("kiosk-7", report.Complaint, 1, 5, other)); c.Conflicts != 1 || len(c.Receipts) != 1 || c.Receipts[0].Seq != 2 || c.Receipts[0].Held != 4 || *c.Receipts[0].Hash != report.HashLine(press(2).Line) {
		t.Errorf("the other one again: %+v, want that the receipt stops at it", c)
	}
	if list, err := s.AuditConflicts(ctx, 1); err != nil || len(list) != 1 || list[0] != 2 {
		t.Errorf("conflicts %v, %v; want that of number 2", list, err)
	}
	if list, err = s.Complaints(ctx, ComplaintFilter{}); err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for _, c := range list {
		if gone := c.ID == id; c.Erased != gone || !gone && (c.Ticket == "" || c.Status != nil) || gone && (c.Device != "kiosk-7" || c.Received.IsZero() || c.Status != nil) {
			t.Errorf("%+v", c)
		}
	}
	records, err := s.AuditRecords(ctx, 1, 0, 10)
	if err != nil || len(records) != 4 {
		t.Fatal(len(records), err)
	}
	for i, want := range []report.Received{press(1), press(2), press(3), cancel} {
		h, gone := HashOf(records[i].Line)
		if h != report.HashLine(want.Line) || gone != (i == 1 || i == 3) {
			t.Errorf("record %d: %s, erased %v: %s", i+1, h, gone, records[i].Line)
		}
	}

	traces := [][]byte{}
	for _, said := range []string{ticket(2), "pin-is-2", "pin-is-two", "GPIO-of-2", "kekerasan-2", "kategori-2", "Lapor-2", "Report-2", "catatan-rahasia", "secret-note"} {
		traces = append(traces, []byte(said))
	}
	if strings.HasPrefix(where, "postgres:") {
		searchText(t, s, traces)
		return
	}
	searchFiles(t, where, traces)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	searchFiles(t, where, traces)
}

// searchText looks for what is text in some tables and bytes in others.
func searchText(t *testing.T, s *Store, traces [][]byte) {
	t.Helper()
	searchTables(t, s, traces)
	for _, table := range []string{"complaint", "complaint_status", "orders"} {
		for _, trace := range traces {
			var n int
			if err := s.read.QueryRowContext(context.Background(), `SELECT count(*) FROM "`+table+`" r WHERE position(? IN r::text) > 0`, string(trace)).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != 0 {
				t.Errorf("%d rows of %s hold %q", n, table, trace)
			}
		}
	}
}

// A device can't say itself that a record of it was erased, nor write something that
// is taken for it.
func TestDevicesErasureIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	p := rec(t, "kiosk-7", report.Complaint, 1, report.KindPress, report.Press{Ticket: "0007-0001-S"})
	line, err := erasedLine(p.Record, report.HashLine([]byte("what it never said")))
	if err != nil {
		t.Fatal(err)
	}
	if h, gone := HashOf(line); !gone || h != report.HashLine([]byte("what it never said")) {
		t.Fatalf("%s is not taken for erased", line)
	}
	r, err := report.DecodeRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	if c := commit(t, s, batch("kiosk-7", report.Complaint, 1, 2, report.Received{Record: r, Line: line})); len(c.Refused) != 1 || c.Records != 0 {
		t.Errorf("%+v, want it refused", c)
	}
	for _, near := range []string{strings.Replace(string(line), `"boot":""`, `"boot":"b1"`, 1), strings.Replace(string(line), `"complaint"`, `"event"`, 1), string(line[:len(line)-1]) + " }", strings.Replace(string(line), `"body":{`, `"body":{"x":1,`, 1)} {
		if _, gone := HashOf([]byte(near)); gone {
			t.Errorf("%s is taken for erased", near)
		}
	}
}
