package store

import (
	"context"
	"database/sql"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// recentInLane is how far back from its newest record RecentRecords looks in a
// lane.
const recentInLane = 20000

// RecentRecords gives what came in of a device since a time, of the complaint and
// event lanes, by lane and number: for who passes records on and was away.
func (s *View) RecentRecords(ctx context.Context, device string, since time.Time) ([]report.Received, error) {
	return sqlrows.Collect(ctx, s.read, "recent records", func(r *sql.Rows) (report.Received, error) {
		var got report.Received
		if err := r.Scan(&got.Line); err != nil {
			return got, err
		}
		rec, err := report.DecodeRecord(got.Line)
		got.Record = rec
		return got, err
	}, `SELECT r.line FROM lane l JOIN record r ON r.lane_id = l.id
		WHERE l.device = ? AND l.seen_at >= ? AND l.lane IN ('complaint', 'event') AND `+s.own("l.device")+`
			AND r.seq > l.top - ? AND r.received_at >= ?
		ORDER BY l.lane, l.id, r.seq`, device, since.UnixMilli(), recentInLane, since.UnixMilli())
}
