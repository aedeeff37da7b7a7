package store

import (
	"testing"
	"time"

	"kentongan/agent/report"
)

// Who passes records on gets of a device what came in since, in order, and is told
// once of each.
func TestRecentRecords(t *testing.T) { onEach(t, testRecentRecords) }

func testRecentRecords(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	both := batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2))
	if c := commit(t, s, both); len(c.Fresh) != 2 || len(c.Told) != 0 {
		t.Errorf("%d records fresh, %d devices told, want 2 and none", len(c.Fresh), len(c.Told))
	}
	if c := commit(t, s, both); len(c.Fresh) != 0 {
		t.Errorf("%d records fresh that were here already", len(c.Fresh))
	}
	commit(t, s, batch("k2", report.Complaint, 1, 2, press(t, "k2", 1)))
	for name, tt := range map[string]struct {
		since time.Time
		want  int
	}{"all": {t0.Add(-time.Hour), 2}, "none": {time.Now().Add(1000 * time.Hour), 0}} {
		got, err := s.RecentRecords(t.Context(), "k1", tt.since)
		if err != nil || len(got) != tt.want {
			t.Fatalf("%s: %d records, %v, want %d", name, len(got), err, tt.want)
		}
		for i, r := range got {
			if r.Device != "k1" || r.Seq != uint64(i+1) || len(r.Line) == 0 {
				t.Errorf("%s: record %d is %s/%d", name, i, r.Device, r.Seq)
			}
		}
	}
}
