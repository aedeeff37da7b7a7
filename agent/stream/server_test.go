package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/gortsplib/v4"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
	"kentongan/broker-config/brokertest"
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
// How fast that is found is in TestSilentInTime, by a clock that no busy
// machine disturbs.
func TestConnectedButDead(t *testing.T) {
	s, m := serve(t, streamtest.Options{})
	stop := feed(t, s, m)
	_, out := watch(t, Config{URL: s.URL(), SilentAfter: 2 * time.Second})
	_, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	stop()
	st, n := out.wait(t, "silent", n, is(StateSilent, ClassNoMedia))
	if st.Detail == "" {
		t.Error("no detail")
	}
	feed(t, s, m)
	out.wait(t, "playing again", n, is(StatePlaying, ""))
}

// TestSilentInTime: with the default of 10 s, silence is told within 10 s and
// not before 8.5 s, and the session is given up only later.
func TestSilentInTime(t *testing.T) {
	for name, frames := range map[string]int{"after a picture": 25, "never a picture": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newRecord()
				w, err := New(Config{Name: "gate", URL: "rtsp://127.0.0.1/"}, slog.New(slog.DiscardHandler), out)
				if err != nil {
					t.Fatal(err)
				}
				s := newSession(w.target, gortsplib.TransportTCP, w.cfg.Dial, time.Now)
				s.found = found{codec: H264}
				s.meter = newMeter(H264, 90000, time.Now())
				src := &source{m: s.meter, now: time.Now()}
				src.frames(frames, nil)
				died := src.now // the source is ahead of the clock by what it sent
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err = w.watch(ctx, s, make(chan error))
				if !errors.Is(err, errSilent) {
					t.Errorf("the session ended with %v", err)
				}
				for _, st := range out.all() {
					if st.State != StateSilent {
						continue
					}
					took := st.Since.Sub(died)
					if took < 8500*time.Millisecond || took > 10*time.Second {
						t.Errorf("told after %v, want 8.5s to 10s", took)
					}
					if over := time.Since(died); over <= took {
						t.Errorf("given up after %v, silent after %v", over, took)
					}
					return
				}
				t.Error("not told")
			})
		})
	}
}

// TestSilenceIsOurs: a camera that plays and sends nothing at all keeps its
// session beyond the library's ReadTimeout. It was ended by that after 5 s, also
// where silent_after is longer.
func TestSilenceIsOurs(t *testing.T) {
	server, _ := serve(t, streamtest.Options{})
	cfg := Config{Name: "gate", URL: server.URL()}
	target, err := cfg.check()
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(target, gortsplib.TransportTCP, cfg.Dial, time.Now)
	s.client.ReadTimeout = time.Second
	defer s.close()
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- s.client.Wait() }()
	select {
	case err := <-over:
		t.Errorf("the session ended: %v", err)
	case <-time.After(2500 * time.Millisecond): // the library looks each second
	}
}

// TestComesBack: the server goes and comes back on the same port.
func TestComesBack(t *testing.T) {
	s, m := serve(t, streamtest.Options{Listen: brokertest.FreeAddress(t)}) // nobody else gets it meanwhile
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
		// A busy machine may be late with the second server: another failure.
		if st.State != StatePlaying && (st.State != StateFailed || i > 0 && out.all()[n+i-1].State == StatePlaying) {
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
	for name, url := range map[string]string{"down": "rtsp://127.0.0.1:1/live", "hang": hang} {
		watch(t, Config{Name: name, URL: url})
	}
	flooded, _ := watch(t, Config{Name: "flood", URL: flood})
	w, out := watch(t, Config{URL: good.URL()})
	_, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	stats := out.waitStats(t, func(s report.StreamStats) bool { return s.Packets > 50 })
	if stats.PacketsLost != 0 {
		t.Errorf("%d packets lost, want none", stats.PacketsLost)
	}
	for _, st := range out.all()[n:] {
		t.Errorf("the good stream became %s (%s)", st.State, st.Detail)
	}
	if st := w.Status(); st.State.State != StatePlaying {
		t.Errorf("state %s", st.State.State)
	}
	if st := flooded.Status(); st.Measure.Short.Covered > time.Second && st.Measure.Short.BitsPerS > 9*floodBytes {
		t.Errorf("%d bits a second were read of the camera that floods, want at most %d", st.Measure.Short.BitsPerS, 8*floodBytes)
	}
}
