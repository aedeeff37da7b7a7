package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// ticketSchema is version 4: how complaints stand.
const ticketSchema = `
CREATE TABLE complaint_status (
	device  TEXT NOT NULL,
	ticket  TEXT NOT NULL,
	state   TEXT NOT NULL,      -- of report.TicketStatus, or withdrawn
	at_ms   INTEGER NOT NULL,   -- when we said or heard so
	who     TEXT NOT NULL,      -- said so; '' for the citizen
	note_id TEXT NOT NULL,      -- for the citizen
	note_en TEXT NOT NULL,
	PRIMARY KEY (device, ticket)
) WITHOUT ROWID;
`

// ErrNoComplaint is a complaint that is not here.
var ErrNoComplaint = errors.New("no such complaint")

// TicketState is how a complaint stands: what somebody here said of it, or that
// its citizen took it back.
type TicketState struct {
	State string      `json:"state"`
	At    time.Time   `json:"at"`
	Who   string      `json:"who,omitempty"`
	Note  report.Text `json:"note"`
}

const upsertTicket = `INSERT INTO complaint_status (device, ticket, state, at_ms, who, note_id, note_en) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, ticket) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms, who = excluded.who, note_id = excluded.note_id, note_en = excluded.note_en`

// SetTicket keeps what somebody here says of a complaint; ErrNoComplaint: it is not
// here, or not any more.
func (s *Store) SetTicket(ctx context.Context, device, ticket string, t TicketState) error {
	return s.ofTicket(ctx, "set state of complaint "+ticket, device, ticket, upsertTicket, t.row(device, ticket)...)
}

// row is what upsertTicket wants.
func (t *TicketState) row(device, ticket string) []any {
	return []any{device, ticket, t.State, t.At.UnixMilli(), t.Who, t.Note.ID, t.Note.EN}
}

// ofTicket changes what is said of a complaint, as long as it is here.
func (s *View) ofTicket(ctx context.Context, what, device, ticket, query string, args ...any) error {
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	if err = holdTicket(ctx, tx, device, ticket); err == nil {
		_, err = tx.ExecContext(ctx, query, args...)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// AddTicketOrder is AddOrder for one that tells a kiosk how a complaint stands, its
// subject; ErrNoComplaint as of SetTicket. What is new to us as well is said in the
// same transaction; word is nil where it is not: in between, the complaint could be
// erased for the word before.
func (s *Store) AddTicketOrder(ctx context.Context, o Order, word *TicketState, sign func(counter uint64) ([]byte, error)) (Order, error) {
	return s.addOrder(ctx, o, sign, func(tx *poolTx) error {
		err := holdTicket(ctx, tx, o.Device, o.Subject)
		if err == nil && word != nil {
			_, err = tx.ExecContext(ctx, upsertTicket, word.row(o.Device, o.Subject)...)
		}
		return err
	})
}

// holdTicket keeps a complaint from being erased until the transaction is over, so
// that nothing is said of one that is gone. It is an update for PostgreSQL's sake,
// where others wait for the row.
func holdTicket(ctx context.Context, tx *poolTx, device, ticket string) error {
	res, err := tx.ExecContext(ctx, `UPDATE complaint SET presses = presses WHERE device = ? AND ticket = ? AND erased = ''`, device, ticket)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNoComplaint
	}
	return err
}

// ordersSchema finds the orders of one complaint.
const ordersSchema = `
CREATE INDEX orders_subject ON orders (device, subject);
`

// UntoldTicket is a state that the complaint's kiosk has not answered to.
type UntoldTicket struct {
	Device, Ticket string
	TicketState
}

// UntoldTickets lists states that somebody here gave complaints since a time, of
// kiosks that are online, for which no order is open or was answered; the oldest
// first.
func (s *Store) UntoldTickets(ctx context.Context, since time.Time, limit int) ([]UntoldTicket, error) {
	return sqlrows.Collect(ctx, s.read, "untold states of complaints", func(r *sql.Rows) (UntoldTicket, error) {
		var t UntoldTicket
		var at int64
		err := r.Scan(&t.Device, &t.Ticket, &t.State, &at, &t.Who, &t.Note.ID, &t.Note.EN)
		t.At = when(at)
		return t, err
	}, `SELECT c.device, c.ticket, c.state, c.at_ms, c.who, c.note_id, c.note_en
		FROM complaint_status c JOIN device d ON d.id = c.device
		WHERE d.state = 'online' AND c.who <> '' AND c.at_ms > ?1 AND NOT EXISTS (
			SELECT 1 FROM orders o WHERE o.device = c.device AND o.subject = c.ticket AND o.name = ?2
			AND o.state <> 'unanswered' AND o.asked_at > c.at_ms - 1000) -- asked_at is in whole seconds
		ORDER BY c.at_ms LIMIT ?3`, since.UnixMilli(), report.OrderTicket, limit)
}

// ComplaintOf finds where a complaint came from.
func (s *View) ComplaintOf(ctx context.Context, id int64) (device, ticket string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT device, ticket FROM complaint c WHERE id = ? AND erased = '' AND `+s.ownComplaint(), id).Scan(&device, &ticket)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", ErrNoComplaint
	}
	if err != nil {
		return "", "", fmt.Errorf("find complaint %d: %w", id, err)
	}
	return device, ticket, nil
}

// cancel notes that a citizen took a complaint back. It stands in the same lane as
// the press and after it, but may come before it.
func (w *writer) cancel(l *lane, r report.Received) error {
	var c report.Cancel
	if !w.body(r, &c) {
		return nil
	}
	t, err := report.ParseTicket(report.Clip(c.Ticket, 32))
	if err != nil {
		w.refuse("cancel record of %s: %w", l.key.Device, err)
		return nil
	}
	w.out.State = true
	err = w.exec(upsertTicket, l.key.Device, t.String(), report.TicketWithdrawn, w.now, "", "", "")
	if err != nil {
		return fmt.Errorf("note that complaint %s was taken back: %w", t, err)
	}
	return nil
}
