package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// retainSchema: a telemetry lane says what age has taken from it. pruned_to is the
// highest number taken, pruned how many records were.
const retainSchema = `
ALTER TABLE lane ADD COLUMN pruned_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0;
`

// Retention is how long what has had its time is kept; 0 is for ever. Records of
// complaints and events are never pruned: they are the proof. What a complaint says
// may be erased, see EraseOld.
type Retention struct {
	Telemetry time.Duration // measurements, by when they came in
	Alarms    time.Duration // that are over, by when we heard of that; their events stay
}

// pruneAtOnce is how many rows one transaction takes: the ingest waits that long.
const pruneAtOnce = 1000

// Prune takes away what is older, in small pieces, and tells how many records of
// measurements and how many alarms. It may be called from any goroutine.
//
// Of a lane it takes the records from the first one on, up to the first that is
// young enough, and notes how far it came: so a hole of before stays a hole, what
// is sent again is known for a double, and the audit can tell age from theft.
// It also takes out names that came late, see EraseAccount. SQLite's log is due to be
// cut after it, see wiper.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) (records, alarms int64, err error) {
	if err := s.forgetLate(ctx, now); err != nil {
		return 0, 0, fmt.Errorf("take out erased names: %w", err)
	}
	if keep.Telemetry > 0 {
		if records, err = s.pruneTelemetry(ctx, now.Add(-keep.Telemetry).UnixMilli()); err != nil {
			return records, 0, fmt.Errorf("prune measurements: %w", err)
		}
	}
	if keep.Alarms > 0 {
		if alarms, err = s.pruneAlarms(ctx, now.Add(-keep.Alarms).UnixMilli()); err != nil {
			return records, alarms, fmt.Errorf("prune alarms: %w", err)
		}
	}
	s.wipe.erased() // a command may have, beside us, and have found somebody reading
	return records, alarms, nil
}

func (s *Store) pruneTelemetry(ctx context.Context, before int64) (n int64, err error) {
	lanes, err := sqlrows.Collect(ctx, s.read, "old lanes", func(r *sql.Rows) (id int64, err error) {
		return id, r.Scan(&id)
	}, `SELECT l.id FROM lane l WHERE l.lane = 'telemetry'
		AND (SELECT r.received_at FROM record r WHERE r.lane_id = l.id ORDER BY r.seq LIMIT 1) < ? ORDER BY l.id`, before)
	for _, id := range lanes {
		for more := true; more && err == nil; {
			var took int64
			took, err = s.pruneLane(ctx, id, before)
			n, more = n+took, took == pruneAtOnce
		}
		if err != nil {
			return n, err
		}
	}
	return n, err
}

// pruneLane takes at most pruneAtOnce records from the beginning of a lane.
func (s *Store) pruneLane(ctx context.Context, lane, before int64) (n int64, err error) {
	type old struct{ seq, at int64 }
	rows, err := sqlrows.Collect(ctx, s.read, "old records", func(r *sql.Rows) (o old, err error) {
		return o, r.Scan(&o.seq, &o.at)
	}, `SELECT seq, received_at FROM record WHERE lane_id = ? ORDER BY seq LIMIT ?`, lane, pruneAtOnce)
	var to int64
	for _, o := range rows {
		if o.at >= before {
			break
		}
		to, n = o.seq, n+1
	}
	if err != nil || n == 0 {
		return 0, err
	}
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	// A record of a number below, that came late, may have come in between.
	res, err := tx.ExecContext(ctx, `DELETE FROM record WHERE lane_id = ? AND seq <= ? AND received_at < ?`, lane, to, before)
	if err != nil {
		return 0, err
	}
	gone, err := res.RowsAffected()
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE lane SET pruned_to = CASE WHEN pruned_to < ?1 THEN ?1 ELSE pruned_to END, pruned = pruned + ?2 WHERE id = ?3`, to, gone, lane); err != nil {
		return 0, err
	}
	return n, tx.Commit()
}

func (s *Store) pruneAlarms(ctx context.Context, before int64) (n int64, err error) {
	for {
		res, err := s.edit.ExecContext(ctx, `DELETE FROM alarm WHERE (device, id) IN (
			SELECT a.device, a.id FROM alarm a WHERE a.ended_at > 0 AND a.ended_at < ?
				AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.device = a.device AND o.subject = a.id AND o.state = 'open')
			LIMIT ?)`, before, pruneAtOnce)
		if err != nil {
			return n, err
		}
		took, err := res.RowsAffected()
		n += took
		if err != nil || took < pruneAtOnce {
			return n, err
		}
	}
}

// prunedTo is the highest number that age has taken from a lane.
func (w *writer) prunedTo(l *lane) (uint64, error) {
	var to int64
	if err := w.row(`SELECT pruned_to FROM lane WHERE id = ?`, l.id).Scan(&to); err != nil {
		return 0, fmt.Errorf("read what was pruned: %w", err)
	}
	return uint64(to), nil
}
