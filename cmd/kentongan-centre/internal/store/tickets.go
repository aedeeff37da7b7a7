package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
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

// SetTicket keeps what somebody here says of a complaint.
func (s *Store) SetTicket(ctx context.Context, device, ticket string, t TicketState) error {
	_, err := s.edit.ExecContext(ctx, upsertTicket, device, ticket, t.State, t.At.UnixMilli(), t.Who, t.Note.ID, t.Note.EN)
	if err != nil {
		return fmt.Errorf("set state of complaint %s: %w", ticket, err)
	}
	return nil
}

// ComplaintOf finds where a complaint came from.
func (s *View) ComplaintOf(ctx context.Context, id int64) (device, ticket string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT device, ticket FROM complaint c WHERE id = ? AND `+s.ownComplaint(), id).Scan(&device, &ticket)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", ErrNoComplaint
	}
	if err != nil {
		return "", "", fmt.Errorf("find complaint %d: %w", id, err)
	}
	return device, ticket, nil
}

// cancel notes that a citizen took a complaint back. It comes in the same lane as
// the press and after it.
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
