package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"kentongan/agent/report"
)

// stopAtConflict keeps a receipt from letting a device free what we hold another
// record for: it goes no further than the first such number that the device still
// has, and names our record there. A device that was set back sees that it was; one
// in whose name somebody else has spoken sees its own hash, frees that number, and
// the next receipt goes on.
func (w *writer) stopAtConflict(l *lane, r *Receipt) error {
	var seq sql.NullInt64
	err := w.row(`SELECT min(seq) FROM conflict WHERE lane_id = ? AND seq >= ?`, l.id, int64(l.first)).Scan(&seq)
	if err != nil {
		return fmt.Errorf("look for conflicts: %w", err)
	}
	if seq.Valid && uint64(seq.Int64) < r.Seq {
		r.Seq, r.Held = uint64(seq.Int64), l.top
	}
	return nil
}

// cameBefore tells whether a record is held elsewhere, see heldBefore, and whether
// what it says was erased. Of a complaint that was not, it keeps the erasure waiting
// until we commit.
func (w *writer) cameBefore(l *lane, r report.Received) (held, gone bool, err error) {
	held, gone, err = w.heldBefore(l.key.Device, r)
	if err == nil && !held {
		gone, err = w.ofErased(l, r)
	}
	return held, gone, err
}

// heldBefore tells whether a record that moved into a new epoch is one that we
// hold under its old number, or a press is a complaint already; and whether that one
// was erased since. A device that was set back to an older copy sends again what it
// can't know to have arrived. Under the old number we may also hold another record,
// of the history that the device has lost: then this one is new.
func (w *writer) heldBefore(device string, r report.Received) (held, gone bool, err error) {
	if r.Was != nil && r.Was.Seq <= maxSeq {
		held, gone, err = w.holdsSame(r,
			`SELECT r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.device = ? AND l.epoch = ? AND l.lane = ? AND r.seq = ?`+w.d.share("r"),
			device, r.Was.Epoch.String(), string(r.Lane), int64(r.Was.Seq))
		if held || err != nil {
			return held, gone, err
		}
	}
	if r.Kind != report.KindPress || r.Lane != report.Complaint {
		return false, false, nil
	}
	// The place in between may never have been heard of, where it moved twice.
	var p report.Press
	if json.Unmarshal(r.Body, &p) != nil {
		p.Ticket = "" // as press has it
	}
	ticket := shownTicket(p.Ticket)
	if p.Ticket != "" {
		held, gone, err = w.holdsSame(r,
			`SELECT r.line FROM complaint c JOIN record r ON r.lane_id = c.lane_id AND r.seq = c.seq WHERE c.ticket = ? AND c.device = ? ORDER BY c.id DESC LIMIT 16`+w.d.share("r"),
			ticket, device)
		if held || err != nil {
			return held, gone, err
		}
	}
	return w.holdsSame(r,
		`SELECT r.line FROM complaint c JOIN record r ON r.lane_id = c.lane_id AND r.seq = c.seq WHERE c.device = ? AND c.erased = ? AND c.erased <> '' ORDER BY c.id DESC LIMIT 16`,
		device, markOf(device, ticket))
}

// holdsSame tells whether a line that the query finds is the record, wherever it
// stands, or was before it was erased.
func (w *writer) holdsSame(r report.Received, query string, args ...any) (held, gone bool, err error) {
	if err := w.addRecords(); err != nil {
		return false, false, err
	}
	rows, err := w.query(query, args...)
	if err != nil {
		return false, false, fmt.Errorf("look for another place of record %s/%d: %w", r.Lane, r.Seq, err)
	}
	defer rows.Close()
	for rows.Next() {
		var kept []byte
		if err := rows.Scan(&kept); err != nil {
			return false, false, fmt.Errorf("look for another place of record %s/%d: %w", r.Lane, r.Seq, err)
		}
		old, err := report.DecodeRecord(kept)
		if err != nil {
			continue // a line of ours that can't be read is not this record
		}
		if h, gone := HashOf(kept); gone {
			if (erasedRecord{old, h}).is(r.Record) {
				return true, true, nil
			}
		} else if sameRecord(old, r.Record) {
			return true, false, nil
		}
	}
	return false, false, rows.Err()
}
