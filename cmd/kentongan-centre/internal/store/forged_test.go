package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"kentongan/agent/report"
)

// A head is not signed: whoever can publish can say that the device let go of
// everything. The receipt must not follow, or the device would let go indeed.
func TestForgedHeadMovesNoReceipt(t *testing.T) { onEach(t, testForgedHeadMovesNoReceipt) }

func testForgedHeadMovesNoReceipt(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2)))
	done := commit(t, s, batch("k1", report.Complaint, 101, 101))
	if len(done.Receipts) != 1 || done.Receipts[0].Seq != 2 || done.Receipts[0].Hash == nil {
		t.Errorf("receipts %+v, want one for record 2, with its hash", done.Receipts)
	}
	if l := account(t, s, "k1", report.Complaint); l.Thru != 2 || l.Missing != 98 {
		t.Errorf("account %+v, want thru 2 and 98 missing", l)
	}
	done = commit(t, s, batch("k1", report.Complaint, 1, 5, press(t, "k1", 3), press(t, "k1", 4)))
	if len(done.Receipts) != 1 || done.Receipts[0].Seq != 4 {
		t.Errorf("receipts %+v, want one for 4: the device's own records still count", done.Receipts)
	}
}

// Whatever numbers devices claim, the pages can still add them up.
func TestLargestHeadsCanBeAddedUp(t *testing.T) { onEach(t, testLargestHeadsCanBeAddedUp) }

func testLargestHeadsCanBeAddedUp(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	for n := range 40 {
		dev := fmt.Sprint("k", n)
		for _, lane := range report.Lanes() {
			commit(t, s, batch(dev, lane, maxSeq, maxSeq), batch(dev, lane, 1, 1<<62), batch(dev, lane, 1<<63, 1<<63))
		}
	}
	ctx := context.Background()
	if o, err := s.Overview(ctx, t0); err != nil || o.Missing != 40*3*(maxSeq-1) {
		t.Errorf("overview %+v (%v), want %d missing", o, err, uint64(40*3*(maxSeq-1)))
	}
	if list, err := s.Problems(ctx, time.Now(), 1000); err != nil || len(list) != 120 {
		t.Errorf("%d problems (%v), want 120", len(list), err)
	}
	if list, err := s.Devices(ctx, ""); err != nil || len(list) != 40 {
		t.Errorf("%d devices (%v), want 40", len(list), err)
	}
}
