package enrol

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
)

// Refusal is an enrolment or a renewal that was not granted.
type Refusal struct {
	Reason string // one of report's
	Device string // whose it would have been, as far as that is known
	Serial string
	Detail string
}

func (r Refusal) Error() string { return "refused (" + r.Reason + "): " + r.Detail }

func refuse(reason, device, format string, args ...any) error {
	return Refusal{Reason: reason, Device: device, Detail: fmt.Sprintf(format, args...)}
}

// Request is a certificate request that was looked at.
type Request struct {
	csr       *x509.CertificateRequest
	spki      [sha256.Size]byte
	recordKey ed25519.PublicKey // nil without one
}

// ParseRequest reads a PKCS #10 in DER, and sees that it was signed by the key
// that it is for.
func ParseRequest(der []byte) (*Request, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, refuse(report.RefusedRequest, "", "no PKCS #10: %v", err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, refuse(report.RefusedKey, "", "a %v key; want ECDSA on P-256", csr.PublicKeyAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, refuse(report.RefusedRequest, "", "not signed by its own key: %v", err)
	}
	record, err := report.RecordKeyOf(csr.URIs)
	if err != nil {
		return nil, refuse(report.RefusedRequest, "", "%v", err)
	}
	return &Request{csr: csr, spki: sha256.Sum256(csr.RawSubjectPublicKeyInfo), recordKey: record}, nil
}

// named refuses a request that asks for a name of its own; none is right too,
// for the centre sets it.
func (r *Request) named(device string) error {
	s := r.csr.Subject
	if s.CommonName != "" && s.CommonName != device {
		return refuse(report.RefusedName, device, "the request is for %.60q", s.CommonName)
	}
	if len(r.csr.DNSNames)+len(r.csr.IPAddresses)+len(r.csr.EmailAddresses) > 0 {
		return refuse(report.RefusedName, device, "the request asks for further names")
	}
	return nil
}

// tokenRow is a token as it stands in the book.
type tokenRow struct {
	id, device, serial     string
	expires, used, revoked int64
	replaces               bool
}

// Redeem gives the certificate that a token is good for, once. The same request
// of the same key gets the same certificate again, for the answer may have been
// lost on the way; any other use of a used token is refused.
func (b *Book) Redeem(ctx context.Context, t report.EnrolToken, r *Request, address string) (c *x509.Certificate, err error) {
	hash := sha256.Sum256(t.Secret[:])
	err = b.change(ctx, func(tx *sql.Tx) error {
		var row tokenRow
		err := tx.QueryRow(`SELECT id, device, serial, expires_at, used_at, revoked_at, replaces FROM token WHERE hash = ?`, hash[:]).
			Scan(&row.id, &row.device, &row.serial, &row.expires, &row.used, &row.revoked, &row.replaces)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(report.RefusedToken, "", "no such token was made here")
		}
		if err != nil {
			return err
		}
		if row.used != 0 {
			c, err = same(tx, row.serial, r, refuse(report.RefusedUsed, row.device, "token %s was used by another key", row.id))
			return err
		}
		c, err = b.first(tx, row, r, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return c, nil
}

// same is the certificate with a serial when it is for the request's key and
// still good, else the refusal.
func same(tx *sql.Tx, serial string, r *Request, no error) (*x509.Certificate, error) {
	var spki, der []byte
	var revoked int64
	if err := tx.QueryRow(`SELECT spki, der, revoked_at FROM certificate WHERE serial = ?`, serial).Scan(&spki, &der, &revoked); err != nil {
		return nil, err
	}
	if revoked != 0 || !bytes.Equal(spki, r.spki[:]) {
		return nil, no
	}
	return x509.ParseCertificate(der)
}

// first issues a device's first certificate.
func (b *Book) first(tx *sql.Tx, row tokenRow, r *Request, address string) (*x509.Certificate, error) {
	now := b.now()
	switch {
	case row.revoked != 0:
		return nil, refuse(report.RefusedWithdrawn, row.device, "token %s was withdrawn", row.id)
	case row.expires <= now.UnixMilli():
		return nil, refuse(report.RefusedExpired, row.device, "token %s ended %s", row.id, when(row.expires).Format("2006-01-02 15:04Z"))
	}
	if err := r.named(row.device); err != nil {
		return nil, err
	}
	held, err := live(tx, row.device, now)
	switch {
	case err != nil:
		return nil, err
	case len(held) > 0 && !row.replaces:
		return nil, refuse(report.RefusedClaimed, row.device, "token %s: a device holds this id, with certificate %s", row.id, held[0])
	}
	for _, serial := range held {
		if _, err := tx.Exec(`UPDATE certificate SET revoked_at = ?, reason = ? WHERE serial = ?`, now.UnixMilli(), "replaced by a new enrolment", serial); err != nil {
			return nil, err
		}
	}
	c, err := b.issue(tx, KindDevice, ca.Subject{Name: row.device, Public: r.csr.PublicKey, Life: ca.DeviceLife}, r.recordKey)
	if err != nil {
		return nil, err
	}
	serial := SerialText(c.SerialNumber)
	if _, err := tx.Exec(`UPDATE token SET used_at = ?, serial = ? WHERE id = ?`, now.UnixMilli(), serial, row.id); err != nil {
		return nil, err
	}
	return c, b.note(tx, Entry{What: WhatEnrolled, Device: row.device, Address: address, Serial: serial, Detail: fmt.Sprintf("token %s; %d certificates replaced", row.id, len(held))})
}

// known looks a certificate up that was signed by the authority, and says whose
// it is and that it was not revoked. It has to be the one in the book, byte for
// byte: who stole the key of an issuing authority of before can sign another with
// its serial number.
func (b *Book) known(ctx context.Context, c *x509.Certificate) (device string, err error) {
	serial := SerialText(c.SerialNumber)
	var kind string
	var revoked int64
	var der []byte
	err = b.db.QueryRowContext(ctx, `SELECT subject, kind, revoked_at, der FROM certificate WHERE serial = ?`, serial).Scan(&device, &kind, &revoked, &der)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && (kind != KindDevice || !bytes.Equal(der, c.Raw)):
		return "", Refusal{Reason: report.RefusedStranger, Serial: serial, Detail: "not a device's certificate of this centre"}
	case err != nil:
		return "", fmt.Errorf("look up certificate: %w", err)
	case revoked != 0:
		return "", Refusal{Reason: report.RefusedRevoked, Device: device, Serial: serial, Detail: "the certificate is revoked"}
	}
	return device, nil
}

// Renew gives a device its next certificate. A certificate that was renewed
// already is renewed for the same new key only: a second key means that two
// devices hold the old one, as after a copied card.
func (b *Book) Renew(ctx context.Context, old *x509.Certificate, r *Request, address string) (c *x509.Certificate, err error) {
	device, err := b.known(ctx, old)
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	serial := SerialText(old.SerialNumber)
	err = b.change(ctx, func(tx *sql.Tx) error {
		var renewedBy string
		var recordKey []byte
		var revoked int64
		if err := tx.QueryRow(`SELECT renewed_by, record_key, revoked_at FROM certificate WHERE serial = ?`, serial).Scan(&renewedBy, &recordKey, &revoked); err != nil {
			return err
		}
		if revoked != 0 { // since known looked
			return Refusal{Reason: report.RefusedRevoked, Device: device, Serial: serial, Detail: "the certificate is revoked"}
		}
		if renewedBy != "" {
			c, err = same(tx, renewedBy, r, Refusal{Reason: report.RefusedClone, Device: device, Serial: serial, Detail: "this certificate was renewed already, by " + renewedBy + " for another key"})
			return err
		}
		if err := r.named(device); err != nil {
			return err
		}
		switch {
		case r.recordKey == nil:
			r.recordKey = recordKey
		case len(recordKey) > 0 && !bytes.Equal(recordKey, r.recordKey):
			return Refusal{Reason: report.RefusedRecordKey, Device: device, Serial: serial, Detail: "the device signs its records with another key than it enrolled with"}
		}
		if c, err = b.issue(tx, KindDevice, ca.Subject{Name: device, Public: r.csr.PublicKey, Life: ca.DeviceLife}, r.recordKey); err != nil {
			return err
		}
		next := SerialText(c.SerialNumber)
		if _, err := tx.Exec(`UPDATE certificate SET renewed_by = ? WHERE serial = ?`, next, serial); err != nil {
			return err
		}
		return b.note(tx, Entry{What: WhatRenewed, Device: device, Address: address, Serial: next, Detail: "in place of " + serial})
	})
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	return c, nil
}
