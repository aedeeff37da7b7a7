// Package ca is the centre's certificate authority: a root that only says whom
// to believe, and an issuing authority below it that signs the certificates of
// devices, brokers and roles, and the list of those that are revoked.
//
// It keeps no book: who got what is package enrol's, which calls it inside its
// transactions.
//
//	DIR/root.pem      the root's certificate; devices and brokers trust it
//	DIR/root.key      its key; only needed to make another issuing authority, so
//	                  it can be kept elsewhere
//	DIR/issuing.pem   the issuing authority's certificate
//	DIR/issuing.key   its key, which the running centre needs
//	DIR/ca.pem        both certificates, for a broker's cafile
//
// All keys are ECDSA on P-256, which a small board checks in milliseconds and
// every TLS stack knows.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"kentongan/agent/report"
)

// Lives of certificates.
const (
	rootLife = 30 * 365 * 24 * time.Hour
	// DeviceLife is a year: renewal begins after two thirds of it, so a device may
	// be off for four months.
	DeviceLife = 365 * 24 * time.Hour
	// ServerLife is that of brokers and roles, which somebody renews by hand.
	ServerLife = 825 * 24 * time.Hour
	// backdate lets who has a clock that is a little late believe a new certificate.
	backdate = time.Hour
	// crlLife is how long a list of revoked certificates may be used. It is long
	// because a broker whose list is over lets nobody in; the centre signs a new
	// one every day, and one that is old only misses what was revoked since.
	crlLife = 10 * 365 * 24 * time.Hour
)

// Authority signs. Its methods may be called from any goroutine.
type Authority struct {
	Root, Issuing *x509.Certificate
	key           crypto.Signer
}

// Open reads the authority in dir.
func Open(dir string) (*Authority, error) {
	root, err := readCert(filepath.Join(dir, "root.pem"))
	if err != nil {
		return nil, err
	}
	issuing, err := readCert(filepath.Join(dir, "issuing.pem"))
	if err != nil {
		return nil, err
	}
	if err := issuing.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("open authority %s: issuing.pem is not signed by root.pem: %w", dir, err)
	}
	file := filepath.Join(dir, "issuing.key")
	key, err := readKey(file)
	if err != nil {
		return nil, err
	}
	if public, ok := issuing.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("open authority: %s is not the key of issuing.pem", file)
	}
	return &Authority{Root: root, Issuing: issuing, key: key}, nil
}

// Subject is whom a certificate is for.
type Subject struct {
	Name   string   // common name: a device's id, a broker's host, a role
	Public any      // its key
	Hosts  []string // names and addresses, of a server
	Server bool     // else it is a client
	Life   time.Duration
}

// Issue signs a certificate. A device's can be used as a
// client only and a broker's as a server only, so that neither can play the
// other.
func (a *Authority) Issue(s Subject, now time.Time) (*x509.Certificate, error) {
	if !now.Before(a.Issuing.NotAfter) {
		return nil, fmt.Errorf("the issuing authority is over since %s; make another with its root (kentongan-centre ca issuing)", a.Issuing.NotAfter.Format(time.DateOnly))
	}
	t := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: s.Name},
		NotBefore:    later(now.Add(-backdate), a.Issuing.NotBefore), NotAfter: now.Add(s.Life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	// A client's certificate has its name in one place only: NATS would take the
	// identity out of an alternative name first.
	if s.Server {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, h := range s.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if t.NotAfter.After(a.Issuing.NotAfter) {
		t.NotAfter = a.Issuing.NotAfter
	}
	return sign(t, a.Issuing, s.Public, a.key)
}

// Chain is the certificate in PEM with the issuing authority's behind it, as it
// is shown in TLS.
func (a *Authority) Chain(leaf *x509.Certificate) []byte {
	return append(encode(leaf), encode(a.Issuing)...)
}

// Bundle is root and issuing authority in PEM: what a broker's cafile holds.
func (a *Authority) Bundle() []byte { return append(encode(a.Root), encode(a.Issuing)...) }

// Pool is the root alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Root)
	return p
}

// Between is the issuing authority, for chains that leave it out.
func (a *Authority) Between() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Issuing)
	return p
}

// Revoked is one revoked certificate.
type Revoked struct {
	Serial *big.Int
	At     time.Time
}

// CRL signs the list of the revoked certificates, in PEM. number must grow.
func (a *Authority) CRL(list []Revoked, number int64, now time.Time) ([]byte, error) {
	t := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(crlLife)}
	for _, r := range list {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.At})
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, a.Issuing, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the list of revoked certificates: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

// NewKey makes a key as the authority signs for.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func sign(t, parent *x509.Certificate, public any, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// serial is random, so that it tells nothing and needs no counter.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func readCert(file string) (*x509.Certificate, error) {
	block, err := readPEM(file, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return c, nil
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	block, err := readPEM(file, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read %s: not an ECDSA key", file)
	}
	return key, nil
}

func readPEM(file, kind string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != kind {
		return nil, fmt.Errorf("read %s: no %s in it", file, kind)
	}
	return b.Bytes, nil
}

// ErrNone is a directory without an authority.
var ErrNone = errors.New("there is no certificate authority yet; make one with kentongan-centre ca init --data DIR")

// Pin is what a token tells of the root.
func Pin(a *Authority) [16]byte { return report.PinOf(a.Root.Raw) }
