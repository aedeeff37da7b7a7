package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// pageCert writes a certificate for localhost that signs itself, with a serial
// number to know it by.
func pageCert(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "page.crt"), filepath.Join(dir, "page.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// served asks the page of a centre by TLS, and tells its answer and the serial
// number of its certificate.
func served(t *testing.T, addr string, versions uint16) (*http.Response, int64, error) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: versions, ServerName: "localhost"}} //nolint:gosec // which certificate it is, is looked at
	c := http.Client{Timeout: patience, Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get("https://" + addr + "/")
	if err != nil {
		return nil, 0, err
	}
	_ = res.Body.Close() // its head is enough
	return res, res.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}

// With --tls-cert the page is served by TLS 1.2 and up only, says so to browsers,
// marks its cookie, and takes a renewed certificate without a restart.
func TestPageOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := pageCert(t, dir, 1)
	p := start(t, "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t), "--tls-cert", cert, "--tls-key", key)
	addr, ok := strings.CutPrefix(p.page, "https://")
	if !ok {
		t.Fatalf("the page is announced as %s", p.page)
	}
	addr = strings.TrimSuffix(addr, "/")
	res, serial, err := served(t, addr, 0)
	if err != nil {
		t.Fatalf("%v; the centre says: %s", err, p.log)
	}
	if serial != 1 || res.StatusCode != http.StatusSeeOther || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("certificate %d, %s, %v", serial, res.Status, res.Header)
	}
	if _, _, err := served(t, addr, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is served")
	}
	if res, err := http.Get("http://" + addr + "/"); err == nil {
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", res.Status)
		}
		_ = res.Body.Close()
	}
	pageCert(t, dir, 2)
	if err := os.Chtimes(cert, time.Time{}, time.Now().Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, serial, err := served(t, addr, 0); err != nil || serial != 2 {
		t.Errorf("after a renewal: certificate %d, %v", serial, err)
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, serial, err := served(t, addr, 0); err != nil || serial != 2 {
		t.Errorf("with half of a file: certificate %d, %v", serial, err)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("end: %v", err)
	}
}

// A proxy's word on how the browser came is believed only when it was said that
// there is one.
func TestBehindProxy(t *testing.T) {
	for name, believed := range map[string]bool{"--behind-proxy": true, "": false} {
		args := []string{"--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t)}
		if name != "" {
			args = append(args, name)
		}
		p := start(t, args...)
		req, err := http.NewRequest(http.MethodGet, p.page+"/login", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-Proto", "https")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Strict-Transport-Security") != ""; got != believed {
			t.Errorf("%q: told browsers to come by TLS only: %v", name, got)
		}
		if err := p.end(syscall.SIGTERM); err != nil {
			t.Errorf("end: %v", err)
		}
	}
}

// A certificate that can't be read is said at once, with its file.
func TestPageTLSThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	cert, key := pageCert(t, dir, 1)
	other := filepath.Join(dir, "none.key")
	if err := os.WriteFile(filepath.Join(dir, "bad.crt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]options{"no key": {tlsCert: cert, tlsKey: other}, "no certificate": {tlsCert: filepath.Join(dir, "bad.crt"), tlsKey: key}} {
		if _, err := o.pageTLS(); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := new(options).pageTLS(); c != nil || err != nil {
		t.Errorf("without: %v, %v", c, err)
	}
}
