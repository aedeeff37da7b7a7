package audit

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Measurements that age has taken are no fault, also when a root had them. A
// complaint's record is never taken by age: who says so in the table has stolen it.
func TestPrunedMeasurementsAreExplained(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	d := devicetest.New(t, "k1", 0xe1, "")
	var rs []report.Received
	for range 20 {
		rs = append(rs, d.Record(report.Telemetry, report.KindStreamStats, report.StreamStats{Name: "gate", FPS: 25}))
	}
	c.records(d, report.Telemetry, rs...)
	c.records(d, report.Complaint, d.Press(), d.Press())
	c.root()
	c.now = c.now.Add(48 * time.Hour)
	c.records(d, report.Telemetry, d.Record(report.Telemetry, report.KindStreamStats, report.StreamStats{Name: "gate", FPS: 25}))
	n, _, err := c.store.Prune(context.Background(), store.Retention{Telemetry: 24 * time.Hour}, c.now)
	if err != nil || n != 20 {
		t.Fatalf("pruned %d (%v), want 20", n, err)
	}
	for _, dev := range c.verify().Devices {
		for _, l := range dev.Lanes {
			if len(l.Findings) > 0 {
				t.Errorf("%s: %+v, want none", l.Lane, l.Findings)
			}
		}
	}

	c.sql(`DELETE FROM record WHERE lane_id IN (SELECT id FROM lane WHERE lane = 'complaint') AND seq = 1`)
	c.sql(`UPDATE lane SET pruned_to = 1, pruned = 1 WHERE lane = 'complaint'`)
	found := false
	for _, dev := range c.verify().Devices {
		for _, l := range dev.Lanes {
			found = found || l.Lane == string(report.Complaint) && len(l.Findings) > 0
		}
	}
	if !found {
		t.Error("a complaint that somebody calls pruned is not missed")
	}
}
