package spool

import (
	"context"
	"fmt"
	"math"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestGapRecordsOutliveAFullEventLane: the event lane overflowed, its oldest
// segment took gap records along, and the centre counted as unexplained what
// they had explained.
func TestGapRecordsOutliveAFullEventLane(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	o.Quota[report.Complaint] = 40 * 16 << 10
	s := mustOpen(t, "/s", o)
	kept := map[uint64]bool{}
	for i := range 20 { // more holes than the cursor has room for, and a press between any two
		kept[mustAppend(t, s, report.Complaint, i)] = true
		(&refuse{err: syscall.EIO, ops: "sync", part: "/s/complaint/"}).on(disk, math.MaxInt64)
		if _, err := s.Append(context.Background(), report.Complaint, "test", "burnt"); err == nil {
			t.Fatal("a refused write was confirmed")
		}
		new(refuse).on(disk, 0)
		mustAppend(t, s, report.Event, i)
	}
	for round := range 12 {
		if round%4 == 3 { // killed
			s = mustOpen(t, "/s", withFS(o, disk.Clone()))
			disk = s.fs.(*memdisk.Disk)
		}
		for i := range 100 {
			mustAppend(t, s, report.Event, i)
		}
		events := readAllOf(t, s, report.Event)
		holes := gaps(t, events)
		for seq := uint64(1); seq < s.Head(report.Complaint).Next; seq++ {
			if got := explained(holes, report.Complaint, seq); got == kept[seq] {
				t.Fatalf("round %d: complaint %d is kept %v and in a gap %v: %+v", round, seq, kept[seq], got, holes)
			}
		}
		for seq := uint64(1); seq < events[0].Seq; seq++ {
			if !explained(holes, report.Event, seq, report.GapFull) {
				t.Fatalf("round %d: event %d is gone without a word: %+v", round, seq, holes)
			}
		}
		if len(holes) > 5*(maxPending+1) { // in each segment those that were carried, and its own
			t.Errorf("round %d: %d gap records for 20 holes", round, len(holes))
		}
	}
	if st := s.Status().Lanes[report.Event]; st.Dropped == 0 {
		t.Error("nothing was dropped, so nothing was tested")
	}
}

func withFS(o Options, fsys FS) Options {
	o.FS = fsys
	return o
}

// TestCarriedGapsAreFewAndTrue: however many gap records a segment holds, those
// that are carried fit into the cursor, and none names a number that still waits.
func TestCarriedGapsAreFewAndTrue(t *testing.T) {
	const epoch, first = 7, 1000
	var gaps []report.Gap
	for i := range uint64(50) { // 10 to 500 have left, 1010 to 1500 have not
		for _, from := range []uint64{10 * (i + 1), 1000 + 10*(i+1)} {
			gaps = join(gaps, report.Gap{Lane: report.Complaint, Epoch: epoch, From: from, To: from + 1, Count: 2, Reason: report.GapTorn})
		}
	}
	gaps = join(gaps, report.Gap{Lane: report.Complaint, Epoch: epoch, From: 12, To: 19, Count: 8, Reason: report.GapTorn})
	got := squeeze(gaps, report.Complaint, epoch, first)
	var below, above []report.Gap
	count := uint64(0)
	for _, g := range got {
		if count += g.Count; g.To < first {
			below = append(below, g)
		} else {
			above = append(above, g)
		}
	}
	if len(below) != 1 || below[0].From != 10 || below[0].To != 501 || len(above) != 50 || count != 100*2+8 {
		t.Errorf("%d below the first number, %d above, %d numbers: %s", len(below), len(above), count, fmt.Sprint(below))
	}
}
