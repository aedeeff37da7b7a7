package enrol

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// What an Entry tells of.
const (
	WhatToken    = "token"    // made or withdrawn
	WhatEnrolled = "enrolled" // a device has its first certificate
	WhatRenewed  = "renewed"
	WhatIssued   = "issued" // a certificate of a broker or a role
	WhatRevoked  = "revoked"
	WhatKicked   = "kicked"  // its open session was ended
	WhatRefused  = "refused" // Reason says why; one of report's
	WhatBroker   = "broker"  // it could not be told of a revocation
)

// Entry is one line of what happened.
type Entry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Reason  string    `json:"reason,omitempty"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"` // who asked
	Serial  string    `json:"serial,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	More    int       `json:"more,omitempty"` // before this one, that were only counted
}

// maxEntries is how much is remembered: a year of a fleet's renewals, and no
// disk full of refusals.
const maxEntries = 100_000

// maxDetail bounds what strangers can write into the book, in bytes.
const maxDetail = 200

func (b *Book) note(tx *sql.Tx, e Entry) error {
	res, err := tx.Exec(`INSERT INTO audit (at, what, reason, device, address, serial, detail, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		b.now().UnixMilli(), e.What, e.Reason, e.Device, e.Address, e.Serial, report.Clip(e.Detail, maxDetail), e.More)
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err == nil && id%100 == 0 {
		_, err = tx.Exec(`DELETE FROM audit WHERE id <= ?`, id-maxEntries)
	}
	return err
}

// Note keeps what happened.
func (b *Book) Note(ctx context.Context, e Entry) error {
	if err := b.change(ctx, func(tx *sql.Tx) error { return b.note(tx, e) }); err != nil {
		return fmt.Errorf("note %s: %w", e.What, err)
	}
	return nil
}

// Entries lists what happened, the newest first; what "" is all.
func (b *Book) Entries(ctx context.Context, what string, limit int) ([]Entry, error) {
	return sqlrows.Collect(ctx, b.db, "what happened", func(r *sql.Rows) (e Entry, err error) {
		var at int64
		err = r.Scan(&e.ID, &at, &e.What, &e.Reason, &e.Device, &e.Address, &e.Serial, &e.Detail, &e.More)
		e.At = when(at)
		return e, err
	}, `SELECT id, at, what, reason, device, address, serial, detail, more FROM audit WHERE ?1 = '' OR what = ?1 ORDER BY id DESC LIMIT ?2`, what, limit)
}
