package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// erasures is how often the records are searched beside the ingest. In SQLite the
// last search is one that the ingest waits for.
const erasures = 5

// EraseComplaint takes away what is known of a complaint: its records, how it
// stands, what was written to its citizen, and the orders that told the kiosk. What
// stays is that a press came from that kiosk, when it came in, its number and its
// hash, so that everything else is proven as before. Of SQLite it is overwritten when
// it returns, or later where somebody reads at the moment, see WipeLog; PostgreSQL
// overwrites it when it uses the space again.
//
// Where another citizen has got the same ticket of the same kiosk, their complaint
// stays. What was said under the ticket goes: nobody can tell of which it was.
func (s *View) EraseComplaint(ctx context.Context, id int64) (device string, err error) {
	if device, err = s.eraseComplaint(ctx, id, nil); err != nil {
		return "", err
	}
	_ = s.wipe.try(ctx, s.edit) // it stays due: the next try says what is wrong
	return device, nil
}

// eraseComplaint erases one, which an age may want to be over, and leaves the log to
// be cut.
func (s *View) eraseComplaint(ctx context.Context, id int64, age *Age) (device string, err error) {
	for attempt := 1; ; attempt++ {
		t, err := s.trace(ctx, id)
		if err != nil {
			return "", err
		}
		t.age = age
		if attempt < erasures || s.edit.d != sqlite {
			err = t.search(ctx, s.read)
		}
		if err == nil {
			err = s.eraseTrace(ctx, t)
		}
		if (errors.Is(err, errCameMeanwhile) || passing(err)) && attempt < erasures {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("erase complaint: %w", err)
		}
		s.wipe.erased()
		return t.device, nil
	}
}

// errCameMeanwhile: records came under numbers below those that were searched.
var errCameMeanwhile = errors.New("records came in all the time; try again")

// trace is what is looked for of a complaint, and found.
type trace struct {
	id, lane, seq  int64
	device, ticket string // "" is none that can be read
	age            *Age   // nil: whatever its age
	press          report.Record
	searched       map[int64]searched // by lane
	places         []tracePlace
	own, foreign   map[report.Epoch]bool // where this press stands, and another one with its ticket
}

// searched is how far a lane has been searched.
type searched struct {
	top, count int64 // the last number, and how many records up to it
	// lacking is how many fewer records than the lane's account says were there at
	// first: not 0 where somebody has taken some out.
	lacking int64
}

// tracePlace is where a record stands that may belong to the complaint.
type tracePlace struct {
	lane int64
	report.Record
	hash report.Hash
	own  bool // it is the press, or a copy of it
}

// trace begins one.
func (s *View) trace(ctx context.Context, id int64) (*trace, error) {
	t := &trace{id: id, searched: map[int64]searched{}, own: map[report.Epoch]bool{}, foreign: map[report.Epoch]bool{}}
	var line []byte
	err := s.read.QueryRowContext(ctx, `SELECT c.device, c.ticket, c.lane_id, c.seq, r.line FROM complaint c LEFT JOIN record r ON r.lane_id = c.lane_id AND r.seq = c.seq
		WHERE c.id = ? AND c.erased = '' AND `+s.ownComplaint(), id).Scan(&t.device, &t.ticket, &t.lane, &t.seq, &line)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoComplaint
	}
	if err != nil {
		return nil, fmt.Errorf("find complaint %d: %w", id, err)
	}
	t.press, _ = report.DecodeRecord(line) // without it only the place is erased
	return t, nil
}

// search reads the records of the device's complaint lanes that it has not read.
func (t *trace) search(ctx context.Context, db sqlrows.Querier) error {
	lanes, err := t.accounts(ctx, db)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		_, before := t.searched[l.id]
		if err := t.searchLane(ctx, db, l.id); err != nil {
			return err
		}
		if at := t.searched[l.id]; !before {
			at.lacking = l.received - at.count
			t.searched[l.id] = at
		}
	}
	return nil
}

// laneAccount is how many records came in of a lane.
type laneAccount struct{ id, received int64 }

func (t *trace) accounts(ctx context.Context, db sqlrows.Querier) ([]laneAccount, error) {
	return sqlrows.Collect(ctx, db, "lanes", func(r *sql.Rows) (l laneAccount, err error) { return l, r.Scan(&l.id, &l.received) },
		`SELECT id, received FROM lane WHERE device = ? AND lane = 'complaint' ORDER BY id`, t.device)
}

func (t *trace) searchLane(ctx context.Context, db sqlrows.Querier, lane int64) error {
	rows, err := db.QueryContext(ctx, `SELECT seq, kind, line FROM record WHERE lane_id = ? AND seq > ? ORDER BY seq`, lane, t.searched[lane].top)
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	at := t.searched[lane]
	for rows.Next() {
		var kind string
		var line []byte
		if err := rows.Scan(&at.top, &kind, &line); err != nil {
			return fmt.Errorf("read records: %w", err)
		}
		at.count++
		if kind == report.KindPress || kind == report.KindCancel {
			t.look(lane, at.top, line)
		}
	}
	t.searched[lane] = at
	return rows.Err()
}

// look notes a record that names the ticket, or is the press.
func (t *trace) look(lane, seq int64, line []byte) {
	if _, gone := HashOf(line); gone {
		return
	}
	r, err := report.DecodeRecord(line)
	own := lane == t.lane && seq == t.seq || err == nil && sameRecord(r, t.press)
	if err != nil && !own {
		return
	}
	if !own && !t.says(r) {
		return
	}
	switch {
	case own:
		t.own[r.Epoch] = true
	case r.Kind == report.KindPress:
		t.foreign[r.Epoch] = true
		return
	}
	t.places = append(t.places, tracePlace{lane, r, report.HashLine(line), own})
}

// says tells whether a record names the ticket.
func (t *trace) says(r report.Record) bool {
	var b struct {
		Ticket string `json:"ticket"` // of report.Press and report.Cancel
	}
	return t.ticket != "" && json.Unmarshal(r.Body, &b) == nil && shownTicket(b.Ticket) == t.ticket
}

// has tells whether a record that was noted belongs to the complaint: the press and
// its copies; and what takes it back, which stands in a lane with it or, where it
// was moved alone, stood in one.
func (t *trace) has(p tracePlace) bool {
	return p.own || t.own[p.Epoch] || !t.foreign[p.Epoch] && p.Was != nil && t.own[p.Was.Epoch]
}

// sameRecord tells whether two records are one, wherever they stand.
func sameRecord(a, b report.Record) bool {
	return a.Kind == b.Kind && a.Boot == b.Boot && a.UptimeMS == b.UptimeMS && a.Time.Equal(b.Time) && bytes.Equal(a.Body, b.Body)
}

// eraseTrace erases what was found and, in the same transaction, what came since.
func (s *View) eraseTrace(ctx context.Context, t *trace) error {
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	// First: from here on whoever wants to say something of it waits, see holdTicket.
	res, err := tx.ExecContext(ctx, `UPDATE complaint SET ticket = '', category = '', service = '', label_id = '', label_en = '', line = '', presses = 1, time_ms = 0, clock = 'unset', boot = '', uptime_ms = 0, erased = ? WHERE id = ? AND erased = ''`,
		markOf(t.device, t.ticket), t.id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNoComplaint)
	}
	if t.age != nil {
		if err := t.age.stillOver(ctx, tx, t); err != nil {
			return err
		}
	}
	if err := t.search(ctx, tx); err != nil {
		return err
	}
	if err := t.erase(ctx, tx); err != nil {
		return err
	}
	if err := t.forget(ctx, tx); err != nil {
		return err
	}
	if err := t.complete(ctx, tx); err != nil {
		return err
	}
	if t.age != nil { // the last: others may wait for the place in the log
		if err := t.age.Note(ctx, tx, t.id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// erase erases the records that were found, and what else came under their numbers.
// That something did stays: receipts stop there until the device lets go of it.
func (t *trace) erase(ctx context.Context, tx *poolTx) error {
	for _, p := range t.places {
		if !t.has(p) {
			continue
		}
		line, err := erasedLine(p.Record, p.hash)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE record SET line = ? WHERE lane_id = ? AND seq = ?`, line, p.lane, int64(p.Seq)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE conflict SET line = '' WHERE lane_id = ? AND seq = ?`, p.lane, int64(p.Seq)); err != nil {
			return err
		}
	}
	return t.eraseConflicts(ctx, tx)
}

// eraseConflicts erases the press, and what takes it back, where they came under the
// number of another record, before they moved to their own.
func (t *trace) eraseConflicts(ctx context.Context, tx *poolTx) error {
	type conflict struct {
		lane, seq  int64
		hash, line []byte
	}
	list, err := sqlrows.Collect(ctx, tx, "conflicts", func(r *sql.Rows) (c conflict, err error) {
		return c, r.Scan(&c.lane, &c.seq, &c.hash, &c.line)
	}, `SELECT c.lane_id, c.seq, c.hash, c.line FROM lane l JOIN conflict c ON c.lane_id = l.id WHERE l.device = ? AND l.lane = 'complaint'`, t.device)
	if err != nil {
		return err
	}
	for _, c := range list {
		r, err := report.DecodeRecord(c.line)
		if err != nil || !sameRecord(r, t.press) && !(r.Kind == report.KindCancel && t.says(r) && t.has(tracePlace{Record: r})) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `UPDATE conflict SET line = '' WHERE lane_id = ? AND seq = ? AND hash = ?`, c.lane, c.seq, c.hash); err != nil {
			return err
		}
	}
	return nil
}

// forget takes away what was said under the ticket. Whose the complaint is to deal
// with stays where another one has the ticket: it names nobody.
func (t *trace) forget(ctx context.Context, tx *poolTx) error {
	for _, q := range []string{
		`DELETE FROM complaint_status WHERE device = ? AND ticket = ?`,
		`DELETE FROM orders WHERE device = ? AND subject = ? AND name = '` + report.OrderTicket + `'`,
		`DELETE FROM complaint_agency WHERE device = ?1 AND ticket = ?2 AND NOT EXISTS (SELECT 1 FROM complaint c WHERE c.device = ?1 AND c.ticket = ?2 AND c.erased = '')`,
	} {
		if _, err := tx.ExecContext(ctx, q, t.device, t.ticket); err != nil {
			return err
		}
	}
	return nil
}

// complete holds what was searched against the account of the lanes: a record that
// came late, under a number below, would have been passed over. So would a copy of
// the press that came in while this transaction was under way, which PostgreSQL lets
// it: whoever wrote that has held the press's record, for which erase waited.
func (t *trace) complete(ctx context.Context, tx *poolTx) error {
	lanes, err := t.accounts(ctx, tx)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		at := t.searched[l.id]
		if lacking := l.received - at.count; lacking != 0 && lacking != at.lacking {
			return errCameMeanwhile
		}
	}
	return nil
}
