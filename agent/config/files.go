package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// maxPEMBytes bounds certificates and keys; the system's own list of all
// authorities has about 220 KiB.
const maxPEMBytes = 1 << 20

// exampleKey is the centre_key of the examples. It must be a good key for them
// to load; nobody has its private half, so no receipt would ever be believed.
const exampleKey = "kentongan-centre+61e56f25+AfU4RW2bYdR+PG1TlLwNxy+SZ0Peu/XKJoxKDsHWPAJV"

// CheckFiles looks at what only the device's own place can have: that the files
// that the configuration names are there, readable by this user, and what they
// should be, and that the centre's key is not the examples'. The error is
// Problems, each with the place of the value. It opens no socket and writes
// nothing.
func (c *Config) CheckFiles() error { return c.fileProblems().err() }

func (c *Config) fileProblems() Problems {
	f := fileCheck{c: c}
	if u := c.Uplink; u.Acknowledge == ByCentre && u.CentreKey == exampleKey {
		f.problem("uplink.centre_key", "this is the example's key, which no centre has; put in what 'kentongan-centre key' prints", nil)
	}
	for i, b := range c.Uplink.Brokers {
		path := fmt.Sprintf("uplink.brokers[%d]", i)
		f.authorities(path+".ca", b.CA)
		f.pair(path, b.Cert, b.Key, c.Uplink.TPM)
		f.secret(path+".password_file", b.Password)
	}
	for i, s := range c.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		f.authorities(path+".ca", s.CA)
		f.secret(path+".password_file", s.Password)
	}
	for i, a := range c.Apps {
		f.authorities(fmt.Sprintf("apps[%d].ca", i), a.CA)
	}
	return f.problems
}

// Wrong is what is wrong with the value at a path as it is written in the file,
// streams[0].url, with its place. It says what to do.
func (c *Config) Wrong(path, text string, cause error) Problems {
	f := fileCheck{c: c}
	f.problem(path, text, cause)
	return f.problems
}

type fileCheck struct {
	c        *Config
	problems Problems
}

func (f *fileCheck) add(path, file string, err error) {
	f.problem(path, fmt.Sprintf("%s: %v", show(file), err), errors.Unwrap(err))
}

func (f *fileCheck) problem(path, text string, cause error) {
	at := closest(f.c.marks, path)
	f.problems = append(f.problems, Problem{
		File: f.c.File, Line: at.line, Column: at.column, Path: path,
		Text: text, Err: cause,
	})
}

func (f *fileCheck) secret(path string, s Secret) {
	if s.file == "" {
		return
	}
	if _, err := s.read(); err != nil {
		f.add(path, s.file, err)
	}
}

func (f *fileCheck) authorities(path, file string) {
	if file == "" {
		return
	}
	data, err := readPEM(file)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
		err = errors.New("no certificate in it; it must be PEM, with lines BEGIN CERTIFICATE")
	}
	if err != nil {
		f.add(path, file, err)
	}
}

// pair looks at a certificate and its key. Both are looked at by themselves
// first, so that the problem names the one that is wrong.
func (f *fileCheck) pair(path, cert, key, tpm string) {
	certPEM := f.block(path+".cert", cert, "CERTIFICATE", "no certificate in it; it must be PEM, with lines BEGIN CERTIFICATE")
	keyPEM := f.block(path+".key", key, "PRIVATE KEY", "no private key in it; it must be PEM, with lines BEGIN PRIVATE KEY, not encrypted")
	if certPEM == nil || keyPEM == nil {
		return
	}
	var err error
	if wrapped := blockOf(keyPEM, "TSS2 PRIVATE KEY"); wrapped == nil {
		_, err = tls.X509KeyPair(certPEM, keyPEM)
	} else if tpm == "" {
		f.add(path+".key", key, errors.New("the key is in a TPM, and uplink.tpm names none; write tpm: /dev/tpmrm0 into uplink"))
		return
	} else {
		err = wrappedFor(wrapped.Bytes, blockOf(certPEM, "CERTIFICATE").Bytes)
	}
	if err != nil {
		f.add(path+".key", key, fmt.Errorf("does not go with cert %s (%v)", show(cert), err))
	}
}

// block reads a PEM file that must hold a block of this kind; nil without a
// file, and when it has said what is wrong.
func (f *fileCheck) block(path, file, kind, without string) []byte {
	if file == "" {
		return nil
	}
	data, err := readPEM(file)
	if err == nil && !hasBlock(data, kind) {
		err = errors.New(without)
	}
	if err != nil {
		f.add(path, file, err)
		return nil
	}
	return data
}

// wrappedFor tells whether a key that a TPM wrapped can be the certificate's: the
// public key's coordinates stand in both. The TPM is not asked here.
func wrappedFor(key, cert []byte) error {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return err
	}
	p, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("the certificate is not for an ECDSA key")
	}
	point, err := p.Bytes()
	if err != nil {
		return err
	}
	half := len(point) / 2
	for _, coordinate := range [][]byte{point[1 : 1+half], point[1+half:]} {
		if !bytes.Contains(key, bytes.TrimLeft(coordinate, "\x00")) { // some TPMs leave zeros out
			return errors.New("the certificate is for another key")
		}
	}
	return nil
}

// hasBlock tells whether there is a PEM block whose type ends in kind.
func hasBlock(data []byte, kind string) bool { return blockOf(data, kind) != nil }

// blockOf is the first PEM block whose type ends in kind.
func blockOf(data []byte, kind string) *pem.Block {
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return nil
		}
		if bytes.HasSuffix([]byte(b.Type), []byte(kind)) && b.Type != "ENCRYPTED PRIVATE KEY" {
			return b
		}
	}
}

func readPEM(file string) ([]byte, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEMBytes+1))
	switch {
	case err != nil:
		return nil, wrapPlain(err)
	case len(data) > maxPEMBytes:
		return nil, fmt.Errorf("larger than %s", printSize(maxPEMBytes))
	case len(data) == 0:
		return nil, errors.New("empty")
	}
	return data, nil
}
