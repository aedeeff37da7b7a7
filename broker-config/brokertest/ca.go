// Package brokertest starts the real brokers, with the real configuration beside
// it, for tests; and makes the certificates that they are asked with.
//
// Everything listens on 127.0.0.1, writes below a test's folder, and ends with
// its test.
package brokertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// CA is an authority for one test. It is for tests alone: the fleet's is
// `kentongan-centre ca`.
type CA struct {
	File string // PEM, its own certificate

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu      sync.Mutex // guards serial and revoked
	serial  int64
	revoked []x509.RevocationListEntry
}

// Pair is a certificate and its key, and where they stand.
type Pair struct {
	tls.Certificate
	CertFile, KeyFile string
	Serial            *big.Int
}

// NewCA makes an authority.
func NewCA(t testing.TB) *CA {
	t.Helper()
	c := &CA{dir: t.TempDir(), serial: 1}
	c.key = newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Kentongan test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &c.key.PublicKey, c.key)
	must(t, err)
	c.cert, err = x509.ParseCertificate(der)
	must(t, err)
	c.File = filepath.Join(c.dir, "ca.pem")
	writePEM(t, c.File, "CERTIFICATE", der)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// Client makes a client's certificate of this common name, good for a day.
func (c *CA) Client(t testing.TB, name string) Pair {
	t.Helper()
	return c.issue(t, name, time.Now().Add(24*time.Hour), nil)
}

// Expired makes a client's certificate that ended an hour ago.
func (c *CA) Expired(t testing.TB, name string) Pair {
	t.Helper()
	return c.issue(t, name, time.Now().Add(-time.Hour), nil)
}

// Server makes a broker's certificate for this machine.
func (c *CA) Server(t testing.TB) Pair {
	t.Helper()
	return c.issue(t, "server", time.Now().Add(24*time.Hour), net.IPv4(127, 0, 0, 1))
}

// issue signs; with an address it is a broker's, which shows it to other nodes
// as well.
func (c *CA) issue(t testing.TB, name string, until time.Time, ip net.IP) Pair {
	t.Helper()
	c.mu.Lock()
	c.serial++
	serial := big.NewInt(c.serial)
	c.mu.Unlock()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if ip != nil {
		tmpl.IPAddresses = []net.IP{ip}
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, &key.PublicKey, c.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	base := filepath.Join(c.dir, name+"-"+serial.String())
	p := Pair{CertFile: base + ".pem", KeyFile: base + ".key", Serial: serial}
	writePEM(t, p.CertFile, "CERTIFICATE", der)
	writePEM(t, p.KeyFile, "PRIVATE KEY", keyDER)
	p.Certificate, err = tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	must(t, err)
	return p
}

// Revoke puts certificates on the list of revoked ones and writes it to file;
// with none, the list as it is.
func (c *CA) Revoke(t testing.TB, file string, pairs ...Pair) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pairs {
		c.revoked = append(c.revoked, x509.RevocationListEntry{SerialNumber: p.Serial, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(int64(len(c.revoked)) + 1), RevokedCertificateEntries: c.revoked,
		ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(24 * time.Hour),
	}, c.cert, c.key)
	must(t, err)
	writePEM(t, file, "X509 CRL", der)
}

// TLS is a client's configuration that trusts this authority and shows the
// certificates given.
func (c *CA) TLS(pairs ...Pair) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	cfg := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	for _, p := range pairs {
		cfg.Certificates = append(cfg.Certificates, p.Certificate)
	}
	return cfg
}

// install writes what a broker needs of this authority into dir.
func (c *CA) install(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	s := c.Server(t)
	for to, from := range map[string]string{"ca.pem": c.File, "server.pem": s.CertFile, "server.key": s.KeyFile} {
		copyFile(t, filepath.Join(dir, to), from)
	}
	c.Revoke(t, filepath.Join(dir, "crl.pem"))
}

func copyFile(t testing.TB, to, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, data, 0o600))
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
