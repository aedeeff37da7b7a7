package uplink

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// tlsConfig reads the broker's files anew and makes the configuration of one
// connection. now is asked for the time of each certificate check.
func (b *Broker) tlsConfig(serverName string, now func() time.Time) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: serverName,
		Time:       now,
	}
	if b.CA != "" {
		pem, err := os.ReadFile(b.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no PEM certificate", b.CA)
		}
	}
	if b.Cert != "" {
		pair, err := b.pair()
		if err != nil {
			return nil, fmt.Errorf("cert %s, key %s: %w", b.Cert, b.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// pair reads the certificate and its key.
func (b *Broker) pair() (c tls.Certificate, err error) {
	cert, err := os.ReadFile(b.Cert)
	if err != nil {
		return c, err
	}
	key, err := os.ReadFile(b.Key)
	if err != nil {
		return c, err
	}
	if b.Pair == nil {
		return tls.X509KeyPair(cert, key)
	}
	return b.Pair(cert, key)
}

// password returns what is to be sent; the file's line end is not part of it.
func (b *Broker) password() (string, error) {
	if b.PasswordFile == "" {
		return b.Password, nil
	}
	data, err := os.ReadFile(b.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	pw := strings.TrimRight(string(data), "\r\n")
	if pw == "" {
		return "", fmt.Errorf("password_file: %s is empty", b.PasswordFile)
	}
	return pw, nil
}

// files names what is read at each connection.
func (b *Broker) files() []string {
	var names []string
	for _, n := range []string{b.CA, b.Cert, b.Key, b.PasswordFile} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// fingerprint tells one content of the files from another.
func (b *Broker) fingerprint() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, n := range b.files() {
		data, e := os.ReadFile(n)
		err = errors.Join(err, e)
		fmt.Fprintf(h, "%s %d\n%s", n, len(data), data)
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// buildTime is the time of the commit that the program was built from: no true
// clock is earlier. It is zero for a build outside of version control.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, err := time.Parse(time.RFC3339, s.Value)
			if err != nil {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}
