package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// erased is the body under which a press, or its being taken back, stands once its
// complaint was erased: the hash of the line that came, which the device's chain and
// signatures go on proving, and none of the words that it said.
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

// is tells whether a record is the one that stands here erased, wherever it stands
// itself: put back into the old one's place it has the hash that was kept.
func (old erasedRecord) is(r report.Record) bool {
	r.Epoch, r.Seq, r.Prev, r.Was = old.Epoch, old.Seq, old.Prev, old.Was
	line, err := r.Encode()
	return err == nil && report.HashLine(line) == old.hash
}

// erasedRecord is a record whose content is gone, and the hash that it had.
type erasedRecord struct {
	report.Record
	hash report.Hash
}

// erasedSchema: a complaint that was erased says so, by a mark of the ticket that it
// had: what comes later of that ticket is known by it, and erased as well.
const erasedSchema = `
ALTER TABLE complaint ADD COLUMN erased TEXT NOT NULL DEFAULT '';
CREATE INDEX complaint_erased ON complaint (device, erased) WHERE erased <> '';
`

// Those of before have no mark; the record says that they are erased.
const (
	erasedSQLite = `
UPDATE complaint SET erased = 'before' WHERE ticket = '' AND category = '' AND time_ms = 0 AND EXISTS (
	SELECT 1 FROM record r WHERE r.lane_id = complaint.lane_id AND r.seq = complaint.seq AND instr(CAST(r.line AS TEXT), '"body":{"erased":"') > 0);
`
	erasedPostgres = `
UPDATE complaint SET erased = 'before' WHERE ticket = '' AND category = '' AND time_ms = 0 AND EXISTS (
	SELECT 1 FROM record r WHERE r.lane_id = complaint.lane_id AND r.seq = complaint.seq AND position('"body":{"erased":"'::bytea IN r.line) > 0);
`
)

// markOf is the mark of a ticket of a device. Whoever knows how a kiosk numbers its
// tickets can find the ticket by it, as by the number of its record, which stays.
func markOf(device, ticket string) string {
	return report.HashLine([]byte("erased ticket of " + device + ": " + ticket)).String()
}

// ofErased tells whether a cancel takes back a complaint that was erased: then it
// is erased, too, for nobody could do it later. One whose press has not come yet is
// not.
func (w *writer) ofErased(l *lane, r report.Received) (bool, error) {
	var c report.Cancel
	if r.Kind != report.KindCancel || r.Lane != report.Complaint || json.Unmarshal(r.Body, &c) != nil || c.Ticket == "" {
		return false, nil
	}
	ticket := shownTicket(c.Ticket)
	// The update holds the complaint until we commit: who erases it meanwhile waits,
	// and then finds this record.
	live, here, err := w.lanesOf(l, `UPDATE complaint SET presses = presses WHERE device = ? AND ticket = ? RETURNING lane_id`, l.key.Device, ticket)
	if err != nil || here {
		return false, err
	}
	erased, here, err := w.lanesOf(l, `SELECT lane_id FROM complaint WHERE device = ? AND erased = ? AND erased <> ''`, l.key.Device, markOf(l.key.Device, ticket))
	return here || erased && !live, err
}

// lanesOf tells whether a query finds complaints, and one of this lane.
func (w *writer) lanesOf(l *lane, query string, args ...any) (found, here bool, err error) {
	rows, err := w.query(query, args...)
	if err != nil {
		return false, false, fmt.Errorf("look for the complaint of a cancel: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return false, false, fmt.Errorf("look for the complaint of a cancel: %w", err)
		}
		found, here = true, here || id == l.id
	}
	return found, here, rows.Err()
}
