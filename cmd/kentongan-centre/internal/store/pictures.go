package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// States of a Picture.
const (
	PictureWaiting = "waiting" // pieces are on their way
	PictureWhole   = "whole"
	PictureDamaged = "damaged" // all pieces are here, and are not what the device recorded
	PictureMissing = "missing" // no piece came for MissingAfter; what comes later still counts
	PictureErased  = "erased"  // by somebody here
	PictureExpired = "expired" // by its age
)

// MissingAfter is how long the next piece of a picture is waited for.
const MissingAfter = 15 * time.Minute

// Picture is a picture that we ordered, without its bytes.
type Picture struct {
	Device   string          `json:"device"`
	State    string          `json:"state"`
	Have     int             `json:"have"` // pieces
	Told     time.Time       `json:"told"` // when we heard of it
	Changed  time.Time       `json:"changed"`
	ErasedBy string          `json:"erased_by,omitempty"`
	Record   report.Snapshot `json:"record"` // the device's own
}

// Pictures lists the pictures of a stream, or of all, the newest first.
func (s *View) Pictures(ctx context.Context, device, stream string, limit int) ([]Picture, error) {
	return sqlrows.Collect(ctx, s.read, "pictures", func(r *sql.Rows) (Picture, error) {
		var p Picture
		var told, changed int64
		var doc string
		if err := r.Scan(&p.Device, &p.State, &p.Have, &told, &changed, &p.ErasedBy, &doc); err != nil {
			return p, err
		}
		p.Told, p.Changed = when(told), when(changed)
		return p, json.Unmarshal([]byte(doc), &p.Record)
	}, `SELECT device, state, have, told_at, changed_at, erased_by, doc FROM picture
		WHERE `+only(device, "device", "?1")+` AND (?2 = '' OR stream = ?2) AND `+s.own("device")+` ORDER BY told_at DESC, id LIMIT ?3`, device, stream, limit)
}

// PictureData is the bytes of a whole picture, and its format.
func (s *View) PictureData(ctx context.Context, device, id string) (data []byte, format string, err error) {
	var doc string
	err = s.read.QueryRowContext(ctx, `SELECT data, doc FROM picture WHERE device = ? AND id = ? AND state = 'whole' AND `+s.own("device"), device, id).Scan(&data, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", ErrNoPicture
	}
	var rec report.Snapshot
	if err == nil {
		err = json.Unmarshal([]byte(doc), &rec)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read picture: %w", err)
	}
	return data, rec.Format, nil
}

// ErasePicture takes a picture's bytes away; that there was one, who asked for
// it and who erased it stays. Of SQLite they are overwritten when it returns, or
// soon after where somebody reads at the moment; PostgreSQL overwrites them when
// it uses the space again.
func (s *View) ErasePicture(ctx context.Context, device, id, who string, now time.Time) error {
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("erase picture: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	res, err := tx.ExecContext(ctx, `UPDATE picture SET state = 'erased', data = NULL, erased_by = ?, changed_at = ? WHERE device = ? AND id = ? AND state NOT IN ('erased', 'expired') AND `+s.own("device"), who, now.UnixMilli(), device, id)
	if err != nil {
		return fmt.Errorf("erase picture: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNoPicture, err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM picture_piece WHERE device = ? AND id = ?`, device, id); err != nil {
		return fmt.Errorf("erase picture: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("erase picture: %w", err)
	}
	s.wipe.erased()
	return s.wipe.try(ctx, s.edit)
}
