package store

import (
	"bytes"
	"database/sql"
	"errors"
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
	err := w.conn.QueryRowContext(w.ctx, `SELECT min(seq) FROM conflict WHERE lane_id = ? AND seq >= ?`, l.id, int64(l.first)).Scan(&seq)
	if err != nil {
		return fmt.Errorf("look for conflicts: %w", err)
	}
	if seq.Valid && uint64(seq.Int64) < r.Seq {
		r.Seq, r.Held = uint64(seq.Int64), l.top
	}
	return nil
}

// heldBefore tells whether a record that moved into a new epoch is one that we
// hold under its old number. A device that was set back to an older copy sends
// again what it can't know to have arrived. Under the old number we may also
// hold another record, of the history that the device has lost: then this one
// is new.
func (w *writer) heldBefore(device string, r report.Received) (bool, error) {
	if r.Was == nil || r.Was.Seq > maxSeq {
		return false, nil
	}
	var kept []byte
	err := w.conn.QueryRowContext(w.ctx,
		`SELECT r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.device = ? AND l.epoch = ? AND l.lane = ? AND r.seq = ?`,
		device, r.Was.Epoch.String(), string(r.Lane), int64(r.Was.Seq)).Scan(&kept)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the old place of record %s/%d: %w", r.Lane, r.Seq, err)
	}
	old, err := report.DecodeRecord(kept)
	if err != nil {
		return false, nil //nolint:nilerr // a line of ours that can't be read is not this record
	}
	return old.Kind == r.Kind && old.Boot == r.Boot && old.UptimeMS == r.UptimeMS && old.Time.Equal(r.Time) && bytes.Equal(old.Body, r.Body), nil
}
