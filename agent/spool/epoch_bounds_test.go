package spool

import (
	"math"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestForgedReceiptTakesNoNumbers: whoever speaks in the device's name can make
// the centre hold any number of its epoch. The device must not go up to there:
// the centre takes none above 2^40, in any epoch.
func TestForgedReceiptTakesNoNumbers(t *testing.T) {
	for _, held := range []uint64{1 << 40, math.MaxUint64 - 1, math.MaxUint64} {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		mustAppend(t, s, report.Complaint, "first")
		mustAppend(t, s, report.Event, "first")
		old := s.Epoch()
		if err := s.Renew(map[report.Lane]uint64{report.Complaint: held, report.Event: held}); err != nil {
			t.Fatal(err)
		}
		if seq := mustAppend(t, s, report.Complaint, "meanwhile"); seq > 1<<30 {
			t.Errorf("held %d: a press got number %d", held, seq)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, "/s", small(disk))
		if s.Epoch() == old {
			t.Errorf("held %d: no new epoch", held)
		}
		for _, lane := range report.Lanes()[:2] {
			if head := s.Head(lane); head.Next > 1<<30 || head.Next < 4096 {
				t.Errorf("held %d: lane %s goes on with %d", held, lane, head.Next)
			}
		}
		if got := bodies(t, s, report.Complaint, old); len(got) != 2 {
			t.Errorf("held %d: %v have moved", held, got)
		}
	}
}
