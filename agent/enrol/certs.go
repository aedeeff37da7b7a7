package enrol

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
)

// Key is the device's TLS key: in a file, or in a TPM that signs with it.
type Key struct {
	crypto.Signer
	// PEM is what TLS reads together with the certificate.
	PEM []byte
}

// Keys makes keys and reads them again.
type Keys interface {
	Make() (Key, error)
	Read(text []byte) (Key, error)
	// Pair reads device.pem.
	Pair(text []byte) (tls.Certificate, error)
}

// request signs a PKCS #10 request in DER without a name, which the centre sets,
// with the URIs as alternative names.
func (k Key) request(uris []*url.URL) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: uris}, k.Signer)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}

// goes tells whether the certificate is for this key.
func (k Key) goes(c *x509.Certificate) bool {
	p, ok := k.Public().(*ecdsa.PublicKey)
	return ok && p.Equal(c.PublicKey)
}

// Files are keys in files that their owner alone can read.
type Files struct{}

// Make makes a key.
func (Files) Make() (Key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return Key{}, fmt.Errorf("encode key: %w", err)
	}
	return Key{k, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, nil
}

// Read reads what Make made.
func (Files) Read(text []byte) (Key, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "PRIVATE KEY" {
		return Key{}, errors.New("no private key in it")
	}
	any, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return Key{}, err
	}
	k, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return Key{}, errors.New("not an ECDSA key")
	}
	return Key{k, text}, nil
}

// Pair reads a key and its certificate.
func (Files) Pair(text []byte) (tls.Certificate, error) { return tls.X509KeyPair(text, text) }

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
