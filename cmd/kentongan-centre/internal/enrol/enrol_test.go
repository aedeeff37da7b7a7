package enrol

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	device "kentongan/agent/enrol"
	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
)

// world is a centre's authority, its book, and its server on loopback, with a
// clock that the test sets.
type world struct {
	t          *testing.T
	a          *ca.Authority
	book       *Book
	url        string
	dir        string
	keys       []string     // that devices are told
	deviceKeys device.Keys  // nil is files
	at         atomic.Int64 // nanoseconds after the real clock
}

func (w *world) now() time.Time        { return time.Now().Add(time.Duration(w.at.Load())) }
func (w *world) later(d time.Duration) { w.at.Add(int64(d)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), keys: []string{"kentongan-centre+1+x"}}
	var err error
	if w.a, err = ca.Init(w.dir, w.dir, "Banten", time.Now()); err != nil {
		t.Fatal(err)
	}
	if w.book, err = OpenBook(w.dir, w.a); err != nil {
		t.Fatal(err)
	}
	w.book.now = w.now
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "https://" + l.Addr().String()
	s := NewServer(Config{
		Authority: w.a, Book: w.book, Hosts: []string{"127.0.0.1"}, Centre: w.url,
		Brokers:    []report.EnrolBroker{{URL: "mqtts://broker.example:8883"}},
		CentreKeys: func() []string { return w.keys }, Now: w.now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, w.book.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) token(device string, replaces bool) string {
	w.t.Helper()
	tok, _, err := w.book.NewToken(context.Background(), device, "Sari", 24*time.Hour, replaces)
	if err != nil {
		w.t.Fatal(err)
	}
	return tok.String()
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ca.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func csr(t *testing.T, key any, tmpl x509.CertificateRequest) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// ask sends a request and returns the answer's status, reason and body.
func (w *world) ask(method, path, contentType, password, body string, pair *tls.Certificate) (status int, reason string, answer []byte) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if password != "" {
		r.SetBasicAuth(report.EnrolUser, password)
	}
	cfg := &tls.Config{RootCAs: w.a.Pool(), Time: w.now}
	if pair != nil {
		cfg.Certificates = []tls.Certificate{*pair}
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}, Timeout: 90 * time.Second}
	res, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get(report.EnrolReason), answer
}

func (w *world) enrol(password, csr string) (int, string, []byte) {
	w.t.Helper()
	return w.ask("POST", report.PathEnrol, "application/pkcs10", password, csr, nil)
}

// certs reads a certs-only answer with a library that is not ours.
func certs(t *testing.T, answer []byte) []*x509.Certificate {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(answer)), ""))
	if err != nil {
		t.Fatalf("answer %.80q: %v", answer, err)
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return p7.Certificates
}

// device enrols one.
func (w *world) device(id string) (*tls.Certificate, *ecdsa.PrivateKey) {
	w.t.Helper()
	key := newKey(w.t)
	status, reason, answer := w.enrol(w.token(id, false), csr(w.t, key, x509.CertificateRequest{}))
	if status != http.StatusOK {
		w.t.Fatalf("enrol %s: %d %s", id, status, reason)
	}
	return pairOf(certs(w.t, answer)[0], key), key
}

func pairOf(c *x509.Certificate, key *ecdsa.PrivateKey) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func (w *world) refusals() (reasons []string) {
	w.t.Helper()
	list, err := w.book.Entries(context.Background(), WhatRefused, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		reasons = append(reasons, e.Reason)
	}
	return reasons
}

// The centre sets the name, whatever the device asks for; the certificate is a
// client's and carries the name once.
func TestEnrol(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t)
	record := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	request := csr(t, key, x509.CertificateRequest{URIs: []*url.URL{report.RecordKeyURI(record)}})
	token := w.token("kiosk-7", false)
	status, reason, answer := w.enrol(token, request)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, reason)
	}
	c := certs(t, answer)[0]
	if c.Subject.String() != "CN=kiosk-7" || len(c.DNSNames)+len(c.URIs)+len(c.IPAddresses)+len(c.EmailAddresses) != 0 {
		t.Errorf("subject %s, names %v %v", c.Subject, c.DNSNames, c.URIs)
	}
	opts := x509.VerifyOptions{Roots: w.a.Pool(), Intermediates: w.a.Between(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := c.Verify(opts); err != nil {
		t.Error(err)
	}
	opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := c.Verify(opts); err == nil {
		t.Error("a device could play the broker with its certificate")
	}
	if !key.PublicKey.Equal(c.PublicKey) {
		t.Error("the certificate is for another key")
	}

	// The answer was lost: the same request again has the same answer, without
	// another certificate.
	if status, _, again := w.enrol(token, request); status != http.StatusOK || !certs(t, again)[0].Equal(c) {
		t.Errorf("repeated: %d", status)
	}

	status, _, answer = w.ask("GET", report.PathEnrolment, "", "", "", pairOf(c, key))
	var e report.Enrolment
	if err := json.Unmarshal(answer, &e); status != http.StatusOK || err != nil || e.Device != "kiosk-7" || len(e.Brokers) != 1 || len(e.CentreKeys) != 1 || e.Centre != w.url {
		t.Errorf("enrolment: %d %+v %v", status, e, err)
	}
	if status, _, answer := w.ask("GET", report.PathCACerts, "", "", "", nil); status != http.StatusOK || len(certs(t, answer)) != 2 || !certs(t, answer)[0].Equal(w.a.Root) {
		t.Errorf("cacerts: %d", status)
	}
	if got := w.refusals(); got != nil {
		t.Errorf("refusals %v", got)
	}
}

// Everything that is refused says why, changes nothing, and is written down.
func TestEnrolRefuses(t *testing.T) {
	t.Parallel()
	rsaLike, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := report.EnrolToken{Secret: [16]byte{1}}.String()
	empty := x509.CertificateRequest{}
	tests := map[string]struct {
		token  func(w *world) string // "" is kiosk-7's own
		body   func(w *world) string // nil is a good request
		kind   string
		status int
		reason string
	}{
		"no token":     {token: func(*world) string { return "" }, status: 401, reason: report.RefusedToken},
		"guessed":      {token: func(*world) string { return other }, status: 401, reason: report.RefusedToken},
		"no such text": {token: func(*world) string { return "letmein" }, status: 401, reason: report.RefusedToken},
		"wrong type":   {kind: "application/json", status: 415, reason: report.RefusedType},
		"giant":        {body: func(*world) string { return strings.Repeat("A", report.MaxEnrolBytes+1) }, status: 413, reason: report.RefusedLarge},
		"no base64":    {body: func(*world) string { return "?" }, status: 400, reason: report.RefusedRequest},
		"no request":   {body: func(*world) string { return "AAAA" }, status: 400, reason: report.RefusedRequest},
		"another's name": {body: func(w *world) string {
			return csr(w.t, newKey(w.t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "kiosk-8"}})
		}, status: 403, reason: report.RefusedName},
		"the broker's": {body: func(w *world) string {
			return csr(w.t, newKey(w.t), x509.CertificateRequest{DNSNames: []string{"broker"}})
		}, status: 403, reason: report.RefusedName},
		"another curve": {body: func(w *world) string { return csr(w.t, rsaLike, empty) }, status: 400, reason: report.RefusedKey},
		"a forged request": {body: func(w *world) string {
			der, _ := base64.StdEncoding.DecodeString(csr(w.t, newKey(w.t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "kiosk-7"}}))
			return base64.StdEncoding.EncodeToString(bytes.Replace(der, []byte("kiosk-7"), []byte("kiosk-8"), 1))
		}, status: 400, reason: report.RefusedRequest},
		"expired": {token: func(w *world) string { s := w.token("kiosk-7", false); w.later(25 * time.Hour); return s }, status: 403, reason: report.RefusedExpired},
		"withdrawn": {token: func(w *world) string {
			s := w.token("kiosk-7", false)
			w.token("kiosk-7", false) // a newer one
			return s
		}, status: 403, reason: report.RefusedWithdrawn},
		"replayed": {token: func(w *world) string {
			s := w.token("kiosk-7", false)
			if status, _, _ := w.enrol(s, csr(w.t, newKey(w.t), empty)); status != 200 {
				w.t.Fatal("the first use failed")
			}
			return s
		}, status: 403, reason: report.RefusedUsed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token, body, kind := "", csr(t, newKey(t), empty), "application/pkcs10"
			if tt.token != nil {
				token = tt.token(w)
			} else {
				token = w.token("kiosk-7", false)
			}
			if tt.body != nil {
				body = tt.body(w)
			}
			if tt.kind != "" {
				kind = tt.kind
			}
			before, err := w.book.Certificates(t.Context(), "", false)
			if err != nil {
				t.Fatal(err)
			}
			status, reason, _ := w.ask("POST", report.PathEnrol, kind, token, body, nil)
			if status != tt.status || reason != tt.reason {
				t.Errorf("%d %q, want %d %q", status, reason, tt.status, tt.reason)
			}
			if got := w.refusals(); len(got) != 1 || got[0] != tt.reason {
				t.Errorf("written down: %v, want %s", got, tt.reason)
			}
			if after, err := w.book.Certificates(t.Context(), "", false); err != nil || len(after) != len(before) {
				t.Errorf("%d certificates, were %d (%v)", len(after), len(before), err)
			}
		})
	}
}

// A second device can't have the id of one that is enrolled: neither is a token
// made for it, nor is one good that was made before. With --replace it can, and
// the first one's certificate is revoked.
func TestSecondDeviceOfOneID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, _ := w.device("kiosk-7")
	if _, _, err := w.book.NewToken(t.Context(), "kiosk-7", "", time.Hour, false); !errors.Is(err, ErrHeld) {
		t.Errorf("a second token: %v", err)
	}
	// One that was made by an older copy of the book.
	if _, err := w.book.db.Exec(`UPDATE token SET used_at = 0, serial = ''`); err != nil {
		t.Fatal(err)
	}
	var hash []byte
	if err := w.book.db.QueryRow(`SELECT hash FROM token`).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	tok, _, err := w.book.NewToken(t.Context(), "kiosk-7", "", time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.book.db.Exec(`UPDATE token SET replaces = 0 WHERE hash <> ?`, hash); err != nil {
		t.Fatal(err)
	}
	if status, reason, _ := w.enrol(tok.String(), csr(t, newKey(t), x509.CertificateRequest{})); status != 403 || reason != report.RefusedClaimed {
		t.Errorf("claimed: %d %s", status, reason)
	}
	if _, err := w.book.db.Exec(`UPDATE token SET replaces = 1 WHERE hash <> ?`, hash); err != nil {
		t.Fatal(err)
	}
	if status, reason, _ := w.enrol(tok.String(), csr(t, newKey(t), x509.CertificateRequest{})); status != 200 {
		t.Errorf("replaces: %d %s", status, reason)
	}
	if status, reason, _ := w.ask("GET", report.PathEnrolment, "", "", "", first); status != 403 || reason != report.RefusedRevoked {
		t.Errorf("the first device: %d %s", status, reason)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, _ := w.device("kiosk-7")
	renew := func(pair *tls.Certificate, body string) (int, string, []byte) {
		return w.ask("POST", report.PathReenrol, "application/pkcs10", "", body, pair)
	}
	if status, reason, _ := renew(nil, csr(t, newKey(t), x509.CertificateRequest{})); status != 401 || reason != report.RefusedStranger {
		t.Errorf("without a certificate: %d %s", status, reason)
	}
	if status, reason, _ := renew(old, csr(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "kiosk-8"}})); status != 403 || reason != report.RefusedName {
		t.Errorf("another's name: %d %s", status, reason)
	}
	w.later(ca.DeviceLife + 100*24*time.Hour) // off for long: over, and still renewed
	if status, _, _ := w.ask("GET", report.PathEnrolment, "", "", "", old); status != 401 {
		t.Errorf("an expired certificate is good for more than its renewal: %d", status)
	}
	key := newKey(t)
	request := csr(t, key, x509.CertificateRequest{})
	status, reason, answer := renew(old, request)
	if status != 200 {
		t.Fatalf("renew: %d %s", status, reason)
	}
	next := certs(t, answer)[0]
	if status, _, again := renew(old, request); status != 200 || !certs(t, again)[0].Equal(next) {
		t.Errorf("repeated, as after a lost answer: %d", status)
	}
	if status, reason, _ := renew(old, csr(t, newKey(t), x509.CertificateRequest{})); status != 403 || reason != report.RefusedClone {
		t.Errorf("a copied card: %d %s", status, reason)
	}
	// Somebody looked, and the second key was the device's after all.
	if _, err := w.book.Revoke(t.Context(), "", SerialText(next.SerialNumber), "never arrived"); err != nil {
		t.Fatal(err)
	}
	if status, reason, _ := renew(old, csr(t, newKey(t), x509.CertificateRequest{})); status != 200 {
		t.Errorf("after the lost one was revoked: %d %s", status, reason)
	}
	w.later(graceAfter)
	if status, reason, _ := renew(old, csr(t, newKey(t), x509.CertificateRequest{})); status != 401 || reason != report.RefusedStranger {
		t.Errorf("over for too long: %d %s", status, reason)
	}
	foreign := newWorld(t)
	stranger, _ := foreign.device("kiosk-7")
	if status, reason, _ := renew(stranger, csr(t, newKey(t), x509.CertificateRequest{})); status != 401 || reason != report.RefusedStranger {
		t.Errorf("of another centre: %d %s", status, reason)
	}
}

func TestRecordKeyStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func(seed byte) x509.CertificateRequest {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)).Public().(ed25519.PublicKey)
		return x509.CertificateRequest{URIs: []*url.URL{report.RecordKeyURI(key)}}
	}
	key := newKey(t)
	status, _, answer := w.enrol(w.token("kiosk-7", false), csr(t, key, with(1)))
	if status != 200 {
		t.Fatal(status)
	}
	pair := pairOf(certs(t, answer)[0], key)
	if status, reason, _ := w.ask("POST", report.PathReenrol, "application/pkcs10", "", csr(t, newKey(t), with(2)), pair); status != 403 || reason != report.RefusedRecordKey {
		t.Errorf("another record key: %d %s", status, reason)
	}
	if status, _, _ := w.ask("POST", report.PathReenrol, "application/pkcs10", "", csr(t, newKey(t), with(1)), pair); status != 200 {
		t.Errorf("the same record key: %d", status)
	}
}

// Who guesses is stopped after five, also with a token that would have been good,
// and the book is not filled with it.
func TestGuessingStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.token("kiosk-7", false)
	body := csr(t, newKey(t), x509.CertificateRequest{})
	var throttled int
	for i := range 20 {
		status, _, _ := w.enrol(report.EnrolToken{Secret: [16]byte{byte(i), 1}}.String(), body)
		if status == http.StatusTooManyRequests {
			throttled++
		} else if status != 401 {
			t.Errorf("guess %d: %d", i, status)
		}
	}
	if throttled != 20-wrongBurst {
		t.Errorf("%d of 20 guesses were throttled, want %d", throttled, 20-wrongBurst)
	}
	if status, _, _ := w.enrol(good, body); status != http.StatusTooManyRequests {
		t.Errorf("the right one after them: %d", status)
	}
	if got := len(w.refusals()); got != wrongBurst {
		t.Errorf("%d written down, want %d", got, wrongBurst)
	}
	w.later(wrongEvery + time.Second)
	if status, reason, _ := w.enrol(good, body); status != 200 {
		t.Errorf("after a pause: %d %s", status, reason)
	}
}

// The wall restarts; what is on the disk says what was used.
func TestBookOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token("kiosk-7", false)
	if status, _, _ := w.enrol(token, csr(t, newKey(t), x509.CertificateRequest{})); status != 200 {
		t.Fatal(status)
	}
	again, err := OpenBook(w.dir, w.a)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	parsed, err := report.ParseEnrolToken(token)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := base64.StdEncoding.DecodeString(csr(t, newKey(t), x509.CertificateRequest{}))
	req, err := ParseRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	_, err = again.Redeem(t.Context(), parsed, req, "")
	if no, ok := errors.AsType[Refusal](err); !ok || no.Reason != report.RefusedUsed {
		t.Errorf("in another process: %v", err)
	}
	var secret int
	text := parsed.Secret[:]
	if err := again.db.QueryRow(`SELECT count(*) FROM token WHERE hash = ?`, text).Scan(&secret); err != nil || secret != 0 {
		t.Errorf("the secret itself stands in the book (%v)", err)
	}
}

func FuzzRequest(f *testing.F) {
	key, err := ca.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "kiosk-7"}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(base64.StdEncoding.EncodeToString(der)))
	f.Add([]byte("AAAA"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRequest(body)
		if err != nil {
			if _, ok := errors.AsType[Refusal](err); !ok {
				t.Errorf("%q: %v is no refusal", body, err)
			}
			return
		}
		if r.csr.CheckSignature() != nil || r.csr.PublicKeyAlgorithm != x509.ECDSA {
			t.Errorf("%q was taken", body)
		}
	})
}
