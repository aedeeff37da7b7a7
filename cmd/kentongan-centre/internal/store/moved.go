package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	"kentongan/agent/report"
)

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
