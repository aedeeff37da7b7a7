package enrol

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
)

// A stolen device that is off past the end of its certificate could still renew
// it for half a year: so long it can be revoked, and its id is held.
func TestExpiredButRenewable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, _ := w.device("kiosk-7")
	w.later(ca.DeviceLife + 30*24*time.Hour)
	if _, _, err := w.book.NewToken(t.Context(), "kiosk-7", "", time.Hour, false); !errors.Is(err, ErrHeld) {
		t.Errorf("a token for an id whose device can come back: %v, want ErrHeld", err)
	}
	if n, err := w.book.Revoke(t.Context(), "kiosk-7", "", "stolen"); n != 1 || err != nil {
		t.Fatalf("revoked %d (%v), want the one", n, err)
	}
	if _, names, err := w.book.revoked(t.Context()); err != nil || names["kiosk-7"].IsZero() {
		t.Errorf("names to be thrown off %v (%v), want kiosk-7: its session may be open", names, err)
	}
	if status, reason, _ := w.ask("POST", report.PathReenrol, "application/pkcs10", "", csr(t, newKey(t), x509.CertificateRequest{}), old); status != 403 || reason != report.RefusedRevoked {
		t.Errorf("renewal after it: %d %s, want 403 %s", status, reason, report.RefusedRevoked)
	}
	w.later(graceAfter)
	if _, _, err := w.book.NewToken(t.Context(), "kiosk-7", "", time.Hour, false); err != nil {
		t.Errorf("a token for an id that nobody can hold any more: %v", err)
	}
}

// Who has stolen the key of an issuing authority, maybe of one of before, signs a
// certificate with the serial number of a device's.
func TestStolenIssuingKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, _ := w.device("kiosk-7")
	// The server that asks goes on with the authority that it opened, and takes
	// any other below the same root that a certificate comes with.
	forged := forge(t, w.dir, good.Leaf)
	for _, ask := range []struct{ method, path, kind string }{{"POST", report.PathReenrol, "application/pkcs10"}, {"GET", report.PathEnrolment, ""}} {
		if status, reason, _ := w.ask(ask.method, ask.path, ask.kind, "", csr(t, newKey(t), x509.CertificateRequest{}), forged); status != 401 || reason != report.RefusedStranger {
			t.Errorf("%s: %d %s, want 401 %s", ask.path, status, reason, report.RefusedStranger)
		}
	}
	if status, reason, _ := w.ask("GET", report.PathEnrolment, "", "", "", good); status != 200 {
		t.Errorf("the device itself: %d %s", status, reason)
	}
}

// forge signs, with the key of dir's issuing authority, a certificate as another
// one but for its key.
func forge(t *testing.T, dir string, as *x509.Certificate) *tls.Certificate {
	t.Helper()
	issuer, err := tls.LoadX509KeyPair(filepath.Join(dir, "issuing.pem"), filepath.Join(dir, "issuing.key"))
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, as, issuer.Leaf, key.Public(), issuer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, issuer.Leaf.Raw}, PrivateKey: key}
}

// A role's certificate is no device's, whatever it asks for; and a role can't be
// called like a pattern of the broker's.
func TestRolesDoNotEnrol(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"kentongan.centre", "dinkes.ani"} {
		key := newKey(t)
		c, err := w.book.IssueClient(t.Context(), key.Public(), name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if status, reason, _ := w.ask("POST", report.PathReenrol, "application/pkcs10", "", csr(t, newKey(t), x509.CertificateRequest{}), pairOf(c, key)); status != 401 || reason != report.RefusedStranger {
			t.Errorf("%s renews: %d %s, want 401 %s", name, status, reason, report.RefusedStranger)
		}
	}
	for _, name := range []string{"", ".", "kiosk-7", "a.", ".b", "a..b", "a.+", "#.b", "a.b/c", "A.b", "a.b\n", "a.b\nuser x", "a.b\x00", "a.ｂ", "a.%u", `a.b"`, strings.Repeat("a.", 40) + "a"} {
		if _, err := w.book.IssueClient(t.Context(), newKey(t).Public(), name, time.Hour); err == nil {
			t.Errorf("a role %q was made", name)
		}
		if _, _, err := w.book.NewToken(t.Context(), name, "", time.Hour, false); err == nil && name != "kiosk-7" {
			t.Errorf("a token for %q was made", name)
		}
	}
}

// Many addresses that guess fill neither the book, nor do they keep the device out
// that comes from another one.
func TestManyWhoGuess(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimiter(func() time.Time { return now })
	written := 0
	for i := range 10 * wrongAll {
		guesser := netip.AddrFrom4([4]byte{10, 0, byte(i / wrongBurst / 256), byte(i / wrongBurst)})
		if !l.open(guesser) {
			t.Fatalf("%s may not try for the %d. time", guesser, i%wrongBurst+1)
		}
		if l.wrong(guesser) {
			written++
		}
		if i%wrongBurst == wrongBurst-1 && l.open(guesser) {
			t.Fatalf("%s may try more than %d times", guesser, wrongBurst)
		}
	}
	if written != wrongAll {
		t.Errorf("%d refusals may be written down, want %d", written, wrongAll)
	}
	if !l.open(netip.MustParseAddr("192.0.2.7")) {
		t.Error("an address that never tried is kept out")
	}
}

// Clients that go before their answer are all that tells of a database that hangs: a
// line of it stands in the log, and no more than one a minute, for strangers do that
// as often as they like.
func TestClientsThatGaveUpAreTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Unix(2e9, 0)
	s := NewServer(Config{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, report.PathEnrol, nil)
	for n, want := range []int{1, 1, 1, 2} {
		if n == 3 {
			now = now.Add(time.Minute)
		}
		s.refused(httptest.NewRecorder(), r, fmt.Errorf("read token: %w", context.Canceled))
		if n := strings.Count(log.String(), "read token: context canceled"); n != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, &log)
		}
	}
}
