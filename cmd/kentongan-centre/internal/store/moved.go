package store

import (
	"bytes"
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

// heldBefore tells whether a record that moved into a new epoch is one that we
// hold under its old number, or a press is a complaint already. A device that was
// set back to an older copy sends again what it can't know to have arrived. Under
// the old number we may also hold another record, of the history that the device
// has lost: then this one is new.
func (w *writer) heldBefore(device string, r report.Received) (bool, error) {
	if r.Was != nil && r.Was.Seq <= maxSeq {
		held, err := w.holdsSame(r,
			`SELECT r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.device = ? AND l.epoch = ? AND l.lane = ? AND r.seq = ?`,
			device, r.Was.Epoch.String(), string(r.Lane), int64(r.Was.Seq))
		if held || err != nil {
			return held, err
		}
	}
	if r.Kind != report.KindPress || r.Lane != report.Complaint {
		return false, nil
	}
	// The place in between may never have been heard of, where it moved twice.
	var p report.Press
	if json.Unmarshal(r.Body, &p) != nil || p.Ticket == "" {
		return false, nil
	}
	return w.holdsSame(r,
		`SELECT r.line FROM complaint c JOIN record r ON r.lane_id = c.lane_id AND r.seq = c.seq WHERE c.ticket = ? AND c.device = ? ORDER BY c.id DESC LIMIT 16`,
		shownTicket(p.Ticket), device)
}

// holdsSame tells whether a line that the query finds is the record, wherever it
// stands.
func (w *writer) holdsSame(r report.Received, query string, args ...any) (bool, error) {
	if err := w.addRecords(); err != nil {
		return false, err
	}
	rows, err := w.query(query, args...)
	if err != nil {
		return false, fmt.Errorf("look for another place of record %s/%d: %w", r.Lane, r.Seq, err)
	}
	defer rows.Close()
	for rows.Next() {
		var kept []byte
		if err := rows.Scan(&kept); err != nil {
			return false, fmt.Errorf("look for another place of record %s/%d: %w", r.Lane, r.Seq, err)
		}
		old, err := report.DecodeRecord(kept) // a line of ours that can't be read is not this record
		if err == nil && old.Kind == r.Kind && old.Boot == r.Boot && old.UptimeMS == r.UptimeMS && old.Time.Equal(r.Time) && bytes.Equal(old.Body, r.Body) {
			return true, nil
		}
	}
	return false, rows.Err()
}
