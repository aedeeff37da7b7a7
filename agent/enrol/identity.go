package enrol

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"

	"kentongan/agent/report"
)

// pairOf reads device.pem.
func pairOf(keys Keys, text []byte) (tls.Certificate, error) {
	pair, err := keys.Pair(text)
	if err != nil {
		return pair, fmt.Errorf("key and certificate: %w", err)
	}
	if pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return pair, err
}

// ErrNone is a device that is not enrolled.
var ErrNone = errors.New("this device is not enrolled")

// identity is what is on the disk.
type identity struct {
	report.Enrolment
	pair  tls.Certificate
	roots []byte // PEM
}

// load reads an identity; ErrNone when there is none.
func load(dir string, disk Disk, keys Keys) (*identity, error) {
	var files [3][]byte
	for i, name := range []string{DeviceFile, CAFile, AnswerFile} {
		text, err := disk.Load(filepath.Join(dir, name), maxFile)
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		if text == nil {
			return nil, ErrNone
		}
		files[i] = text
	}
	id := &identity{roots: files[1]}
	var err error
	if id.pair, err = pairOf(keys, files[0]); err != nil {
		return nil, fmt.Errorf("read identity: %s: %w", DeviceFile, err)
	}
	if _, err = decodeCerts(files[1]); err != nil {
		return nil, fmt.Errorf("read identity: %s: %w", CAFile, err)
	}
	if id.Enrolment, err = decodeEnrolment(files[2]); err != nil {
		return nil, fmt.Errorf("read identity: %s: %w", AnswerFile, err)
	}
	return id, nil
}
