package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// What the room audit reads. It reads the tables as they are and believes none
// of them: a View of everything.

// AuditLane is a row of the table lane.
type AuditLane struct {
	ID                         int64
	Device, Epoch, Lane        string
	First, Next, Top, Received uint64
	PrunedTo, Pruned           uint64 // what age has taken: up to which number, and how many records; of measurements only
	Seen                       time.Time
}

// AuditLanes lists the lanes of a device, or of all when it is "", the event
// lanes of a device first: they explain the holes of the others. Since leaves out
// those that nothing came of since then.
func (s *View) AuditLanes(ctx context.Context, device string, since time.Time) ([]AuditLane, error) {
	at := since.UnixMilli()
	if since.IsZero() {
		at = 0
	}
	return sqlrows.Collect(ctx, s.read, "lanes", func(r *sql.Rows) (l AuditLane, err error) {
		var seen int64
		err = r.Scan(&l.ID, &l.Device, &l.Epoch, &l.Lane, &l.First, &l.Next, &l.Top, &l.Received, &l.PrunedTo, &l.Pruned, &seen)
		l.Seen = when(seen)
		return l, err
	}, `SELECT l.id, l.device, l.epoch, l.lane, l.first, l.next, l.top, l.received, l.pruned_to, l.pruned, l.seen_at FROM lane l
		WHERE `+only(device, "l.device", "?")+` AND l.seen_at >= ? AND `+s.own("l.device")+`
		ORDER BY l.device, CASE l.lane WHEN 'event' THEN 0 WHEN 'complaint' THEN 1 ELSE 2 END, l.id`, device, at)
}

// AuditRecord is a row of the table record.
type AuditRecord struct {
	Seq      uint64
	Received time.Time
	Kind     string
	Line     []byte
}

// AuditRecords returns at most n records of a lane behind a number, in order.
func (s *View) AuditRecords(ctx context.Context, lane int64, after uint64, n int) ([]AuditRecord, error) {
	return sqlrows.Collect(ctx, s.read, "records", func(r *sql.Rows) (a AuditRecord, err error) {
		var received int64
		err = r.Scan(&a.Seq, &received, &a.Kind, &a.Line)
		a.Received = when(received)
		return a, err
	}, `SELECT seq, received_at, kind, line FROM record WHERE lane_id = ? AND seq > ? ORDER BY seq LIMIT ?`, lane, int64(after), n)
}

// AuditNewest is the record of a lane with the highest number; false when there
// is none.
func (s *View) AuditNewest(ctx context.Context, lane int64) (a AuditRecord, ok bool, err error) {
	var received int64
	err = s.read.QueryRowContext(ctx, `SELECT seq, received_at, kind, line FROM record WHERE lane_id = ? ORDER BY seq DESC LIMIT 1`, lane).
		Scan(&a.Seq, &received, &a.Kind, &a.Line)
	if errors.Is(err, sql.ErrNoRows) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("read newest record: %w", err)
	}
	a.Received = when(received)
	return a, true, nil
}

// AuditGap is a row of the table gap.
type AuditGap struct {
	From, To, Count uint64
	Reason          string
	Told            time.Time
}

// AuditGaps lists the gaps of a lane, by their first number.
func (s *View) AuditGaps(ctx context.Context, lane int64) ([]AuditGap, error) {
	return sqlrows.Collect(ctx, s.read, "gaps", func(r *sql.Rows) (g AuditGap, err error) {
		var told int64
		err = r.Scan(&g.From, &g.To, &g.Count, &g.Reason, &told)
		g.Told = when(told)
		return g, err
	}, `SELECT from_seq, to_seq, count, reason, told_at FROM gap WHERE lane_id = ? ORDER BY from_seq, to_seq`, lane)
}

// AuditNote is a signed note that is kept for a lane: a checkpoint or a receipt.
type AuditNote struct {
	Seq      uint64 // as the row says
	Received time.Time
	Note     []byte
}

// AuditCheckpoints lists the checkpoints of a lane that are of records behind a
// number, the oldest first.
func (s *View) AuditCheckpoints(ctx context.Context, lane int64, after uint64) ([]AuditNote, error) {
	return s.auditNotes(ctx, "checkpoints", `SELECT seq, received_at, note FROM checkpoint WHERE lane_id = ? AND seq > ? ORDER BY seq`, lane, after)
}

// AuditReceipts lists the kept receipts of a lane that countersign a checkpoint
// of a record behind a number, the oldest first.
func (s *View) AuditReceipts(ctx context.Context, lane int64, after uint64) ([]AuditNote, error) {
	return s.auditNotes(ctx, "receipts", `SELECT seq, 0, note FROM receipt WHERE lane_id = ? AND seq > ? ORDER BY day`, lane, after)
}

func (s *View) auditNotes(ctx context.Context, what, query string, lane int64, after uint64) ([]AuditNote, error) {
	return sqlrows.Collect(ctx, s.read, what, func(r *sql.Rows) (n AuditNote, err error) {
		var received int64
		err = r.Scan(&n.Seq, &received, &n.Note)
		n.Received = when(received)
		return n, err
	}, query, lane, int64(after))
}

// AuditConflicts lists the numbers of a lane that came with two contents.
func (s *View) AuditConflicts(ctx context.Context, lane int64) ([]uint64, error) {
	return sqlrows.Collect(ctx, s.read, "conflicts", func(r *sql.Rows) (seq uint64, err error) {
		return seq, r.Scan(&seq)
	}, `SELECT DISTINCT seq FROM conflict WHERE lane_id = ? ORDER BY seq LIMIT 1000`, lane)
}

// AuditOrphans lists numbers of lanes that have records or notes but no row of
// their own: somebody took it out.
func (s *View) AuditOrphans(ctx context.Context) ([]int64, error) {
	var out []int64
	for _, table := range []string{"record", "checkpoint", "receipt"} {
		// One step for each lane, not for each row.
		for last := int64(-1); ; {
			var id sql.NullInt64
			if err := s.read.QueryRowContext(ctx, `SELECT min(lane_id) FROM `+table+` WHERE lane_id > ?`, last).Scan(&id); err != nil {
				return nil, fmt.Errorf("look for records without a lane: %w", err)
			}
			if !id.Valid {
				break
			}
			last = id.Int64
			var n int
			if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM lane WHERE id = ?`, last).Scan(&n); err != nil {
				return nil, fmt.Errorf("look for records without a lane: %w", err)
			}
			if n == 0 {
				out = append(out, last)
			}
		}
	}
	return out, nil
}

// AuditComplaint is what the pages show of a press.
type AuditComplaint struct {
	Seq                                      uint64
	Ticket, Category, Service, Line, LabelID string
	Presses                                  int
	TimeMS                                   int64
}

// AuditComplaints returns the complaints of a lane behind a number and up to another,
// in order.
func (s *View) AuditComplaints(ctx context.Context, lane int64, after, to uint64) ([]AuditComplaint, error) {
	return sqlrows.Collect(ctx, s.read, "complaints", func(r *sql.Rows) (c AuditComplaint, err error) {
		err = r.Scan(&c.Seq, &c.Ticket, &c.Category, &c.Service, &c.Line, &c.LabelID, &c.Presses, &c.TimeMS)
		return c, err
	}, `SELECT seq, ticket, category, service, line, label_id, presses, time_ms FROM complaint WHERE lane_id = ? AND seq > ? AND seq <= ? ORDER BY seq`, lane, int64(after), int64(to))
}

// ComplaintOf is what the pages have to show of a record; false when it is no
// press that can be read.
func ComplaintOf(r report.Record) (c AuditComplaint, ok bool) {
	var p report.Press
	if r.Lane != report.Complaint || r.Kind != report.KindPress || json.Unmarshal(r.Body, &p) != nil {
		return c, false
	}
	return AuditComplaint{
		Seq: r.Seq, Ticket: shownTicket(p.Ticket), Category: report.Clip(p.Category, 64), Service: report.Clip(p.ServiceCode, 64),
		Line: report.Clip(p.Line, 64), LabelID: report.Clip(p.Label.ID, 120), Presses: max(1, p.Presses), TimeMS: r.Time.UnixMilli(),
	}, true
}

// HasTicket tells whether a device has a complaint with that ticket, in whatever
// lane.
func (s *View) HasTicket(ctx context.Context, device, ticket string) (bool, error) {
	var n int
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM complaint WHERE device = ? AND ticket = ?`, device, ticket).Scan(&n); err != nil {
		return false, fmt.Errorf("look for ticket %s: %w", ticket, err)
	}
	return n > 0, nil
}

// RootRow says how far the log of roots, which lies beside the database, had
// come when this database was written to last.
type RootRow struct {
	Number uint64
	Hash   string
}

// LastRoot is the newest root that this database knows of; number 0 is none.
func (s *View) LastRoot(ctx context.Context) (r RootRow, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT number, hash FROM root ORDER BY number DESC LIMIT 1`).Scan(&r.Number, &r.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		return RootRow{}, nil
	}
	if err != nil {
		return r, fmt.Errorf("read newest root: %w", err)
	}
	return r, nil
}

// KeepRoot notes that a root was written.
func (s *View) KeepRoot(ctx context.Context, r RootRow, now time.Time) error {
	_, err := s.edit.ExecContext(ctx, `INSERT INTO root (number, hash, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, int64(r.Number), r.Hash, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("note root %d: %w", r.Number, err)
	}
	return nil
}

// DeviceIDs lists the devices by name.
func (s *View) DeviceIDs(ctx context.Context) ([]string, error) {
	return sqlrows.Collect(ctx, s.read, "devices", func(r *sql.Rows) (id string, err error) {
		return id, r.Scan(&id)
	}, `SELECT d.id FROM device d WHERE `+s.own("d.id")+` ORDER BY d.id`)
}
