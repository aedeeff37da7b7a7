package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Init makes a root and an issuing authority in dir. The root's key goes to
// rootDir, which may be a stick that is then put away. It refuses where there is
// an authority already: whoever trusts that one would trust nobody any more.
func Init(dir, rootDir, name string, now time.Time) (*Authority, error) {
	for _, f := range []string{filepath.Join(dir, "root.pem"), filepath.Join(rootDir, "root.key")} {
		if _, err := os.Lstat(f); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("make authority: %s is there already; every device trusts it, so it is not replaced (kentongan-centre ca issuing makes another issuing authority below it)", f)
		}
	}
	for _, d := range []string{dir, rootDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make authority: %w", err)
		}
	}
	key, err := NewKey()
	if err != nil {
		return nil, fmt.Errorf("make the root's key: %w", err)
	}
	t := template(name+" root", now, rootLife)
	t.MaxPathLen = 1
	root, err := sign(t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(rootDir, "root.key"), key); err != nil {
		return nil, err
	}
	a, err := issue(dir, root, key, name, now)
	if err != nil {
		return nil, err
	}
	// Last: it says that the authority is whole.
	return a, WriteFile(filepath.Join(dir, "root.pem"), encode(root), 0o644)
}

// NewIssuing makes another issuing authority below the root whose key is in
// rootDir: when the old one ends, or its key was stolen. Certificates of the old
// one stay good until they end; after a theft its own certificate has to leave
// the brokers' cafile.
func NewIssuing(dir, rootDir, name string, now time.Time) (*Authority, error) {
	root, err := readCert(filepath.Join(dir, "root.pem"))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(rootDir, "root.key"))
	if err != nil {
		return nil, err
	}
	if public, ok := root.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("make issuing authority: the root.key in %s is not the key of root.pem", rootDir)
	}
	return issue(dir, root, key, name, now)
}

func issue(dir string, root *x509.Certificate, rootKey *ecdsa.PrivateKey, name string, now time.Time) (*Authority, error) {
	key, err := NewKey()
	if err != nil {
		return nil, fmt.Errorf("make the issuing authority's key: %w", err)
	}
	t := template(fmt.Sprintf("%s issuing %s", name, now.UTC().Format(time.DateOnly)), now, rootLife)
	t.MaxPathLenZero = true
	t.NotAfter = root.NotAfter
	issuing, err := sign(t, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(dir, "issuing.key"), key); err != nil {
		return nil, err
	}
	if err := WriteFile(filepath.Join(dir, "issuing.pem"), encode(issuing), 0o644); err != nil {
		return nil, err
	}
	a := &Authority{Root: root, Issuing: issuing, key: key}
	return a, WriteFile(filepath.Join(dir, "ca.pem"), a.Bundle(), 0o644)
}

func template(name string, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
}

// writeKey writes a private key that only its owner can read.
func writeKey(file string, key *ecdsa.PrivateKey) error {
	text, err := EncodeKey(key)
	if err != nil {
		return err
	}
	return WriteFile(file, text, 0o600)
}

// EncodeKey is a private key in PEM.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// WriteFile writes a file whole or not at all; it returns when it is on the disk.
func WriteFile(file string, text []byte, mode fs.FileMode) error {
	err := func() error {
		dir := filepath.Dir(file)
		tmp, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // mode 0600
		if err != nil {
			return err
		}
		defer os.Remove(tmp.Name()) //nolint:errcheck // after the rename it is not there
		_, err = tmp.Write(text)
		if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
			return err
		}
		if err := os.Rename(tmp.Name(), file); err != nil {
			return err
		}
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	}()
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(file), err)
	}
	return nil
}
