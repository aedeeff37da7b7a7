package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Key is a key in a TPM. It is a crypto.Signer of hashes of SHA-256.
type Key struct {
	tpm             *TPM
	private, public []byte // as the TPM gave them, without their sizes
	point           *ecdsa.PublicKey
}

const pemType = "TSS2 PRIVATE KEY"

// oidLoadable is id-loadablekey.
var oidLoadable = asn1.ObjectIdentifier{2, 23, 133, 10, 1, 3}

// keyFile is TPMKey, without the parts that a key without a password and a policy
// does not have.
type keyFile struct {
	Type      asn1.ObjectIdentifier
	EmptyAuth bool `asn1:"optional,explicit,tag:0"`
	Parent    int64
	Public    []byte // TPM2B_PUBLIC
	Private   []byte // TPM2B_PRIVATE
}

// ErrNone is a key of a TPM where none is named.
var ErrNone = errors.New("the key is in a TPM, and uplink.tpm names none; write tpm: " + Device + " into uplink")

// Make makes a key and tries it.
func (t *TPM) Make() (*Key, error) {
	var k *Key
	err := t.do("make a key", func(l link) error {
		parent, err := l.storage()
		if err != nil {
			return err
		}
		private, public, err := l.create(parent)
		if err == nil {
			k, err = t.key(private, public)
		}
		return first(err, l.flush(parent))
	})
	if err != nil {
		return nil, err
	}
	return k, k.Try()
}

// key is a key of which both parts are known.
func (t *TPM) key(private, public []byte) (*Key, error) {
	point, err := parsePublic(public)
	if err != nil {
		return nil, err
	}
	p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, fmt.Errorf("the public part: %w", err)
	}
	return &Key{t, bytes.Clone(private), bytes.Clone(public), p}, nil
}

// IsKey tells whether a PEM text holds a key of a TPM.
func IsKey(text []byte) bool { return block(text) != nil }

func block(text []byte) []byte {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return nil
		}
		if b.Type == pemType {
			return b.Bytes
		}
	}
}

// Read reads what PEM wrote. The TPM is not asked.
func (t *TPM) Read(text []byte) (*Key, error) {
	der := block(text)
	if der == nil {
		return nil, fmt.Errorf("no %s in it", pemType)
	}
	if t == nil {
		return nil, ErrNone
	}
	private, public, err := parseKeyFile(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pemType, err)
	}
	k, err := t.key(private, public)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pemType, err)
	}
	return k, nil
}

func parseKeyFile(der []byte) (private, public []byte, err error) {
	var f keyFile
	rest, err := asn1.Unmarshal(der, &f)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("not a TPMKey in DER (%v); keys with a policy are not read", err)
	case len(rest) > 0:
		return nil, nil, errors.New("bytes after the TPMKey")
	case !f.Type.Equal(oidLoadable):
		return nil, nil, fmt.Errorf("of the type %v, want a loadable key", f.Type)
	case f.Parent != handleOwner:
		return nil, nil, fmt.Errorf("its parent is %#x; only keys of the owner (%#x) are read", f.Parent, handleOwner)
	case !f.EmptyAuth:
		return nil, nil, errors.New("it wants a password")
	}
	pub, priv := &fields{rest: f.Public}, &fields{rest: f.Private}
	public, private = pub.sized(), priv.sized()
	if pub.bad || priv.bad || len(pub.rest)+len(priv.rest) > 0 || len(private) == 0 {
		return nil, nil, errors.New("it is damaged")
	}
	return private, public, nil
}

// PEM is the key, wrapped by the TPM.
func (k *Key) PEM() ([]byte, error) {
	der, err := asn1.Marshal(keyFile{oidLoadable, true, handleOwner, sized(k.public), sized(k.private)})
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// Public is an *ecdsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.point }

// Try has the TPM sign something: it is there, and the key is its own.
func (k *Key) Try() error {
	_, err := k.Sign(nil, make([]byte, crypto.SHA256.Size()), crypto.SHA256)
	return err
}

// Sign has the TPM sign a hash of SHA-256. Nothing is taken from the reader.
func (k *Key) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if o.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, fmt.Errorf("sign with the TPM: hash %v of %d bytes; it signs SHA-256 only", o.HashFunc(), len(digest))
	}
	var out []byte
	err := k.tpm.do("sign", func(l link) (err error) {
		out, err = k.signOver(l, digest)
		return err
	})
	return out, err
}

func (k *Key) signOver(l link, digest []byte) ([]byte, error) {
	parent, err := l.storage()
	if err != nil {
		return nil, err
	}
	h, err := l.load(parent, k.private, k.public)
	// A small TPM has place for three keys.
	if err = first(err, l.flush(parent)); err != nil {
		return nil, err
	}
	r, s, err := l.sign(h, digest)
	if err = first(err, l.flush(h)); err != nil {
		return nil, err
	}
	out, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
	if err == nil && !ecdsa.VerifyASN1(k.point, digest, out) {
		err = errors.New("its signature is wrong")
	}
	return out, err
}

// X509KeyPair is tls.X509KeyPair that also reads keys of this TPM, which is asked
// only when the key is used.
func (t *TPM) X509KeyPair(cert, key []byte) (tls.Certificate, error) {
	if !IsKey(key) {
		return tls.X509KeyPair(cert, key)
	}
	var c tls.Certificate
	k, err := t.Read(key)
	if err != nil {
		return c, err
	}
	for {
		var b *pem.Block
		if b, cert = pem.Decode(cert); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" {
			c.Certificate = append(c.Certificate, b.Bytes)
		}
	}
	if len(c.Certificate) == 0 {
		return c, errors.New("no certificate in it")
	}
	if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
		return tls.Certificate{}, err
	}
	if !k.point.Equal(c.Leaf.PublicKey) {
		return tls.Certificate{}, errors.New("the certificate is for another key")
	}
	c.PrivateKey, c.SupportedSignatureAlgorithms = k, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	return c, nil
}
