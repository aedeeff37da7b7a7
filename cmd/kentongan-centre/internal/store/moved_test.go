package store

import (
	"testing"

	"kentongan/agent/report"
)

// TestMovedRecordsCountOnce: a device that was set back to an older copy sends
// again, in a new epoch, what it can't know to have arrived, and what it has made
// under numbers that stand for other records here.
func TestMovedRecordsCountOnce(t *testing.T) { onEach(t, testMovedRecordsCountOnce) }

func testMovedRecordsCountOnce(t *testing.T, place func(testing.TB) string) {
	const next = testEpoch + 1
	s := open(t, place(t))
	first := press(t, "k1", 2)
	commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), first, press(t, "k1", 3)))
	move := func(r report.Received, seq uint64) report.Received {
		line, err := r.Move(next, seq, report.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		moved, err := report.DecodeRecord(line)
		if err != nil {
			t.Fatal(err)
		}
		return report.Received{Record: moved, Line: line}
	}
	other := rec(t, "k1", report.Complaint, 3, report.KindPress, report.Press{Ticket: report.NewTicket(7, 3).String(), Category: "forked", Presses: 1})
	unknown := press(t, "k1", 9)
	a := batch("k1", report.Complaint, 5000, 5003, move(first, 5000), move(other, 5001), move(unknown, 5002))
	a.Batch.Head.Epoch = next
	done := commit(t, s, a)
	if done.Records != 3 || done.Duplicates != 1 || len(done.Complaints) != 2 {
		t.Errorf("%d records, %d doubles, %d complaints; want 3, 1, 2", done.Records, done.Duplicates, len(done.Complaints))
	}
	if len(done.Receipts) != 1 || done.Receipts[0].Epoch != next || done.Receipts[0].Seq != 5002 {
		t.Errorf("receipts %+v, want one up to 5002 of the new epoch", done.Receipts)
	}
}

// TestReceiptStopsAtAConflict: a device that was set back, and heard of no receipt
// before it sent, would else free presses that we hold others for.
func TestReceiptStopsAtAConflict(t *testing.T) { onEach(t, testReceiptStopsAtAConflict) }

func testReceiptStopsAtAConflict(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), press(t, "k1", 2), press(t, "k1", 3)))
	other := func(seq uint64) report.Received {
		return rec(t, "k1", report.Complaint, seq, report.KindPress, report.Press{Ticket: "other", Category: "forked", Presses: 1})
	}
	done := commit(t, s, batch("k1", report.Complaint, 2, 6, other(2), other(3), other(4), other(5)))
	if len(done.Receipts) != 1 {
		t.Fatalf("receipts %+v", done.Receipts)
	}
	if r := done.Receipts[0]; r.Seq != 2 || r.Held != 5 || r.Hash == nil || *r.Hash != report.HashLine(press(t, "k1", 2).Line) {
		t.Errorf("receipt %+v, want one up to 2 with our hash", r)
	}
	// The device has let go of what the conflicts were about.
	done = commit(t, s, batch("k1", report.Complaint, 4, 7, press(t, "k1", 6)))
	if r := done.Receipts[0]; r.Seq != 6 || r.Held != 0 {
		t.Errorf("receipt %+v, want one up to 6", r)
	}
}

// TestComplaintMovedTwiceCountsOnce: the device was set back twice before it heard
// of a receipt. Its record then says where it stood last, or where it stood in a
// copy that had moved before, and we hold it elsewhere.
func TestComplaintMovedTwiceCountsOnce(t *testing.T) { onEach(t, testComplaintMovedTwiceCountsOnce) }

func testComplaintMovedTwiceCountsOnce(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	move := func(r report.Received, epoch report.Epoch, seq uint64) report.Received {
		line, err := r.Move(epoch, seq, report.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		moved, err := report.DecodeRecord(line)
		if err != nil {
			t.Fatal(err)
		}
		return report.Received{Record: moved, Line: line}
	}
	send := func(r report.Received) int {
		a := batch("k1", report.Complaint, r.Seq, r.Seq+1, r)
		a.Batch.Head.Epoch = r.Epoch
		return len(commit(t, s, a).Complaints)
	}
	first := press(t, "k1", 2)
	once := move(first, testEpoch+1, 5000)
	for i, tt := range []struct {
		r    report.Received
		want int
	}{
		{first, 1},
		{once, 0},
		{move(once, testEpoch+2, 9000), 0}, // its place in the second epoch is held
		{move(move(first, testEpoch+3, 5000), testEpoch+4, 9000), 0}, // never heard of
		{move(first, testEpoch+5, 5000), 0},
		{move(press(t, "k1", 3), testEpoch+6, 5000), 1},
		{move(press(t, "k1", 3), testEpoch+7, 5000), 0}, // never came from its first place
		{press(t, "k1", 3), 0},                          // late, by another broker
	} {
		if got := send(tt.r); got != tt.want {
			t.Errorf("%d: %d complaints, want %d", i, got, tt.want)
		}
	}
}
