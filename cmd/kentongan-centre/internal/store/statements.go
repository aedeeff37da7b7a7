package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// statements are what Commit runs, prepared once on its connection.
type statements struct {
	insertRecord, selectLine                                      *sql.Stmt
	insertLane, updateLane, selectLane                            *sql.Stmt
	deleteHoles, insertHole, selectHoles                          *sql.Stmt
	insertGap, insertConflict, countConflicts                     *sql.Stmt
	insertComplaint, cancelTicket, upsertBoot                     *sql.Stmt
	selectDevice, upsertDevice                                    *sql.Stmt
	upsertStream, upsertStats, deleteStream, upsertLn, clearLines *sql.Stmt
	countEpochs                                                   *sql.Stmt
	alarmStatements
	appStatements
	auditStatements

	all []*sql.Stmt
}

// prepared is a statement and where it goes.
type prepared struct {
	to  **sql.Stmt
	sql string
}

func (s *statements) prepare(ctx context.Context, c *sql.Conn) error {
	for _, p := range append(slices.Concat(s.alarmStatements.list(), s.appStatements.list(), s.auditStatements.list()), []prepared{
		{&s.insertRecord, `INSERT OR IGNORE INTO record (lane_id, seq, received_at, kind, line) VALUES (?, ?, ?, ?, ?)`},
		{&s.selectLine, `SELECT line FROM record WHERE lane_id = ? AND seq = ?`},
		{&s.insertLane, `INSERT INTO lane (device, epoch, lane, first, next, top, received, duplicates, conflicts, seen_at) VALUES (?, ?, ?, 1, 1, 0, 0, 0, 0, ?)`},
		{&s.updateLane, `UPDATE lane SET first = ?, next = ?, top = ?, received = ?, duplicates = ?, conflicts = ?, seen_at = ? WHERE id = ?`},
		{&s.selectLane, `SELECT id, first, next, top, received, duplicates, conflicts, seen_at FROM lane WHERE device = ? AND epoch = ? AND lane = ?`},
		{&s.countEpochs, `SELECT count(DISTINCT epoch) FROM lane WHERE device = ?`},
		{&s.deleteHoles, `DELETE FROM hole WHERE lane_id = ? AND from_seq = ?`},
		{&s.insertHole, `INSERT INTO hole (lane_id, from_seq, to_seq, since_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET to_seq = excluded.to_seq`},
		{&s.selectHoles, `SELECT from_seq, to_seq FROM hole WHERE lane_id = ? ORDER BY from_seq`},
		{&s.insertGap, `INSERT OR IGNORE INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (?, ?, ?, ?, ?, ?)`},
		{&s.insertConflict, `INSERT OR IGNORE INTO conflict (lane_id, seq, hash, received_at, line) VALUES (?, ?, ?, ?, ?)`},
		{&s.countConflicts, `SELECT count(*) FROM conflict WHERE lane_id = ?`},
		{&s.insertComplaint, `INSERT OR IGNORE INTO complaint (device, lane_id, seq, ticket, category, service, label_id, label_en, line, presses, time_ms, clock, boot, uptime_ms, received_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.cancelTicket, upsertTicket},
		{&s.upsertBoot, `INSERT INTO boot (device, boot, booted_ms, clock) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET booted_ms = excluded.booted_ms, clock = excluded.clock WHERE boot.clock <> 'synced' OR excluded.clock = 'synced'`},
		{&s.selectDevice, `SELECT state, session, since_at, first_at, seen_at, birth FROM device WHERE id = ?`},
		{&s.upsertDevice, `INSERT INTO device (id, state, session, since_at, first_at, seen_at, birth) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET state = excluded.state, session = excluded.session, since_at = excluded.since_at, seen_at = excluded.seen_at, birth = excluded.birth`},
		{&s.upsertStream, `INSERT INTO stream (device, name, state, class, since_at, doc) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET since_at = CASE WHEN stream.state = excluded.state AND stream.class = excluded.class THEN stream.since_at ELSE excluded.since_at END,
				state = excluded.state, class = excluded.class, doc = excluded.doc`},
		{&s.upsertStats, `INSERT INTO stream (device, name, stats, stats_ms, stats_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET stats = excluded.stats, stats_ms = excluded.stats_ms, stats_at = excluded.stats_at`},
		{&s.deleteStream, `DELETE FROM stream WHERE device = ? AND name = ?`},
		{&s.upsertLn, `INSERT INTO line (device, name, epoch, seq, state, detail, since_at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET since_at = CASE WHEN line.state = excluded.state THEN line.since_at ELSE excluded.since_at END,
				epoch = excluded.epoch, seq = excluded.seq, state = excluded.state, detail = excluded.detail
			WHERE line.epoch <> excluded.epoch OR line.seq < excluded.seq`},
		{&s.clearLines, `DELETE FROM line WHERE device = ? AND (epoch <> ? OR seq < ?)`},
	}...) {
		st, err := c.PrepareContext(ctx, p.sql)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		*p.to = st
		s.all = append(s.all, st)
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, st := range s.all {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}
