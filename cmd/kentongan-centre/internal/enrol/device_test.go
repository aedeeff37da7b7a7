package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent"
	"kentongan/agent/config"
	device "kentongan/agent/enrol"
	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/hal/tpm/tpmtest"
)

// The device's side against the real server.

// disk keeps files as the agent does; after so many saves the power goes: the
// save that was under way is done or not, and nothing works any more.
type disk struct {
	left int  // saves until the cut; negative is never
	last bool // the one that is cut reached the disk
}

var errCut = errors.New("the power is gone")

func (d *disk) Save(file string, text []byte) error {
	if d.left == 0 {
		if d.last {
			d.last = false
			_ = ca.WriteFile(file, text, 0o600) // nobody is told
		}
		return errCut
	}
	d.left--
	return ca.WriteFile(file, text, 0o600)
}

func (d *disk) Load(file string, _ int64) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

func (w *world) centre() *url.URL {
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) parsed(token string) report.EnrolToken {
	t, err := report.ParseEnrolToken(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// keyed makes the server tell a key that can be one.
func keyed(t *testing.T) string {
	_, key, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// good is the pair in an identity; it fails when key and certificate don't go
// together.
func goodPair(t *testing.T, dir string) (*x509.Certificate, bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, device.DeviceFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatalf("half an identity: %v", err)
	}
	return pair.Leaf, true
}

const before = `# mine
device: old-name
uplink:
  brokers: [{url: "mqtt://127.0.0.1:1883"}]
  acknowledge: broker
log: {level: debug}
`

// A power cut at any write of an enrolment leaves the device as it was or
// enrolled, never in between, and the same call finishes it with the same token:
// one certificate is given, however often it was cut.
func TestPowerCutsWhileEnrolling(t *testing.T) {
	t.Parallel()
	saves := 0
	for cut := 0; ; cut++ {
		w := newWorld(t)
		w.keys = []string{keyed(t)}
		dir := t.TempDir()
		o := agent.EnrolOptions{Config: filepath.Join(dir, "kentongan.yaml"), Data: filepath.Join(dir, "data"), Centre: w.centre(), Token: w.parsed(w.token("kiosk-7", false))}
		if err := os.WriteFile(o.Config, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Disk = &disk{left: cut, last: cut%2 == 1}
		_, err := agent.Enrol(t.Context(), o)
		if err == nil {
			saves = cut
			break
		}
		if !errors.Is(err, errCut) {
			t.Fatalf("cut %d: %v", cut, err)
		}
		text, err := os.ReadFile(o.Config)
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.Check(o.Config)
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if string(text) != before && c.Device != "kiosk-7" {
			t.Errorf("cut %d: the configuration is\n%s", cut, text)
		}
		goodPair(t, filepath.Join(o.Data, "identity"))

		o.Disk = &disk{left: -1}
		id, err := agent.Enrol(t.Context(), o)
		if err != nil {
			t.Fatalf("cut %d: again: %v", cut, err)
		}
		list, err := w.book.Certificates(t.Context(), KindDevice, false)
		if err != nil || len(list) != 1 || list[0].Serial != SerialText(id.Certificate.SerialNumber) {
			t.Errorf("cut %d: certificates %v %v, the device has %s", cut, list, err, SerialText(id.Certificate.SerialNumber))
		}
		if c, err = config.Check(o.Config); err != nil || c.Device != "kiosk-7" || c.Log.Level != "debug" {
			t.Errorf("cut %d: %v", cut, err)
		}
	}
	if saves < 6 {
		t.Errorf("%d saves: the cuts did not cover the enrolment", saves)
	}
}

// renewer runs until the device has told something.
func (w *world) renew(dir string, d device.Disk, clock device.Clock, learned func(time.Time)) (told []report.Certificate) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	var mu sync.Mutex // Told comes from Run's goroutine, which is this one's too; the jitter ends it
	passes := 0
	r := device.NewRenewer(device.RenewConfig{
		Dir: dir, Disk: d, Keys: w.deviceKeys, Clock: clock, Learned: learned,
		Told: func(c report.Certificate) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, c)
		},
		Jitter: func(lo, hi time.Duration) time.Duration {
			if passes++; passes > 1 {
				cancel()
			}
			return 0
		},
	}, slog.New(slog.DiscardHandler))
	if err := r.Run(ctx); err != nil {
		w.t.Error(err)
	}
	return told
}

// A device moves from a file into its TPM when its certificate is renewed, and is
// renewed there, with a new key.
func TestRenewInATPM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys = []string{keyed(t)}
	w.deviceKeys = agent.Keys(tpmtest.Start(t).Socket)
	dir := w.enrolled("kiosk-7")
	last, _ := goodPair(t, dir)
	for range 2 {
		w.later(ca.DeviceLife * 3 / 4)
		told := w.renew(dir, &disk{left: -1}, func() (time.Time, bool) { return w.now(), true }, nil)
		if len(told) != 1 || told[0].State != report.CertificateRenewed {
			t.Fatalf("told %v", told)
		}
		text, err := os.ReadFile(filepath.Join(dir, device.DeviceFile))
		if err != nil {
			t.Fatal(err)
		}
		pair, err := w.deviceKeys.Pair(text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("-----BEGIN TSS2 PRIVATE KEY-----")) || bytes.Equal(pair.Leaf.RawSubjectPublicKeyInfo, last.RawSubjectPublicKeyInfo) {
			t.Errorf("no new key in the TPM:\n%s", text)
		}
		last = pair.Leaf
	}
}

func (w *world) enrolled(id string) (dir string) {
	w.t.Helper()
	dir = filepath.Join(w.t.TempDir(), "identity")
	_, err := device.Enrol(w.t.Context(), device.Options{Centre: w.centre(), Token: w.parsed(w.token(id, false)), Dir: dir, Disk: &disk{left: -1}, Clock: func() (time.Time, bool) { return w.now(), true }})
	if err == nil {
		err = device.Finish(dir)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// Renewal begins after two thirds of the life, with a new key each time, and a cut
// at any write leaves a pair that works and is renewed by the next try.
func TestPowerCutsWhileRenewing(t *testing.T) {
	t.Parallel()
	for cut := 0; ; cut++ {
		w := newWorld(t)
		w.keys = []string{keyed(t)}
		dir := w.enrolled("kiosk-7")
		first, _ := goodPair(t, dir)
		clock := func() (time.Time, bool) { return w.now(), true }
		if told := w.renew(dir, &disk{left: -1}, clock, nil); told != nil {
			t.Fatalf("renewed too early: %v", told)
		}
		w.later(ca.DeviceLife * 3 / 4)
		told := w.renew(dir, &disk{left: cut, last: cut%2 == 1}, clock, nil)
		now, ok := goodPair(t, dir)
		if !ok {
			t.Fatalf("cut %d: no identity", cut)
		}
		if len(told) == 1 && told[0].State == report.CertificateRenewed {
			if now.Equal(first) || bytes.Equal(now.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) {
				t.Error("the same key or certificate")
			}
			if cut < 4 {
				t.Errorf("only %d saves", cut)
			}
			return
		}
		w.renew(dir, &disk{left: -1}, clock, nil)
		if now, _ = goodPair(t, dir); now.Equal(first) {
			t.Errorf("cut %d: not renewed after it", cut)
		}
		list, err := w.book.Certificates(t.Context(), KindDevice, false)
		if err != nil || len(list) != 2 {
			t.Errorf("cut %d: %d certificates, want two (%v)", cut, len(list), err)
		}
		if got := w.refusals(); got != nil {
			t.Errorf("cut %d: refused: %v", cut, got)
		}
	}
}

// A board whose clock begins in 1970, and that never hears a time service, enrols
// and renews: it believes the centre about the time.
func TestClockOf1970(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys = []string{keyed(t)}
	known := time.Unix(0, 0)
	clock := func() (time.Time, bool) { return known, false }
	dir := filepath.Join(t.TempDir(), "identity")
	id, err := device.Enrol(t.Context(), device.Options{Centre: w.centre(), Token: w.parsed(w.token("kiosk-7", false)), Dir: dir, Disk: &disk{left: -1}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if id.Time.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("the centre's time is %v", id.Time)
	}
	first, _ := goodPair(t, dir)
	w.later(ca.DeviceLife * 3 / 4)
	told := w.renew(dir, &disk{left: -1}, clock, func(t time.Time) { known = t })
	if len(told) != 1 || told[0].State != report.CertificateRenewed {
		t.Errorf("told %v", told)
	}
	if known.Before(w.now().Add(-time.Hour)) {
		t.Errorf("the device has learned %v", known)
	}
	if now, _ := goodPair(t, dir); now.Equal(first) {
		t.Error("not renewed")
	}
}

// A false centre learns nothing: the token is not sent to it.
func TestFalseCentre(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	asked := make(chan string, 10)
	bare := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer bare.Close()
	bareURL, _ := url.Parse(bare.URL)
	token := w.parsed(w.token("kiosk-7", false))
	for name, centre := range map[string]*url.URL{"another centre": other.centre(), "anybody": bareURL} {
		_, err := device.Enrol(t.Context(), device.Options{Centre: centre, Token: token, Dir: filepath.Join(t.TempDir(), "x"), Disk: &disk{left: -1}, Clock: func() (time.Time, bool) { return time.Now(), true }})
		if !errors.Is(err, device.ErrPin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(asked) > 0 || other.refusals() != nil {
		t.Error("something was asked of a false centre")
	}
	// The right root, for another host: a broker's certificate does not make a centre.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	c, err := w.book.IssueServer(t.Context(), key.Public(), []string{"broker.example"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: bare.Config.Handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw, w.a.Issuing.Raw, w.a.Root.Raw}, PrivateKey: key}}}}
	go func() { _ = srv.ServeTLS(l, "", "") }() // ends with Close
	defer srv.Close()
	_, err = device.Enrol(t.Context(), device.Options{Centre: &url.URL{Scheme: "https", Host: l.Addr().String()}, Token: token, Dir: filepath.Join(t.TempDir(), "x"), Disk: &disk{left: -1}, Clock: func() (time.Time, bool) { return time.Now(), true }})
	if _, ok := errors.AsType[x509.HostnameError](err); !ok || len(asked) > 0 {
		t.Errorf("another host: %v", err)
	}
}

// A device that was refused says so, with the centre's reason, and does not ask
// again by itself.
func TestDeviceIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys = []string{keyed(t)}
	dir := w.enrolled("kiosk-7")
	if _, err := w.book.Revoke(t.Context(), "kiosk-7", "", "stolen"); err != nil {
		t.Fatal(err)
	}
	w.later(ca.DeviceLife * 3 / 4)
	told := w.renew(dir, &disk{left: -1}, func() (time.Time, bool) { return w.now(), true }, nil)
	if len(told) != 1 || told[0].State != report.CertificateRefused || told[0].Reason != report.RefusedRevoked {
		t.Errorf("told %+v", told)
	}
	_, err := device.Enrol(t.Context(), device.Options{Centre: w.centre(), Token: w.parsed(report.EnrolToken{Secret: [16]byte{1}, Pin: ca.Pin(w.a)}.String()), Dir: filepath.Join(t.TempDir(), "x"), Disk: &disk{left: -1}, Clock: func() (time.Time, bool) { return w.now(), true }})
	if no, ok := errors.AsType[device.Refused](err); !ok || no.Reason != report.RefusedToken {
		t.Errorf("a guessed token: %v", err)
	}
}

// What openssl makes of the answers, as a reader that is not ours and not Go's.
func TestOpenSSLReadsTheAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, answer := w.ask("GET", report.PathCACerts, "", "", "", nil)
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(answer)), ""))
	if err != nil {
		t.Fatal(err)
	}
	out := openssl(t, der, "pkcs7", "-inform", "DER", "-print_certs", "-noout")
	if strings.Count(out, "subject=") != 2 || !strings.Contains(out, "Banten root") {
		t.Errorf("openssl reads %q", out)
	}
	list, err := w.book.CRL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, w.a.Bundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := openssl(t, list, "crl", "-CAfile", ca, "-noout", "-nextupdate"); !strings.Contains(out, fmt.Sprint(time.Now().AddDate(0, 0, 3650).Year())) {
		t.Errorf("openssl says of the list %q", out)
	}
}

func openssl(t *testing.T, in []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return string(out)
}
