package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// erased is the body under which a press, or its being taken back, stands once its
// complaint was erased: the hash of the line that came, which the device's chain and
// signatures go on proving, and nothing of what it said.
type erased struct {
	Erased report.Hash `json:"erased"`
}

// erasedLine is the line that takes a record's place. Where it stands and what its
// chain says stay.
func erasedLine(r report.Record, was report.Hash) ([]byte, error) {
	body, err := json.Marshal(erased{was})
	if err != nil {
		return nil, fmt.Errorf("erase record: %w", err)
	}
	r.Time, r.Clock, r.Boot, r.UptimeMS, r.Body = time.Unix(0, 0).UTC(), report.ClockUnset, "", 0, body
	line, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("erase record: %w", err)
	}
	return line, nil
}

// HashOf is the hash of a record's line as it came, and whether it was erased since.
// Whoever writes such a line over another one, to hide it or with a hash that was made
// up, changes no more than that: the next record and the checkpoints say which hash
// it had.
func HashOf(line []byte) (h report.Hash, gone bool) {
	h = report.HashLine(line)
	if !bytes.Contains(line, []byte(`"body":{"erased":"`)) {
		return h, false
	}
	r, err := report.DecodeRecord(line)
	var b erased
	if err != nil || r.Lane != report.Complaint || json.Unmarshal(r.Body, &b) != nil {
		return h, false
	}
	if again, err := erasedLine(r, b.Erased); err != nil || !bytes.Equal(again, line) {
		return h, false // a device may say what it likes
	}
	return b.Erased, true
}

// EraseComplaint takes away what is known of a complaint: its records, how it
// stands, what was written to its citizen, and the orders that told the kiosk. What
// stays is that a press came from that kiosk, when it came in, and its hash, so that
// everything else is proven as before. Of SQLite it is overwritten when it returns, or
// soon after where somebody reads at the moment; PostgreSQL overwrites it when it uses
// the space again.
func (s *View) EraseComplaint(ctx context.Context, id int64) (device string, err error) {
	device, ticket, err := s.ComplaintOf(ctx, id)
	if err != nil {
		return "", err
	}
	if ticket == "" {
		return "", ErrNoComplaint // it is erased, or has never had a ticket by which to find all of it
	}
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("erase complaint: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	if err := eraseRecords(ctx, tx, device, ticket); err != nil {
		return "", fmt.Errorf("erase complaint: %w", err)
	}
	for _, q := range []string{
		`UPDATE complaint SET ticket = '', category = '', service = '', label_id = '', label_en = '', line = '', presses = 1, time_ms = 0, clock = 'unset', boot = '', uptime_ms = 0 WHERE device = ? AND ticket = ?`,
		`DELETE FROM complaint_status WHERE device = ? AND ticket = ?`,
		`DELETE FROM complaint_agency WHERE device = ? AND ticket = ?`,
		`DELETE FROM orders WHERE device = ? AND subject = ? AND name = '` + report.OrderTicket + `'`,
	} {
		if _, err := tx.ExecContext(ctx, q, device, ticket); err != nil {
			return "", fmt.Errorf("erase complaint: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return "", fmt.Errorf("erase complaint: %w", err)
	}
	s.wipe.erased()
	return device, s.wipe.try(ctx, s.edit)
}

// eraseRecords erases the records that name a ticket: the press, in each epoch that it
// moved to, that it was taken back, and what came under the same numbers.
func eraseRecords(ctx context.Context, tx *poolTx, device, ticket string) error {
	type place struct {
		lane, seq int64
		line      []byte
	}
	rows, err := tx.QueryContext(ctx, `SELECT r.lane_id, r.seq, r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.device = ? AND l.lane = 'complaint'`, device)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // only read
	var found []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.lane, &p.seq, &p.line); err != nil {
			return err
		}
		r, err := report.DecodeRecord(p.line)
		var b struct {
			Ticket string `json:"ticket"` // of report.Press and report.Cancel
		}
		if err != nil || json.Unmarshal(r.Body, &b) != nil || shownTicket(b.Ticket) != ticket {
			continue
		}
		if p.line, err = erasedLine(r, report.HashLine(p.line)); err != nil {
			return err
		}
		found = append(found, p)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, p := range found {
		if _, err := tx.ExecContext(ctx, `UPDATE record SET line = ? WHERE lane_id = ? AND seq = ?`, p.line, p.lane, p.seq); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM conflict WHERE lane_id = ? AND seq = ?`, p.lane, p.seq); err != nil {
			return err
		}
	}
	return nil
}
