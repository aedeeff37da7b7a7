package uplink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kentongan/agent/report"
)

// authority signs certificates for a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64

	from, to time.Time // validity of what is issued next; zero is from an hour ago for a day
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), next: 1}
	a.key, _ = a.issue("ca", "test CA", true)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes NAME.pem and NAME.key, each in one rename.
func (a *authority) issue(name, cn string, ca bool) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"broker.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if !a.to.IsZero() && !ca {
		tmpl.NotBefore, tmpl.NotAfter = a.from, a.to
	}
	parent, signer := a.cert, a.key
	if ca {
		tmpl.IsCA, tmpl.KeyUsage, parent, signer = true, x509.KeyUsageCertSign, tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	if ca {
		a.cert = cert
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	a.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return key, cert
}

func (a *authority) write(name string, data []byte) {
	a.t.Helper()
	tmp := a.file(name + ".tmp")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(tmp, a.file(name)); err != nil {
		a.t.Fatal(err)
	}
}

// startTLS starts a broker that wants client certificates, and makes one for
// the device. Its name in MQTT is the certificate's common name.
func (a *authority) startTLS(lines ...string) *mosquitto {
	a.t.Helper()
	a.issue("broker", "broker", false)
	a.issue("device", testDevice, false)
	return startMosquitto(a.t, append([]string{
		"cafile " + a.file("ca.pem"), "certfile " + a.file("broker.pem"), "keyfile " + a.file("broker.key"),
		"require_certificate true", "use_identity_as_username true", "allow_anonymous false",
	}, lines...)...)
}

func (a *authority) config(m *mosquitto) Config {
	cfg := testConfig("mqtts://" + m.addr())
	b := &cfg.Brokers[0]
	b.CA, b.Cert, b.Key = a.file("ca.pem"), a.file("device.pem"), a.file("device.key")
	return cfg
}

func TestTLS(t *testing.T) {
	t.Parallel()
	const year1970 = 30 * time.Second
	tests := map[string]struct {
		broker []string
		change func(*authority, *Config)
		want   string // words of the refusal; "" connects
	}{
		"1.3":                   {},
		"1.2":                   {broker: []string{"tls_version tlsv1.2"}},
		"pinned name":           {change: func(_ *authority, c *Config) { c.Brokers[0].ServerName = "broker.test" }},
		"another name":          {change: func(_ *authority, c *Config) { c.Brokers[0].ServerName = "thief.test" }, want: "TLS handshake"},
		"CA of somebody else":   {change: func(a *authority, c *Config) { c.Brokers[0].CA = newAuthority(a.t).file("ca.pem") }, want: "TLS handshake"},
		"no client certificate": {change: func(_ *authority, c *Config) { c.Brokers[0].Cert, c.Brokers[0].Key = "", "" }, want: "TLS handshake"},
		"certificate missing":   {change: func(a *authority, c *Config) { c.Brokers[0].Cert = a.file("none.pem") }, want: "can't be read"},
		"a clock of 1970": {change: func(_ *authority, c *Config) {
			c.Now = func() time.Time { return time.Unix(0, 0).Add(year1970) }
			c.Floor = time.Now()
		}},
		"a clock of 1970 and no floor": {change: func(_ *authority, c *Config) {
			c.Now = func() time.Time { return time.Unix(0, 0).Add(year1970) }
			c.Floor = time.Unix(1, 0)
		}, want: "TLS handshake"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			m := a.startTLS(tt.broker...)
			cfg := a.config(m)
			if tt.change != nil {
				tt.change(a, &cfg)
			}
			store := newMemoryStore()
			store.append(t, report.Telemetry, 50)
			u := startUplink(t, cfg, store)
			if tt.want == "" {
				waitFor(t, 10*time.Second, "telemetry left", func() bool { return store.waiting(report.Telemetry) == 0 })
				return
			}
			waitFor(t, 10*time.Second, "refused", func() bool { return u.saw(stateRefused, tt.want) || u.saw(stateLost, tt.want) })
		})
	}
}

func TestNewCertificateIsUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	m := a.startTLS()
	u := startUplink(t, a.config(m), newMemoryStore())
	waitFor(t, 10*time.Second, "connected", func() bool { return u.Status().Connected })
	first := u.Status().Session
	a.issue("device", testDevice, false)
	waitFor(t, 10*time.Second, "a session with the new certificate", func() bool {
		st := u.Status()
		return st.Connected && st.Session != first
	})
	if !u.saw(stateLost, "certificate files") {
		t.Errorf("changes %+v", u.changes)
	}
}
