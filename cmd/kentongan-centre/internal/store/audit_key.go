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

// How a device's record key became known.
const (
	KeyFirstUse  = "first use" // it signed the first checkpoint that came
	KeyEnrolment = "enrolment" // it was there when the device was enrolled
	KeyReplaced  = "replaced"  // somebody of the centre said that it takes the place of another
)

// ErrKeyOther is a key that is not the one that is known of the device.
var ErrKeyOther = errors.New("the device is known by another key")

// DeviceKey is a record key of a device.
type DeviceKey struct {
	Device string     `json:"device"`
	Key    string     `json:"key"` // public, a note verifier
	How    string     `json:"how"`
	First  time.Time  `json:"first"`
	Until  *time.Time `json:"until,omitempty"` // when another took its place
}

// RegisterKey makes a device's public record key known, as enrolment does. The
// same key again is fine. Another one is ErrKeyOther, and a fault that is shown:
// whether a device may have a new key is for people to say, see ReplaceKey.
func (s *Store) RegisterKey(ctx context.Context, device, key, how string, now time.Time) error {
	return s.setKey(ctx, device, key, how, false, now)
}

// ReplaceKey makes another key the device's, for a board whose storage was lost.
// The old one stays, for what was signed with it. It ends the fault that another
// key was seen.
func (s *Store) ReplaceKey(ctx context.Context, device, key string, now time.Time) error {
	return s.setKey(ctx, device, key, KeyReplaced, true, now)
}

func (s *Store) setKey(ctx context.Context, device, key, how string, replace bool, now time.Time) error {
	if err := report.CheckRecordKey(key, device); err != nil {
		return fmt.Errorf("record key of %s: %w", device, err)
	}
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep key of %s: %w", device, err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	other, err := setKey(ctx, tx, device, key, how, replace, now.UnixMilli())
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("keep key of %s: %w", device, err)
	}
	return other
}

// setKey returns ErrKeyOther apart from what went wrong, because the fault is to
// be kept then.
func setKey(ctx context.Context, tx *poolTx, device, key, how string, replace bool, now int64) (other, err error) {
	var known, knownHow string
	err = tx.QueryRowContext(ctx, `SELECT verifier, how FROM device_key WHERE device = ? AND until_at = 0`, device).Scan(&known, &knownHow)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, err
	case known == key:
		if how == KeyEnrolment && knownHow == KeyFirstUse { // who enrolled it knows more
			_, err = tx.ExecContext(ctx, `UPDATE device_key SET how = ? WHERE device = ? AND verifier = ?`, how, device, key)
		}
		return nil, err
	case !replace:
		_, err = tx.ExecContext(ctx, `INSERT INTO audit_fault (device, epoch, lane, fault, seq, detail, found_at) VALUES (?, '', '', ?, 0, ?, ?) ON CONFLICT DO NOTHING`,
			device, FaultKey, fmt.Sprintf("%s brought the key %s; the known one is %s", how, key, known), now)
		return fmt.Errorf("%w: %s, known by %s since before; if the device has a new storage, replace its key", ErrKeyOther, known, knownHow), err
	default:
		if _, err = tx.ExecContext(ctx, `UPDATE device_key SET until_at = ? WHERE device = ? AND verifier = ?`, now, device, known); err != nil {
			return nil, err
		}
		if _, err = tx.ExecContext(ctx, `DELETE FROM audit_fault WHERE device = ? AND fault = ?`, device, FaultKey); err != nil {
			return nil, err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO device_key (device, verifier, how, first_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (device, verifier) DO UPDATE SET until_at = 0, how = excluded.how`, device, key, how, now)
	return nil, err
}

// DeviceKeys lists the record keys of a device, those in use first; of all
// devices when it is "".
func (s *View) DeviceKeys(ctx context.Context, device string) ([]DeviceKey, error) {
	return sqlrows.Collect(ctx, s.read, "device keys", func(r *sql.Rows) (k DeviceKey, err error) {
		var first, until int64
		err = r.Scan(&k.Device, &k.Key, &k.How, &first, &until)
		k.First, k.Until = when(first), whenSet(until)
		return k, err
	}, `SELECT device, verifier, how, first_at, until_at FROM device_key k WHERE `+only(device, "k.device", "?")+` AND `+s.own("k.device")+` ORDER BY device, until_at, first_at`, device)
}

// Fault is what was wrong with a lane, or a device, when it came in.
type Fault struct {
	Device string    `json:"device"`
	Epoch  string    `json:"epoch,omitempty"`
	Lane   string    `json:"lane,omitempty"` // "" is the device itself
	Fault  string    `json:"fault"`          // chain, content, checkpoint, key
	Seq    uint64    `json:"seq,omitempty"`  // the first record that is concerned
	Detail string    `json:"detail"`         // English
	Found  time.Time `json:"found"`
}

// Faults lists what was found at ingest, the oldest first: of each lane and kind
// the first one. device "" is all of them.
func (s *View) Faults(ctx context.Context, device string) ([]Fault, error) {
	return sqlrows.Collect(ctx, s.read, "faults", func(r *sql.Rows) (f Fault, err error) {
		var found int64
		err = r.Scan(&f.Device, &f.Epoch, &f.Lane, &f.Fault, &f.Seq, &f.Detail, &found)
		f.Found = when(found)
		return f, err
	}, `SELECT device, epoch, lane, fault, seq, detail, found_at FROM audit_fault f WHERE `+only(device, "f.device", "?")+` AND `+s.own("f.device")+` ORDER BY found_at, device, lane, fault`, device)
}

// SignedReceipt is a receipt that countersigns a checkpoint, as it left.
type SignedReceipt struct {
	Receipt
	Note []byte
}

// KeepReceipts keeps receipts that countersign a checkpoint, of each lane and day
// the newest. It may be called from any goroutine.
func (s *Store) KeepReceipts(ctx context.Context, list []SignedReceipt, now time.Time) error {
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	for _, r := range list {
		if r.Checkpoint == nil {
			continue
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO receipt (lane_id, seq, day, note) SELECT id, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT) FROM lane WHERE device = ? AND epoch = ? AND lane = ?
			ON CONFLICT (lane_id, day) DO UPDATE SET seq = excluded.seq, note = excluded.note`,
			int64(r.Checkpoint.Seq), now.UnixMilli()/day, string(r.Note), r.Device, r.Epoch.String(), string(r.Lane))
		if err != nil {
			return fmt.Errorf("keep receipt of %s/%s: %w", r.Device, r.Lane, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	return nil
}
