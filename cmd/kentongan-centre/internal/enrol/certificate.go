package enrol

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Kinds of certificates.
const (
	KindDevice = "device"
	KindServer = "server"
	KindClient = "client" // the centre itself, and people's roles on the broker
)

// Certificate is one that the authority signed.
type Certificate struct {
	Serial    string     `json:"serial"`
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	RenewedBy string     `json:"renewed_by,omitempty"`
	Revoked   *time.Time `json:"revoked,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

// SerialText is a serial number as the book has it.
func SerialText(n *big.Int) string { return n.Text(16) }

// stillRenewed is the end of a certificate that can just still be renewed. Until
// then its device holds the id, and it can be revoked.
func stillRenewed(now time.Time) int64 { return now.Add(-graceAfter).UnixMilli() }

// live are the serials of a device's certificates that are good now, or good for
// a renewal.
func live(tx *sql.Tx, device string, now time.Time) (serials []string, err error) {
	rows, err := tx.Query(`SELECT serial FROM certificate WHERE subject = ? AND kind = 'device' AND revoked_at = 0 AND not_after > ?`, device, stillRenewed(now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		serials = append(serials, s)
	}
	return serials, rows.Err()
}

// issue signs a certificate inside a transaction and writes it down.
func (b *Book) issue(tx *sql.Tx, kind string, s ca.Subject, recordKey []byte) (*x509.Certificate, error) {
	c, err := b.authority.Issue(s, b.now())
	if err != nil {
		return nil, err
	}
	spki := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	if recordKey == nil {
		recordKey = []byte{}
	}
	_, err = tx.Exec(`INSERT INTO certificate (serial, kind, subject, spki, record_key, not_before, not_after, der) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		SerialText(c.SerialNumber), kind, s.Name, spki[:], recordKey, c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(), c.Raw)
	return c, err
}

// IssueServer signs the certificate of a broker; the first of the hosts is its
// common name.
func (b *Book) IssueServer(ctx context.Context, public any, hosts []string, life time.Duration) (*x509.Certificate, error) {
	return b.issueByHand(ctx, KindServer, ca.Subject{Name: hosts[0], Public: public, Hosts: hosts, Server: true, Life: life})
}

// IssueClient signs the certificate of a role on the broker. Its name has a dot,
// which a device's id can't have: no device can enrol as one.
func (b *Book) IssueClient(ctx context.Context, public any, name string, life time.Duration) (*x509.Certificate, error) {
	if !validRole(name) {
		return nil, fmt.Errorf("%.80q can't be a role: write NAME.NAME of a-z, 0-9 and hyphen, as kentongan.centre; names without a dot are devices'", name)
	}
	return b.issueByHand(ctx, KindClient, ca.Subject{Name: name, Public: public, Life: life})
}

// validRole tells whether a name can be a role's: two words or more, each as a
// device's id, with a dot between them.
func validRole(name string) bool {
	words := strings.Split(name, ".")
	return len(words) > 1 && len(name) <= 64 && !slices.ContainsFunc(words, func(w string) bool { return !report.ValidDevice(w) })
}

func (b *Book) issueByHand(ctx context.Context, kind string, s ca.Subject) (c *x509.Certificate, err error) {
	err = b.change(ctx, func(tx *sql.Tx) error {
		if c, err = b.issue(tx, kind, s, nil); err != nil {
			return err
		}
		return b.note(tx, Entry{What: WhatIssued, Serial: SerialText(c.SerialNumber), Detail: kind + " " + s.Name})
	})
	if err != nil {
		return nil, fmt.Errorf("issue certificate of %s: %w", s.Name, err)
	}
	return c, nil
}

// ErrNoCertificate is a name or serial that nothing good is known of.
var ErrNoCertificate = errors.New("no certificate that is good now")

// Revoke revokes all certificates of a name, or the one with a serial, and
// returns how many. The tokens that wait for the name are withdrawn.
func (b *Book) Revoke(ctx context.Context, name, serial, reason string) (n int64, err error) {
	err = b.change(ctx, func(tx *sql.Tx) error {
		now := b.now().UnixMilli()
		res, err := tx.Exec(`UPDATE certificate SET revoked_at = ?, reason = ? WHERE (subject = ? OR serial = ?) AND revoked_at = 0 AND not_after > ?`, now, reason, name, serial, stillRenewed(b.now()))
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
		if n == 0 {
			return ErrNoCertificate
		}
		if serial != "" {
			// Its predecessor may be renewed again.
			if _, err := tx.Exec(`UPDATE certificate SET renewed_by = '' WHERE renewed_by = ?`, serial); err != nil {
				return err
			}
		} else if _, err := tx.Exec(`UPDATE token SET revoked_at = ? WHERE device = ? AND used_at = 0 AND revoked_at = 0`, now, name); err != nil {
			return err
		}
		return b.note(tx, Entry{What: WhatRevoked, Device: name, Serial: serial, Detail: fmt.Sprintf("%d certificates: %s", n, reason)})
	})
	if err != nil {
		return 0, fmt.Errorf("revoke %s%s: %w", name, serial, err)
	}
	return n, nil
}

// revoked lists what belongs on the list now, and those that were revoked last.
// What ended long ago is left out: nobody believes it anyway. What ended lately
// is on it, for a broker leaves a session open whose certificate ends.
func (b *Book) revoked(ctx context.Context) (all []ca.Revoked, devices map[string]time.Time, err error) {
	devices = map[string]time.Time{}
	rows, err := b.db.QueryContext(ctx, `SELECT serial, kind, subject, revoked_at FROM certificate WHERE revoked_at > 0 AND not_after > ? ORDER BY revoked_at`, stillRenewed(b.now()))
	if err != nil {
		return nil, nil, fmt.Errorf("read what is revoked: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var serial, kind, subject string
		var at int64
		if err := rows.Scan(&serial, &kind, &subject, &at); err != nil {
			return nil, nil, fmt.Errorf("read what is revoked: %w", err)
		}
		n, ok := new(big.Int).SetString(serial, 16)
		if !ok {
			return nil, nil, fmt.Errorf("read what is revoked: serial %q", serial)
		}
		all = append(all, ca.Revoked{Serial: n, At: when(at)})
		if kind != KindServer {
			devices[subject] = when(at)
		}
	}
	return all, devices, rows.Err()
}

// CRL signs the list of what is revoked now.
func (b *Book) CRL(ctx context.Context) ([]byte, error) {
	all, _, err := b.revoked(ctx)
	if err != nil {
		return nil, err
	}
	return b.authority.CRL(all, b.now().UnixMilli(), b.now())
}

// Chain is a certificate in PEM as it is shown in TLS.
func (b *Book) Chain(c *x509.Certificate) []byte { return b.authority.Chain(c) }

// Certificates lists those of a kind, or all, by name and the newest first. With
// good it leaves out what is revoked or over.
func (b *Book) Certificates(ctx context.Context, kind string, good bool) ([]Certificate, error) {
	return sqlrows.Collect(ctx, b.db, "certificates", func(r *sql.Rows) (c Certificate, err error) {
		var from, to, revoked int64
		err = r.Scan(&c.Serial, &c.Kind, &c.Subject, &from, &to, &c.RenewedBy, &revoked, &c.Reason)
		c.NotBefore, c.NotAfter, c.Revoked = when(from), when(to), whenSet(revoked)
		return c, err
	}, `SELECT serial, kind, subject, not_before, not_after, renewed_by, revoked_at, reason FROM certificate
		WHERE (?1 = '' OR kind = ?1) AND (NOT ?2 OR revoked_at = 0 AND not_after > ?3) ORDER BY subject, not_before DESC, serial`, kind, good, b.now().UnixMilli())
}
