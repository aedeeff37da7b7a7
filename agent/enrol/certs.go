package enrol

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
)

// Key is the device's TLS key. Where a board has a TPM or a secure element, a Key
// of its own can stand for one that never leaves it.
type Key interface {
	// Request signs a PKCS #10 request in DER without a name, which the centre
	// sets, with the URIs as alternative names.
	Request(uris []*url.URL) ([]byte, error)
	// PEM is what TLS reads together with the certificate.
	PEM() ([]byte, error)
	// Goes tells whether the certificate is for this key.
	Goes(c *x509.Certificate) bool
}

// fileKey is a key in a file that its owner alone can read.
type fileKey struct{ key *ecdsa.PrivateKey }

func newFileKey() (fileKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fileKey{}, fmt.Errorf("make key: %w", err)
	}
	return fileKey{k}, nil
}

func (k fileKey) Request(uris []*url.URL) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: uris}, k.key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}

func (k fileKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func (k fileKey) Goes(c *x509.Certificate) bool { return k.key.PublicKey.Equal(c.PublicKey) }

// readFileKey reads what PEM wrote.
func readFileKey(text []byte) (fileKey, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "PRIVATE KEY" {
		return fileKey{}, errors.New("no private key in it")
	}
	any, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return fileKey{}, err
	}
	k, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return fileKey{}, errors.New("not an ECDSA key")
	}
	return fileKey{k}, nil
}

// encodeCert is a certificate in PEM.
func encodeCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// decodeCerts reads the certificates of a PEM file, whatever else is in it.
func decodeCerts(text []byte) (all []*x509.Certificate, err error) {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return all, nil
}

// signedData is PKCS #7's (RFC 5652, 5.1) as far as a certs-only answer has it:
// content and signers are empty.
type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      asn1.RawValue
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue `asn1:"optional,tag:1"`
	Signers      asn1.RawValue
}

var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// parseAnswer reads the certificates in an EST answer: base64 of a certs-only
// PKCS #7 in DER (RFC 7030, 4.1.3).
func parseAnswer(body []byte) ([]*x509.Certificate, error) {
	text := bytes.Join(bytes.Fields(body), nil)
	der := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(der, text)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(der[:n], &outer); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("not PKCS #7 in DER (%v)", err)
	}
	if !outer.Type.Equal(oidSignedData) {
		return nil, fmt.Errorf("PKCS #7 of type %v, want certificates only", outer.Type)
	}
	var inner signedData
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &inner); err != nil {
		return nil, fmt.Errorf("not PKCS #7 in DER: %w", err)
	}
	certs, err := x509.ParseCertificates(inner.Certificates.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificates in PKCS #7: %w", err)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in the answer")
	}
	return certs, nil
}
