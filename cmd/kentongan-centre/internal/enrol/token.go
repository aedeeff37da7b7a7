package enrol

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Token is what is known of a token; its secret is not.
type Token struct {
	ID       string     `json:"id"`
	Device   string     `json:"device"`
	Who      string     `json:"who,omitempty"` // made it
	Made     time.Time  `json:"made"`
	Expires  time.Time  `json:"expires"`
	Replaces bool       `json:"replaces,omitempty"`
	Used     *time.Time `json:"used,omitempty"`
	Serial   string     `json:"serial,omitempty"` // of the certificate that it brought
	Revoked  *time.Time `json:"revoked,omitempty"`
	State    string     `json:"state"` // open, used, expired, withdrawn
}

// States of a Token.
const (
	TokenOpen      = "open"
	TokenUsed      = "used"
	TokenExpired   = "expired"
	TokenWithdrawn = "withdrawn"
)

// Bounds of a token's life.
const (
	MinTokenLife = time.Minute
	MaxTokenLife = 90 * 24 * time.Hour
)

// ErrHeld is an id that a device holds already.
var ErrHeld = errors.New("a device holds this id")

// NewToken makes a token for one device, and withdraws those that were made for
// it before: who lost a print makes a new one. With replaces it takes the id from
// the device that holds it, whose certificate is revoked when the token is used.
func (b *Book) NewToken(ctx context.Context, device, who string, life time.Duration, replaces bool) (t report.EnrolToken, row Token, err error) {
	switch {
	case !report.ValidDevice(device):
		return t, row, fmt.Errorf("%q can't be a device's id: 1 to 40 of a-z, 0-9 and hyphen, no hyphen at either end", device)
	case device == "centre":
		return t, row, errors.New(`"centre" is the centre's own name on the broker; give the device another id`)
	case life < MinTokenLife || life > MaxTokenLife:
		return t, row, fmt.Errorf("a token lives for %v to %v", MinTokenLife, MaxTokenLife)
	}
	_, _ = rand.Read(t.Secret[:]) // never fails
	t.Pin = ca.Pin(b.authority)
	hash := sha256.Sum256(t.Secret[:])
	now := b.now().UTC().Truncate(time.Millisecond)
	row = Token{ID: hex.EncodeToString(hash[:4]), Device: device, Who: who, Made: now, Expires: now.Add(life), Replaces: replaces, State: TokenOpen}
	err = b.change(ctx, func(tx *sql.Tx) error {
		held, err := live(tx, device, now)
		if err != nil {
			return err
		}
		if len(held) > 0 && !replaces {
			return ErrHeld
		}
		if _, err := tx.Exec(`UPDATE token SET revoked_at = ? WHERE device = ? AND used_at = 0 AND revoked_at = 0`, now.UnixMilli(), device); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO token (hash, id, device, made_at, expires_at, replaces, who) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			hash[:], row.ID, device, now.UnixMilli(), row.Expires.UnixMilli(), replaces, who); err != nil {
			return err
		}
		return b.note(tx, Entry{What: WhatToken, Device: device, Detail: "token " + row.ID + " made by " + orNobody(who)})
	})
	if err != nil {
		return report.EnrolToken{}, Token{}, fmt.Errorf("make token for %s: %w", device, err)
	}
	return t, row, nil
}

func orNobody(who string) string {
	if who == "" {
		return "the command line"
	}
	return who
}

// ErrNoToken is an id of no token.
var ErrNoToken = errors.New("no open token has this id")

// RevokeToken withdraws a token that was not used.
func (b *Book) RevokeToken(ctx context.Context, id, who string) error {
	err := b.change(ctx, func(tx *sql.Tx) error {
		var device string
		err := tx.QueryRow(`UPDATE token SET revoked_at = ? WHERE id = ? AND used_at = 0 AND revoked_at = 0 RETURNING device`, b.now().UnixMilli(), id).Scan(&device)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoToken
		}
		if err != nil {
			return err
		}
		return b.note(tx, Entry{What: WhatToken, Device: device, Detail: "token " + id + " withdrawn by " + orNobody(who)})
	})
	if err != nil {
		return fmt.Errorf("withdraw token %s: %w", id, err)
	}
	return nil
}

// Tokens lists tokens, the newest first.
func (b *Book) Tokens(ctx context.Context, limit int) ([]Token, error) {
	now := b.now().UnixMilli()
	return sqlrows.Collect(ctx, b.db, "tokens", func(r *sql.Rows) (t Token, err error) {
		var made, expires, used, revoked int64
		if err = r.Scan(&t.ID, &t.Device, &t.Who, &made, &expires, &t.Replaces, &used, &t.Serial, &revoked); err != nil {
			return t, err
		}
		t.Made, t.Expires, t.Used, t.Revoked = when(made), when(expires), whenSet(used), whenSet(revoked)
		switch {
		case used != 0:
			t.State = TokenUsed
		case revoked != 0:
			t.State = TokenWithdrawn
		case expires <= now:
			t.State = TokenExpired
		default:
			t.State = TokenOpen
		}
		return t, nil
	}, `SELECT id, device, who, made_at, expires_at, replaces, used_at, serial, revoked_at FROM token ORDER BY made_at DESC, id LIMIT ?`, limit)
}
