// Package enrol lets devices in: it gives out one-time tokens, answers EST (RFC
// 7030) with certificates, keeps the book of both, and sees to it that a
// revocation takes effect on a running broker.
//
//	token new ─► QR ─► kentongan enrol ─► simpleenroll ─► certificate
//	                                      simplereenroll (with the certificate)
//	ca revoke ─► list of revoked ─► broker reads it ─► open session is ended
//
// The centre sets the name in a certificate; a device can't choose it. What is
// refused is written down with its reason and the address that asked.
package enrol

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
	"golang.org/x/time/rate"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/crowd"
)

// Config is what a Server needs.
type Config struct {
	Authority  *ca.Authority
	Book       *Book
	Hosts      []string // names and addresses that the server's certificate is for
	Centre     string   // https://HOST:PORT, as devices reach it
	Brokers    []report.EnrolBroker
	CentreKeys func() []string // note verifier keys, the first one signs now
	// Register is told of a device's record key, at its first certificate and at
	// each renewal; nil where nobody asks.
	Register func(ctx context.Context, device string, key ed25519.PublicKey, first bool) error
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
}

// Server answers devices that enrol and renew.
type Server struct {
	cfg   Config
	limit *limiter
	gone  *rate.Limiter // lines of the log for clients that went before their answer
	own   ownCertificate
}

// NewServer makes a Server; Run serves.
func NewServer(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Server{cfg: cfg, limit: newLimiter(cfg.Now), gone: rate.NewLimiter(rate.Every(time.Minute), 1), own: ownCertificate{cfg: cfg}}
}

// graceAfter is how long after its end a certificate still can be renewed: a
// device that was off for months comes back without a visit. A revoked one can't.
const graceAfter = 180 * 24 * time.Hour

// TLS is what a listener for the server speaks. Certificates of clients are asked
// for and judged by each request, which knows whether one that is over will do.
func (s *Server) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert, GetCertificate: s.own.get}
}

// connections may be open at a time: a request takes a moment, and many devices may
// share an address.
var connections = crowd.Bounds{All: 512, Each: 64}

// Run serves on l until ctx ends.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), TLSConfig: s.TLS(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeTLS(crowd.Around(l, connections), "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve enrolment: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // they had their time
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve enrolment: %w", err)
	}
	return nil
}

// Handler is all that the server answers.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+report.PathCACerts, s.caCerts)
	mux.HandleFunc("GET "+report.PathCSRAttrs, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST "+report.PathEnrol, s.enrol)
	mux.HandleFunc("POST "+report.PathReenrol, s.renew)
	mux.HandleFunc("GET "+report.PathEnrolment, s.enrolment)
	mux.HandleFunc("GET /enrol", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "Kode ini untuk perangkat, bukan untuk peramban: jalankan `kentongan enrol TAUTAN` di perangkat.\nThis code is for a device, not for a browser: run `kentongan enrol LINK` on the device.\n")
	})
	return mux
}

// caCerts gives the chain that a device is to believe (RFC 7030, 4.1). It is
// public.
func (s *Server) caCerts(w http.ResponseWriter, _ *http.Request) {
	s.certificates(w, s.cfg.Authority.Root, s.cfg.Authority.Issuing)
}

// enrol gives a first certificate for a token (RFC 7030, 4.2.1, with 3.2.3).
func (s *Server) enrol(w http.ResponseWriter, r *http.Request) {
	from := addressOf(r)
	if !s.limit.open(from) {
		s.refused(w, r, refuse(report.RefusedRate, "", "too many refusals"))
		return
	}
	_, password, ok := r.BasicAuth()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="kentongan enrolment"`)
		s.refused(w, r, refuse(report.RefusedToken, "", "no token"))
		return
	}
	token, err := report.ParseEnrolToken(password)
	if err != nil {
		s.refused(w, r, refuse(report.RefusedToken, "", "%v", err))
		return
	}
	req, err := s.request(w, r)
	if err != nil {
		s.refused(w, r, err)
		return
	}
	c, err := s.cfg.Book.Redeem(r.Context(), token, req, from.String())
	s.answer(w, r, c, req, true, err)
}

// renew gives the next certificate to whoever shows the one before (4.2.2).
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	old, err := s.client(r, graceAfter)
	if err != nil {
		s.refused(w, r, err)
		return
	}
	req, err := s.request(w, r)
	if err != nil {
		s.refused(w, r, err)
		return
	}
	c, err := s.cfg.Book.Renew(r.Context(), old, req, addressOf(r).String())
	s.answer(w, r, c, req, false, err)
}

// enrolment tells a device that shows its certificate what else it has to know.
func (s *Server) enrolment(w http.ResponseWriter, r *http.Request) {
	c, err := s.client(r, 0)
	var device string
	if err == nil {
		device, err = s.cfg.Book.known(r.Context(), c)
	}
	if err != nil {
		s.refused(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(report.Enrolment{ // the client has gone
		V: report.Version, Device: device, Time: s.cfg.Now().UTC().Truncate(time.Second),
		Centre: s.cfg.Centre, Brokers: s.cfg.Brokers, CentreKeys: s.cfg.CentreKeys(),
	})
}

// client is the certificate that a request shows, signed by our authority and
// over for no longer than grace.
func (s *Server) client(r *http.Request, grace time.Duration) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, refuse(report.RefusedStranger, "", "no certificate")
	}
	c, at := r.TLS.PeerCertificates[0], s.cfg.Now()
	if at.After(c.NotAfter) && at.Before(c.NotAfter.Add(grace)) {
		at = c.NotAfter
	}
	between := s.cfg.Authority.Between()
	for _, more := range r.TLS.PeerCertificates[1:] {
		between.AddCert(more) // of an issuing authority before this one
	}
	_, err := c.Verify(x509.VerifyOptions{Roots: s.cfg.Authority.Pool(), Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, Refusal{Reason: report.RefusedStranger, Serial: report.Clip(SerialText(c.SerialNumber), 40), Detail: err.Error()}
	}
	return c, nil
}

// request reads the certificate request in a body: base64 of DER, as RFC 8951
// has it.
func (s *Server) request(w http.ResponseWriter, r *http.Request) (*Request, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/pkcs10" {
		return nil, refuse(report.RefusedType, "", "content type %.60q; want application/pkcs10", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, report.MaxEnrolBytes))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, refuse(report.RefusedLarge, "", "more than %d bytes", report.MaxEnrolBytes)
	}
	if err != nil {
		return nil, refuse(report.RefusedRequest, "", "read body: %v", err)
	}
	return decodeRequest(body)
}

func decodeRequest(body []byte) (*Request, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), ""))
	if err != nil {
		return nil, refuse(report.RefusedRequest, "", "not base64: %v", err)
	}
	return ParseRequest(der)
}

// answer gives the certificate, or says why not. Who registers record keys is
// told before the device knows that it is enrolled.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *x509.Certificate, req *Request, first bool, err error) {
	if err == nil && s.cfg.Register != nil && req.recordKey != nil {
		err = s.cfg.Register(r.Context(), c.Subject.CommonName, req.recordKey, first)
	}
	if err != nil {
		s.refused(w, r, err)
		return
	}
	s.cfg.Log.Info("certificate given", "device", c.Subject.CommonName, "serial", SerialText(c.SerialNumber), "until", c.NotAfter.Format(time.DateOnly), "addr", addressOf(r))
	s.certificates(w, c)
}

// certificates writes a certs-only answer (4.1.3).
func (s *Server) certificates(w http.ResponseWriter, list ...*x509.Certificate) {
	var der []byte
	for _, c := range list {
		der = append(der, c.Raw...)
	}
	p7, err := pkcs7.DegenerateCertificate(der)
	if err != nil {
		s.cfg.Log.Error("answer not made", "err", err)
		http.Error(w, "the answer could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
	w.Header().Set("Content-Transfer-Encoding", "base64")
	w.Header().Set("Cache-Control", "no-store")
	text := base64.StdEncoding.EncodeToString(p7)
	for len(text) > 0 {
		n := min(64, len(text))
		_, _ = io.WriteString(w, text[:n]+"\r\n") // the client has gone
		text = text[n:]
	}
}

// status of each refusal.
func status(reason string) int {
	switch reason {
	case report.RefusedToken, report.RefusedStranger:
		return http.StatusUnauthorized
	case report.RefusedType:
		return http.StatusUnsupportedMediaType
	case report.RefusedLarge:
		return http.StatusRequestEntityTooLarge
	case report.RefusedRequest, report.RefusedKey:
		return http.StatusBadRequest
	case report.RefusedRate:
		return http.StatusTooManyRequests
	}
	return http.StatusForbidden
}

// refused answers and writes down what was not granted; an error that is no
// Refusal is ours, and says so without telling more.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, err error) {
	no, ok := errors.AsType[Refusal](err)
	if !ok && r.Context().Err() != nil {
		// Whoever likes to could fill the log with that; but of a database that hangs
		// nothing else tells.
		if s.gone.AllowN(s.cfg.Now(), 1) {
			s.cfg.Log.Warn("enrolment not answered", "addr", addressOf(r), "err", err, "why", "the device gave up; if all do, see whether the disk of the centre's data hangs")
		}
		return
	}
	if !ok {
		s.cfg.Log.Error("enrolment failed", "err", err)
		http.Error(w, "the centre could not do it; try again", http.StatusInternalServerError)
		return
	}
	from := addressOf(r)
	w.Header().Set(report.EnrolReason, no.Reason)
	if no.Reason == report.RefusedRate {
		w.Header().Set("Retry-After", "120")
	}
	http.Error(w, "refused: "+no.Reason, status(no.Reason))
	if !s.limit.open(from) || !s.limit.wrong(from) {
		s.limit.passed()
		return
	}
	e := Entry{What: WhatRefused, Reason: no.Reason, Device: no.Device, Address: from.String(), Serial: no.Serial, Detail: no.Detail, More: s.limit.more()}
	s.cfg.Log.Warn("enrolment refused", "reason", e.Reason, "device", e.Device, "addr", e.Address, "serial", e.Serial, "detail", e.Detail, "more", e.More)
	if err := s.cfg.Book.Note(context.WithoutCancel(r.Context()), e); err != nil {
		s.cfg.Log.Error("refusal not written down", "err", err)
	}
}

func addressOf(r *http.Request) netip.Addr { return crowd.Address(r.RemoteAddr) }
