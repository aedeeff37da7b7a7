package statuspage

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// The page's certificate is one that the device makes for itself, also when it is
// enrolled: what the centre certifies is for clients alone, and a browser refuses
// it for a server without a way around. No authority that a phone knows can speak
// for an address on a local network anyway; what tells this device from another is
// the fingerprint, which is printed beside the code.

const (
	certificateFor = 820 * 24 * time.Hour // iPhones take no more than 825 days
	renewBefore    = 60 * 24 * time.Hour
)

// Certificate reads the page's certificate from file, or makes it: the key and the
// certificate in PEM. One that ends soon, or is another device's, is made anew.
func Certificate(d Disk, file, device string, names []string, now time.Time) (tls.Certificate, error) {
	text, err := d.Load(file, maxFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	if c, err := parsePair(text); err == nil && c.Leaf.Subject.CommonName == device && now.Add(renewBefore).Before(c.Leaf.NotAfter) && !now.Before(c.Leaf.NotBefore) {
		return c, nil
	}
	text, err = newPair(device, names, now)
	if err == nil {
		err = d.Save(file, text)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return parsePair(text)
}

// ErrNoCertificate is a page that was never served.
var ErrNoCertificate = errors.New("the page has no certificate yet; start the agent, which makes it: sudo kentongan start")

// Printed is the fingerprint of the certificate that the page has in file.
func Printed(d Disk, file string) (string, error) {
	text, err := d.Load(file, maxFile)
	if err != nil {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	if text == nil {
		return "", ErrNoCertificate
	}
	c, err := parsePair(text)
	if err != nil {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	return Fingerprint(c), nil
}

func parsePair(text []byte) (tls.Certificate, error) {
	if text == nil {
		return tls.Certificate{}, ErrNoCertificate
	}
	c, err := tls.X509KeyPair(text, text)
	if err == nil && c.Leaf == nil {
		c.Leaf, err = x509.ParseCertificate(c.Certificate[0])
	}
	return c, err
}

func newPair(device string, names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: device}, DNSNames: names,
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateFor), // a clock may be a little off
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, b := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: secret}, {Type: "CERTIFICATE", Bytes: der}} {
		if err := pem.Encode(&out, b); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// Fingerprint is the SHA-256 of a certificate as browsers show it.
func Fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}
