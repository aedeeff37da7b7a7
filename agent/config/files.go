package config

import (
	"bytes"
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

// CheckFiles looks at the files that the configuration names: that they are
// there, readable by this user, and what they should be. The error is Problems,
// each with the place of the file's name. It opens no socket and writes
// nothing.
func (c *Config) CheckFiles() error {
	var f fileCheck
	f.c = c
	for i, b := range c.Uplink.Brokers {
		path := fmt.Sprintf("uplink.brokers[%d]", i)
		f.authorities(path+".ca", b.CA)
		f.pair(path, b.Cert, b.Key)
		f.secret(path+".password_file", b.Password)
	}
	for i, s := range c.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		f.authorities(path+".ca", s.CA)
		f.secret(path+".password_file", s.Password)
	}
	return f.problems.err()
}

type fileCheck struct {
	c        *Config
	problems Problems
}

func (f *fileCheck) add(path, file string, err error) {
	at := closest(f.c.marks, path)
	f.problems = append(f.problems, Problem{
		File: f.c.File, Line: at.line, Column: at.column, Path: path,
		Text: fmt.Sprintf("%s: %v", show(file), err), Err: errors.Unwrap(err),
	})
}

func (f *fileCheck) secret(path string, s Secret) {
	if s.file == "" {
		return
	}
	if _, err := readSecret(s.file); err != nil {
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
func (f *fileCheck) pair(path, cert, key string) {
	if cert == "" || key == "" {
		return
	}
	certPEM, err := readPEM(cert)
	if err == nil && !hasBlock(certPEM, "CERTIFICATE") {
		err = errors.New("no certificate in it; it must be PEM, with lines BEGIN CERTIFICATE")
	}
	if err != nil {
		f.add(path+".cert", cert, err)
	}
	keyPEM, keyErr := readPEM(key)
	if keyErr == nil && !hasBlock(keyPEM, "PRIVATE KEY") {
		keyErr = errors.New("no private key in it; it must be PEM, with lines BEGIN PRIVATE KEY, not encrypted")
	}
	if keyErr != nil {
		f.add(path+".key", key, keyErr)
	}
	if err != nil || keyErr != nil {
		return
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		f.add(path+".key", key, fmt.Errorf("does not go with cert %s (%v)", show(cert), err))
	}
}

// hasBlock tells whether there is a PEM block whose type ends in kind.
func hasBlock(data []byte, kind string) bool {
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return false
		}
		if bytes.HasSuffix([]byte(b.Type), []byte(kind)) && b.Type != "ENCRYPTED PRIVATE KEY" {
			return true
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
