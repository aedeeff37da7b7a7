package stream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
)

// certificate makes one for 127.0.0.1, its PEM file and its fingerprint.
func certificate(t *testing.T) (cert tls.Certificate, file, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "camera"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file, hex.EncodeToString(sum[:])
}

// TestServer watches gortsplib's server in each way in which a camera can be
// reached.
func TestServer(t *testing.T) {
	cert, ca, fingerprint := certificate(t)
	secure := &tls.Config{Certificates: []tls.Certificate{cert}}
	lock := func(o streamtest.Options) streamtest.Options {
		o.Username, o.Password = "ops", "rahasia"
		return o
	}
	key := Config{Username: "ops", Password: "rahasia"}
	tests := map[string]struct {
		server streamtest.Options
		cfg    Config
		state  string
		class  string
		proto  string
		quirk  string
	}{
		"open":                   {streamtest.Options{}, Config{}, StatePlaying, "", "tcp", ""},
		"digest":                 {lock(streamtest.Options{}), key, StatePlaying, "", "tcp", ""},
		"basic":                  {lock(streamtest.Options{Basic: true}), key, StatePlaying, "", "tcp", "takes the password in clear text only (Basic without TLS)"},
		"wrong password":         {lock(streamtest.Options{}), Config{Username: "ops", Password: "salah"}, StateFailed, ClassAuth, "", ""},
		"no password":            {lock(streamtest.Options{}), Config{}, StateFailed, ClassAuth, "", ""},
		"udp":                    {streamtest.Options{UDP: true}, Config{Transport: "udp"}, StatePlaying, "", "udp", ""},
		"udp with digest":        {lock(streamtest.Options{UDP: true}), Config{Transport: "udp", Username: "ops", Password: "rahasia"}, StatePlaying, "", "udp", ""},
		"udp refused, then tcp":  {streamtest.Options{}, Config{Transport: "udp"}, StatePlaying, "", "tcp", ""},
		"rtsps with ca":          {streamtest.Options{TLS: secure}, Config{CAFile: ca}, StatePlaying, "", "tls", ""},
		"rtsps with fingerprint": {streamtest.Options{TLS: secure}, Config{Fingerprint: fingerprint}, StatePlaying, "", "tls", ""},
		"rtsps, digest, both":    {lock(streamtest.Options{TLS: secure}), Config{Fingerprint: fingerprint, CAFile: ca, Username: "ops", Password: "rahasia"}, StatePlaying, "", "tls", ""},
		"rtsps, unknown ca":      {streamtest.Options{TLS: secure}, Config{}, StateFailed, ClassTLS, "", ""},
		"rtsps, other camera":    {streamtest.Options{TLS: secure}, Config{Fingerprint: strings.Repeat("ab", 32)}, StateFailed, ClassTLS, "", ""},
		"rtsps, expired":         {streamtest.Options{TLS: secure}, Config{CAFile: ca, Now: func() time.Time { return time.Now().AddDate(1, 0, 0) }}, StateFailed, ClassTLS, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := serve(t, tt.server)
			feed(t, s, m)
			cfg := tt.cfg
			cfg.URL = s.URL()
			w, out := watch(t, cfg)
			st, _ := out.wait(t, tt.state, 0, is(tt.state, tt.class))
			if st.Class != tt.class || st.Proto != tt.proto {
				t.Errorf("class %q over %q, want %q over %q", st.Class, st.Proto, tt.class, tt.proto)
			}
			if tt.state == StatePlaying && (st.Codec != "H264" || st.Width != 1920 || st.Height != 1080) {
				t.Errorf("it is %s %dx%d, want H264 1920x1080", st.Codec, st.Width, st.Height)
			}
			if st.Since.IsZero() || st.Name != "gate" || st.URL != s.URL() {
				t.Errorf("since %v, name %q, url %q", st.Since, st.Name, st.URL)
			}
			if tt.state == StateFailed && st.Detail == "" {
				t.Error("no detail")
			}
			if tt.quirk != "" && !slices.Contains(w.Status().Quirks, tt.quirk) {
				t.Errorf("quirks %q, want %q", w.Status().Quirks, tt.quirk)
			}
		})
	}
}

// TestTheWayToPlaying: each step is reported once, in order.
func TestTheWayToPlaying(t *testing.T) {
	s, m := serve(t, streamtest.Options{Username: "ops", Password: "rahasia"})
	feed(t, s, m)
	_, out := watch(t, Config{URL: s.URLWithPassword()})
	last, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	if strings.Contains(last.URL, "rahasia") {
		t.Errorf("the password is in the URL %q", last.URL)
	}
	var got []string
	for _, st := range out.all()[:n] {
		got = append(got, st.State)
	}
	want := []string{StateResolving, StateConnecting, StateNegotiating, StateAuthenticating, StatePlaying}
	if !slices.Equal(got, want) {
		t.Errorf("states %q, want %q", got, want)
	}
}

// TestConnectedButDead: no picture comes, while RTCP and the connection go on.
func TestConnectedButDead(t *testing.T) {
	s, m := serve(t, streamtest.Options{})
	stop := feed(t, s, m)
	const after = 2 * time.Second
	_, out := watch(t, Config{URL: s.URL(), SilentAfter: after})
	_, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	stop()
	died := time.Now()
	st, n := out.wait(t, "silent", n, is(StateSilent, ClassNoMedia))
	if took := time.Since(died); took > after {
		t.Errorf("found after %v, want within %v", took, after)
	}
	if st.Detail == "" {
		t.Error("no detail")
	}
	feed(t, s, m)
	out.wait(t, "playing again", n, is(StatePlaying, ""))
}

// TestComesBack: the server goes and comes back on the same port.
func TestComesBack(t *testing.T) {
	s, m := serve(t, streamtest.Options{})
	feed(t, s, m)
	w, out := watch(t, Config{URL: s.URL()})
	_, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	s.Close()
	_, n = out.wait(t, "failed", n, is(StateFailed, ""))
	addr := s.Addr()
	s2, err := streamtest.Start(streamtest.Options{Listen: addr, Medias: s.Medias()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s2.Close)
	feed(t, s2, m)
	st, _ := out.wait(t, "playing", n, is(StatePlaying, ""))
	if st.Attempts != 0 {
		t.Errorf("%d attempts while playing, want 0", st.Attempts)
	}
	for i, st := range out.all()[n:] {
		if st.State != StatePlaying {
			t.Errorf("state %d after the failure is %s, want playing only", i, st.State)
		}
	}
	if got := w.Status(); got.State.State != StatePlaying || got.Step != StatePlaying {
		t.Errorf("status %+v", got.State)
	}
}

// TestOneDoesNotDisturbAnother: beside cameras that are down, hang or flood,
// a good one goes on without a lost packet.
func TestOneDoesNotDisturbAnother(t *testing.T) {
	good, m := serve(t, streamtest.Options{})
	feed(t, good, m)
	hang := startRogue(t, func(c *rogueConn) { c.hang() })
	flood := startRogue(t, func(c *rogueConn) {
		c.play(describeH264, func() {
			for n := uint16(0); c.rtp(n, uint32(n)*90, 7) == nil; n++ {
			}
		})
	})
	for name, url := range map[string]string{"down": "rtsp://127.0.0.1:1/live", "hang": hang, "flood": flood} {
		watch(t, Config{Name: name, URL: url})
	}
	w, out := watch(t, Config{URL: good.URL()})
	out.wait(t, "playing", 0, is(StatePlaying, ""))
	stats := out.waitStats(t, func(s report.StreamStats) bool { return s.WindowMS > 3000 })
	if stats.FPS < 23 || stats.FPS > 27 || stats.PacketsLost != 0 {
		t.Errorf("measured %+v, want 25 pictures a second and no loss", stats)
	}
	if st := w.Status(); st.State.State != StatePlaying {
		t.Errorf("state %s", st.State.State)
	}
}
