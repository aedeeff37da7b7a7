package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kentongan/agent/report"
)

// What is verified while records come in. It costs nothing where they come in
// order; the whole is verified by the room audit.

// Faults that are found at ingest.
const (
	FaultChain      = "chain"      // a record does not carry the hash of the one before it
	FaultContent    = "content"    // a number came with two contents
	FaultCheckpoint = "checkpoint" // the device signed another record than the one that is here
	FaultKey        = "key"        // signed, or said to be, with another key than the device's
)

// What Commit runs of what proves the records.
const (
	insertFault       = `INSERT INTO audit_fault (device, epoch, lane, fault, seq, detail, found_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	selectKey         = `SELECT verifier FROM device_key WHERE device = ? AND until_at = 0`
	insertKey         = `INSERT INTO device_key (device, verifier, how, first_at) VALUES (?, ?, ?, ?)`
	insertCheckpoint  = `INSERT INTO checkpoint (lane_id, seq, hash, day, received_at, note) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	thinCheckpoints   = `DELETE FROM checkpoint WHERE lane_id = ? AND day = ? AND seq < ?`
	selectCheckpoint  = `SELECT hash FROM checkpoint WHERE lane_id = ? AND seq = ?`
	newestCheckpoints = `SELECT seq, hash FROM checkpoint WHERE lane_id = ? ORDER BY seq DESC LIMIT 64`
)

// fault keeps the first fault of its kind in a lane.
func (w *writer) fault(k Key, fault string, seq uint64, detail string) error {
	w.out.State = true
	epoch := ""
	if k.Epoch != 0 {
		epoch = report.Epoch(k.Epoch).String()
	}
	err := w.exec(insertFault, k.Device, epoch, k.Lane, fault, int64(min(seq, maxSeq)), report.Clip(detail, 400), w.now)
	if err != nil {
		return fmt.Errorf("keep fault: %w", err)
	}
	return nil
}

// chain holds a new record of a chained lane against its neighbours, as far as
// they are here. top is the lane's before the record was taken.
func (w *writer) chain(l *lane, r report.Received, own report.Hash, top uint64) error {
	if before, held, err := w.hashOf(l, r.Seq-1); err != nil {
		return err
	} else if held && before != *r.Prev {
		if err := w.fault(l.key, FaultChain, r.Seq, fmt.Sprintf("record %d says that the record before it has the hash %s; record %d has %s", r.Seq, r.Prev, r.Seq-1, before)); err != nil {
			return err
		}
	}
	if r.Seq >= top {
		return nil
	}
	line, err := w.line(l, r.Seq+1)
	if line == nil || err != nil {
		return err
	}
	var next struct {
		Prev *report.Hash `json:"prev"`
	}
	if json.Unmarshal(line, &next) == nil && next.Prev != nil && *next.Prev == own {
		return nil
	}
	return w.fault(l.key, FaultChain, r.Seq+1, fmt.Sprintf("record %d does not carry the hash of record %d, which came after it: %s", r.Seq+1, r.Seq, own))
}

// hashOf is the hash of a record, where it is held. Of number 0, which there is
// not, it is zero: a lane's first record carries that.
func (w *writer) hashOf(l *lane, seq uint64) (h report.Hash, held bool, err error) {
	switch {
	case seq == 0:
		return h, true, nil
	case l.hashSeq == seq && l.hash != nil:
		return *l.hash, true, nil
	case seq > l.top:
		return h, false, nil
	}
	line, err := w.line(l, seq)
	if line == nil || err != nil {
		return h, false, err
	}
	h, _ = HashOf(line)
	return h, true, nil
}

// line is a record's line; nil when it is not held.
func (w *writer) line(l *lane, seq uint64) ([]byte, error) {
	if err := w.addRecords(); err != nil {
		return nil, err
	}
	var line []byte
	err := w.row(selectLine, l.id, int64(seq)).Scan(&line)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record %s/%d: %w", l.key.Lane, seq, err)
	}
	return line, nil
}

// Checkpoint is a device's signed note, read but not verified.
type Checkpoint struct {
	report.Checkpoint
	Note []byte
}

const day = 24 * 60 * 60 * 1000 // ms

// checkpoint keeps what a device signed, when its key did, and holds it against
// the record. What does not fit is a fault, and the note stays in its detail.
func (w *writer) checkpoint(device string, c *Checkpoint) error {
	k := Key{device, uint64(c.Epoch), string(c.Lane)}
	if !c.Lane.Chained() || c.Seq > maxSeq {
		w.refuse("checkpoint of %s: lane %s, seq %d", device, c.Lane, c.Seq)
		return nil
	}
	key, err := w.keyOf(device)
	if err != nil {
		return err
	}
	first := key == ""
	if first {
		key = c.Key
	}
	if _, err := report.OpenCheckpoint(c.Note, device, c.Lane, key); err != nil {
		w.refuse("checkpoint of %s/%s: %w", device, c.Lane, err)
		if first {
			return nil // nobody is known by whom it would have to be
		}
		return w.fault(k, FaultKey, c.Seq, fmt.Sprintf("a checkpoint is not signed with the device's key %s: it names %s", key, report.Clip(c.Key, 120)))
	}
	if first {
		if err := w.exec(insertKey, device, key, KeyFirstUse, w.now); err != nil {
			return fmt.Errorf("keep key of %s: %w", device, err)
		}
	}
	l, err := w.lane(k)
	if l == nil || err != nil {
		return err
	}
	if err := w.keepCheckpoint(l, c); err != nil {
		return err
	}
	own, held, err := w.hashOf(l, c.Seq)
	if !held || err != nil {
		return err // the record is on its way
	}
	return w.vouch(l, report.Signed{Seq: c.Seq, Hash: c.Hash}, own)
}

// keepCheckpoint keeps a verified checkpoint, and of its day no older one: the
// newest vouches for all.
func (w *writer) keepCheckpoint(l *lane, c *Checkpoint) error {
	var hash string
	err := w.row(selectCheckpoint, l.id, int64(c.Seq)).Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("read checkpoint: %w", err)
	case hash != c.Hash.String():
		return w.fault(l.key, FaultCheckpoint, c.Seq, fmt.Sprintf("the device signed two hashes of record %d: %s and %s", c.Seq, hash, c.Hash))
	default:
		return nil // it came again
	}
	today := w.now / day
	if err := w.exec(insertCheckpoint, l.id, int64(c.Seq), c.Hash.String(), today, w.now, string(c.Note)); err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	if err := w.exec(thinCheckpoints, l.id, today, int64(c.Seq)); err != nil {
		return fmt.Errorf("thin checkpoints: %w", err)
	}
	if l.awaited == nil || l.awaited.Seq < c.Seq {
		l.awaited = &report.Signed{Seq: c.Seq, Hash: c.Hash}
	}
	return nil
}

// vouch holds a checkpoint against the record that is held. One that fits is
// countersigned in the next receipt.
func (w *writer) vouch(l *lane, c report.Signed, own report.Hash) error {
	if l.awaited != nil && l.awaited.Seq <= c.Seq {
		l.awaited = nil
	}
	if c.Hash != own {
		return w.fault(l.key, FaultCheckpoint, c.Seq, fmt.Sprintf("the device signed record %d with the hash %s; here it has %s", c.Seq, c.Hash, own))
	}
	if l.vouched == nil || l.vouched.Seq < c.Seq {
		l.vouched = &c
		w.touch(l)
	}
	return nil
}

// signedOf fills in, when a lane is read, what its checkpoints say.
func (w *writer) signedOf(l *lane) error {
	rows, err := w.query(newestCheckpoints, l.id)
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	defer rows.Close()
	var all []report.Signed
	for rows.Next() {
		var c report.Signed
		var hash string
		if err := rows.Scan(&c.Seq, &hash); err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if err := c.Hash.UnmarshalText([]byte(hash)); err != nil {
			continue // somebody has been at it: the audit names it
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	for i, c := range all {
		own, held, err := w.hashOf(l, c.Seq)
		switch {
		case err != nil:
			return err
		case held && own == c.Hash:
			l.vouched = &all[i]
			return nil
		case !held && l.awaited == nil:
			l.awaited = &all[i]
		}
	}
	return nil
}

// keyOf is the record key of a device that is in use; "" when none is known.
func (w *writer) keyOf(device string) (key string, err error) {
	err = w.row(selectKey, device).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read key of %s: %w", device, err)
	}
	return key, nil
}

// keySaid takes the key that a device's state names. A state is not signed, so
// it makes no key known; it shows when the device has another one.
func (w *writer) keySaid(device, said string) error {
	if said == "" {
		return nil
	}
	known, err := w.keyOf(device)
	if known == "" || known == said || err != nil {
		return err
	}
	return w.fault(Key{Device: device}, FaultKey, 0, fmt.Sprintf("the device says that its key is %s; the known one is %s", report.Clip(said, 120), known))
}
