package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"kentongan/agent/report"
)

// Refused is what the centre does not grant; asking again does not help.
type Refused struct {
	Reason string // one of report's, "" when the centre gave none
	Status int    // of HTTP
}

func (r Refused) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("the centre refuses (HTTP %d)", r.Status)
	}
	return "the centre refuses: " + r.Reason
}

// ErrPin is a centre that is not the one that the token was made at.
var ErrPin = errors.New("this is not the centre that made the token")

// client speaks EST with one centre.
type client struct {
	centre *url.URL
	http   *http.Client
	root   *x509.Certificate // of the centre, once it was seen
}

// trust is whom a client believes.
type trust struct {
	pin   *[16]byte      // of the root, at the first contact
	roots *x509.CertPool // later
	now   func() time.Time
	sure  func() bool // whether now is kept by a time service
	own   *tls.Certificate
}

// requestWithin is for a cellular link that drops every other packet.
const requestWithin = 45 * time.Second

func newClient(centre *url.URL, t trust) *client {
	c := &client{centre: centre}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: centre.Hostname(),
		// VerifyConnection does it, because the first contact knows a hash of the
		// root only, and a board without a clock can't say when a certificate begins.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return c.verify(s, t) },
	}
	if t.own != nil {
		cfg.Certificates = []tls.Certificate{*t.own}
	}
	c.http = &http.Client{
		Timeout:       requestWithin,
		Transport:     &http.Transport{TLSClientConfig: cfg, Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: 16 << 10, TLSHandshakeTimeout: 20 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// verify checks the server's chain as crypto/tls would, from the pinned root or
// the roots that are known.
func (c *client) verify(s tls.ConnectionState, t trust) error {
	leaf := s.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool(), DNSName: c.centre.Hostname(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, CurrentTime: t.now()}
	for _, m := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(m)
		if t.pin != nil && report.PinOf(m.Raw) == *t.pin && m.IsCA {
			o.Roots, c.root = x509.NewCertPool(), m
			o.Roots.AddCert(m)
		}
	}
	if o.Roots == nil {
		return ErrPin
	}
	// Without a clock the time is too early rather than too late, and that a
	// certificate has begun is said by who signed it.
	if !t.sure() {
		for _, m := range s.PeerCertificates {
			if m.NotBefore.After(o.CurrentTime) {
				o.CurrentTime = m.NotBefore
			}
		}
	}
	_, err := leaf.Verify(o)
	return err
}

func (c *client) close() { c.http.CloseIdleConnections() }

// caCerts asks for the chain to believe.
func (c *client) caCerts(ctx context.Context) ([]*x509.Certificate, error) {
	body, err := c.do(ctx, http.MethodGet, report.PathCACerts, "", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the centre's certificates: %w", err)
	}
	certs, err := parseAnswer(body)
	if err != nil {
		return nil, fmt.Errorf("ask for the centre's certificates: %w", err)
	}
	return certs, nil
}

// certificate asks for a certificate: with a token the first one, without it the
// next one. chain is what verifies it.
func (c *client) certificate(ctx context.Context, token string, k Key, uris []*url.URL, chain []*x509.Certificate) (*x509.Certificate, error) {
	der, err := k.request(uris)
	if err != nil {
		return nil, err
	}
	path := report.PathEnrol
	if token == "" {
		path = report.PathReenrol
	}
	body, err := c.do(ctx, http.MethodPost, path, token, []byte(base64.StdEncoding.EncodeToString(der)))
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	certs, err := parseAnswer(body)
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	for _, cert := range certs {
		if k.goes(cert) {
			return cert, checkOwn(cert, chain)
		}
	}
	return nil, errors.New("ask for a certificate: the answer is for another key")
}

// checkOwn sees that a certificate can be what it is for.
func checkOwn(c *x509.Certificate, chain []*x509.Certificate) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: c.NotAfter}
	for _, m := range chain {
		o.Intermediates.AddCert(m)
		if isRoot(m) {
			o.Roots.AddCert(m)
		}
	}
	if _, err := c.Verify(o); err != nil {
		return fmt.Errorf("the new certificate: %w", err)
	}
	if !report.ValidDevice(c.Subject.CommonName) {
		return fmt.Errorf("the new certificate is for %.60q, which can't be a device's id", c.Subject.CommonName)
	}
	return nil
}

func isRoot(c *x509.Certificate) bool {
	return c.IsCA && bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

// enrolment asks for what else the device has to know.
func (c *client) enrolment(ctx context.Context) (e report.Enrolment, err error) {
	body, err := c.do(ctx, http.MethodGet, report.PathEnrolment, "", nil)
	if err != nil {
		return e, fmt.Errorf("ask for the brokers: %w", err)
	}
	e, err = decodeEnrolment(body)
	if err != nil {
		return e, fmt.Errorf("ask for the brokers: %w", err)
	}
	return e, nil
}

func decodeEnrolment(body []byte) (e report.Enrolment, err error) {
	if err := json.Unmarshal(body, &e); err != nil {
		return e, err
	}
	switch {
	case e.V != report.Version:
		return e, fmt.Errorf("version %d, this program knows %d", e.V, report.Version)
	case !report.ValidDevice(e.Device):
		return e, fmt.Errorf("%.60q can't be a device's id", e.Device)
	case len(e.Brokers) == 0 || len(e.Brokers) > maxBrokers:
		return e, fmt.Errorf("%d brokers, want 1 to %d", len(e.Brokers), maxBrokers)
	case len(e.CentreKeys) == 0 || len(e.CentreKeys) > maxKeys:
		return e, fmt.Errorf("%d keys of the centre, want 1 to %d", len(e.CentreKeys), maxKeys)
	}
	_, err = report.ParseCentreURL(e.Centre)
	return e, err
}

// Bounds of an answer.
const (
	maxBrokers = 8
	maxKeys    = 8
)

// do sends one request and returns the answer's body.
func (c *client) do(ctx context.Context, method, path, token string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.centre.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/pkcs10")
	}
	if token != "" {
		r.SetBasicAuth(report.EnrolUser, token)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, report.MaxEnrolAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(answer) > report.MaxEnrolAnswer:
		return nil, fmt.Errorf("an answer of more than %d bytes", report.MaxEnrolAnswer)
	case res.StatusCode == http.StatusOK:
		return answer, nil
	case res.StatusCode >= 500, res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout:
		return nil, fmt.Errorf("the centre says %s", res.Status)
	}
	return nil, Refused{report.Clip(res.Header.Get(report.EnrolReason), 40), res.StatusCode}
}
