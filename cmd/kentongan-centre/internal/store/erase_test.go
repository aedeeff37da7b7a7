package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
)

// moved is a record in another epoch, as a device moves it.
func moved(t testing.TB, r report.Received, epoch report.Epoch, seq uint64) report.Received {
	t.Helper()
	line, err := r.Move(epoch, seq, report.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := report.DecodeRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	return report.Received{Record: m, Line: line}
}

// in sends records of one epoch.
func in(t testing.TB, s *Store, rs ...report.Received) Committed {
	t.Helper()
	a := batch(rs[0].Device, rs[0].Lane, 1, rs[len(rs)-1].Seq+1, rs...)
	a.Batch.Head.Epoch = rs[0].Epoch
	return commit(t, s, a)
}

func cancelOf(t testing.TB, seq, pressed uint64) report.Received {
	return rec(t, "k1", report.Complaint, seq, report.KindCancel, report.Cancel{Ticket: report.NewTicket(7, pressed).String(), By: "button"})
}

// eraseOnly erases the complaint of a place.
func eraseOnly(t testing.TB, s *Store, epoch report.Epoch, seq uint64) {
	t.Helper()
	if _, err := s.EraseComplaint(context.Background(), complaintAt(t, s, epoch, seq).ID); err != nil {
		t.Fatal(err)
	}
}

func complaintAt(t testing.TB, s *Store, epoch report.Epoch, seq uint64) Complaint {
	t.Helper()
	list, err := s.Complaints(context.Background(), ComplaintFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Epoch == epoch.String() && c.Seq == seq {
			return c
		}
	}
	t.Fatalf("no complaint at %s/%d", epoch, seq)
	return Complaint{}
}

// gone holds which records are erased against what is wanted; each has the hash of
// the line that came.
func gone(t testing.TB, s *Store, want map[bool][]report.Received) {
	t.Helper()
	for erased, list := range want {
		for _, r := range list {
			var line []byte
			err := s.read.QueryRowContext(context.Background(), `SELECT r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.epoch = ? AND l.lane = 'complaint' AND r.seq = ?`, r.Epoch.String(), int64(r.Seq)).Scan(&line)
			if err != nil {
				t.Fatalf("%s/%d: %v", r.Epoch, r.Seq, err)
			}
			if h, is := HashOf(line); is != erased || h != report.HashLine(r.Line) {
				t.Errorf("%s/%d: erased %v, want %v: %s", r.Epoch, r.Seq, is, erased, line)
			}
		}
	}
}

// A complaint that was erased does not come back when a device that was set back
// sends it again in a new epoch: not as a complaint, and not as a record.
func TestErasedComplaintStaysErasedWhenItMoves(t *testing.T) { onEach(t, testErasedMoves) }

func testErasedMoves(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	first, cancel := press(t, "k1", 2), cancelOf(t, 3, 2)
	again := moved(t, first, testEpoch+1, 5000)
	commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), first, cancel))
	in(t, s, again) // one copy is here before
	eraseOnly(t, s, testEpoch, 2)
	gone(t, s, map[bool][]report.Received{true: {first, cancel, again}, false: {press(t, "k1", 1)}})

	late := []report.Received{
		moved(t, first, testEpoch+2, 5000),
		moved(t, moved(t, first, testEpoch+3, 1), testEpoch+4, 5000), // the place in between was never heard of
		moved(t, again, testEpoch+5, 5000),
		moved(t, cancel, testEpoch+2, 5001),
	}
	for _, r := range late {
		if c := in(t, s, r); c.Records != 1 || len(c.Complaints) != 0 || len(c.Fresh) != 0 || c.Duplicates != 1 {
			t.Errorf("%s/%d: %+v, want one double", r.Epoch, r.Seq, c)
		}
	}
	gone(t, s, map[bool][]report.Received{true: late})
	// Another one is no erased one, though it says that it stood there.
	fork := rec(t, "k1", report.Complaint, 2, report.KindPress, report.Press{Ticket: report.NewTicket(7, 2).String(), Category: "forked", Presses: 1})
	if c := in(t, s, moved(t, fork, testEpoch+2, 5002)); len(c.Complaints) != 1 || len(c.Fresh) != 1 {
		t.Errorf("another press: %+v, want a complaint", c)
	}
}

// What is said of a complaint after it was erased is not kept; a cancel that comes
// before its press is.
func TestLateWordsOfAnErasedComplaint(t *testing.T) { onEach(t, testLateWords) }

func testLateWords(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ctx := context.Background()
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2)))
	id := complaintAt(t, s, testEpoch, 2).ID
	device, ticket, err := s.ComplaintOf(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	eraseOnly(t, s, testEpoch, 2)
	for what, err := range map[string]error{
		"state":  s.SetTicket(ctx, device, ticket, TicketState{State: report.TicketDone, At: t0, Who: "Budi"}),
		"agency": s.ofTicket(ctx, "x", device, ticket, `INSERT INTO complaint_agency (device, ticket, agency, at_ms, who) VALUES (?, ?, 'a', 1, '')`, device, ticket),
		"order": func() error {
			_, err := s.AddTicketOrder(ctx, Order{ID: "a1", Device: device, Name: report.OrderTicket, Subject: ticket, Expires: t0, Asked: t0}, nil, func(uint64) ([]byte, error) { return []byte("x"), nil })
			return err
		}(),
	} {
		if !errors.Is(err, ErrNoComplaint) {
			t.Errorf("%s: %v, want that there is no such complaint", what, err)
		}
	}
	late, early := cancelOf(t, 3, 2), cancelOf(t, 5, 4)
	if c := commit(t, s, batch("k1", report.Complaint, 1, 6, late)); c.Records != 1 || len(c.Fresh) != 0 || c.Receipts[0].Seq != 3 || *c.Receipts[0].Hash != report.HashLine(late.Line) {
		t.Errorf("the cancel: %+v, want it held and not passed on", c)
	}
	if c := commit(t, s, batch("k1", report.Complaint, 1, 6, late)); c.Duplicates != 1 || c.Conflicts != 0 {
		t.Errorf("once more: %+v, want a double", c)
	}
	commit(t, s, batch("k1", report.Complaint, 1, 6, early))
	commit(t, s, batch("k1", report.Complaint, 1, 6, press(t, "k1", 4)))
	gone(t, s, map[bool][]report.Received{true: {late, press(t, "k1", 2)}, false: {early, press(t, "k1", 4)}})
	for table, want := range map[string]int{"complaint_status": 1, "complaint_agency": 0, "orders": 0} {
		var n int
		if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows (%v), want %d", table, n, err, want)
		}
	}
	if c := complaintAt(t, s, testEpoch, 4); c.Status == nil || c.Status.State != report.TicketWithdrawn {
		t.Errorf("%+v, want it taken back", c)
	}
}

// Two citizens have one ticket, of a kiosk that began to count anew: the complaint of
// one is erased, with its copies, and the other's is not.
func TestOneTicketOfTwo(t *testing.T) { onEach(t, testOneTicketOfTwo) }

func testOneTicketOfTwo(t *testing.T, place func(testing.TB) string) {
	const next = testEpoch + 1
	s := open(t, place(t))
	anew := func(r report.Received) report.Received { // of a new card
		r.Epoch, r.Boot = next, "b2"
		line, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return report.Received{Record: r.Record, Line: line}
	}
	one, oneBack := press(t, "k1", 1), cancelOf(t, 2, 1)
	two, twoBack := anew(one), anew(oneBack)
	copied := moved(t, one, testEpoch+2, 9)
	in(t, s, one, oneBack)
	in(t, s, two, twoBack)
	in(t, s, copied)
	eraseOnly(t, s, testEpoch, 1)
	gone(t, s, map[bool][]report.Received{true: {one, oneBack, copied}, false: {two, twoBack}})
	if c := complaintAt(t, s, next, 1); c.Erased || c.Ticket == "" {
		t.Errorf("the other's is %+v", c)
	}
	eraseOnly(t, s, next, 1)
	gone(t, s, map[bool][]report.Received{true: {two, twoBack}})
}

// A press that says neither ticket nor category is not taken for erased, and can be.
func TestPressOfNothingIsErased(t *testing.T) { onEach(t, testPressOfNothing) }

func testPressOfNothing(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	bare := func(seq uint64) report.Received {
		return rec(t, "k1", report.Complaint, seq, report.KindPress, report.Press{PIN: "1234", Presses: 1})
	}
	commit(t, s, batch("k1", report.Complaint, 1, 3, bare(1), bare(2)))
	eraseOnly(t, s, testEpoch, 1)
	gone(t, s, map[bool][]report.Received{true: {bare(1)}, false: {bare(2)}})
	for seq, want := range map[uint64]bool{1: true, 2: false} {
		if c := complaintAt(t, s, testEpoch, seq); c.Erased != want {
			t.Errorf("%+v, want erased %v", c, want)
		}
	}
}

// The records are searched before the ingest has to wait. What comes meanwhile is
// found as well; what comes under a number below lets it search again.
func TestRecordsThatComeWhileErasing(t *testing.T) { onEach(t, testComeWhileErasing) }

func testComeWhileErasing(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ctx := context.Background()
	search := func() *trace {
		t.Helper()
		tr, err := s.trace(ctx, complaintAt(t, s, testEpoch, 2).ID)
		if err == nil {
			err = tr.search(ctx, s.read)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	first, low, high := press(t, "k1", 2), cancelOf(t, 3, 2), cancelOf(t, 5, 2)
	copied := moved(t, first, testEpoch+1, 7)
	commit(t, s, batch("k1", report.Complaint, 1, 5, press(t, "k1", 1), first, press(t, "k1", 4)))
	tr := search()
	commit(t, s, batch("k1", report.Complaint, 1, 6, low))
	if err := s.eraseTrace(ctx, tr); !errors.Is(err, errCameMeanwhile) {
		t.Errorf("%v, want to search again", err)
	}
	gone(t, s, map[bool][]report.Received{false: {first, low}})
	tr = search()
	commit(t, s, batch("k1", report.Complaint, 1, 6, high))
	in(t, s, copied) // in a lane that was not there
	if err := s.eraseTrace(ctx, tr); err != nil {
		t.Fatal(err)
	}
	gone(t, s, map[bool][]report.Received{true: {first, low, high, copied}, false: {press(t, "k1", 1), press(t, "k1", 4)}})
}

// A press that came under the number of another one, and then moved to its own, is
// erased in both places; the receipt goes on stopping there.
func TestErasedConflictMoved(t *testing.T) { onEach(t, testErasedConflictMoved) }

func testErasedConflictMoved(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	fork := rec(t, "k1", report.Complaint, 2, report.KindPress, report.Press{Ticket: report.NewTicket(7, 2).String(), Category: "forked", Presses: 1})
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2)))
	commit(t, s, batch("k1", report.Complaint, 1, 3, fork))
	in(t, s, moved(t, fork, testEpoch+1, 5000))
	eraseOnly(t, s, testEpoch+1, 5000)
	gone(t, s, map[bool][]report.Received{true: {moved(t, fork, testEpoch+1, 5000)}, false: {press(t, "k1", 2)}})
	var left int
	if err := s.read.QueryRowContext(context.Background(), `SELECT count(*) FROM conflict WHERE length(line) > 0`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d conflicts hold their line (%v)", left, err)
	}
	if list, err := s.AuditConflicts(context.Background(), 1); err != nil || !slices.Equal(list, []uint64{2}) {
		t.Errorf("conflicts %v, %v", list, err)
	}
}

// The log can't be cut while somebody reads; it is when they are done, and hourly
// it is due for what another process erased.
func TestLogIsCutWhenNobodyReads(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := context.Background()
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2)))
	reader, err := s.read.QueryContext(ctx, `SELECT seq FROM record`)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // only read
	if !reader.Next() {
		t.Fatal(reader.Err())
	}
	eraseOnly(t, s, testEpoch, 1)
	if done, err := s.WipeLog(ctx); done || err != nil {
		t.Errorf("while somebody reads: %v, %v", done, err)
	}
	// The ingest waits while the log is cut, and people's statements for the ingest.
	var waits time.Duration
	if err := s.edit.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&waits); err != nil || waits*time.Millisecond != busyTimeout || cutWaits > busyTimeout/10 {
		t.Errorf("statements wait %d ms after it (%v), and it waits %s", waits, err, cutWaits)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if done, err := s.WipeLog(ctx); !done || err != nil {
		t.Errorf("after it: %v, %v", done, err)
	}
	if _, _, err := s.Prune(ctx, Retention{}, time.Now()); err != nil || !s.wipe.due.Load() {
		t.Errorf("after the hour's work it is not due (%v)", err)
	}
}
