package appcheck

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// roots are who may sign; nil is the system's list. The file is read each
// time, so that a new one counts at the next look.
func (p *prober) roots() (*x509.CertPool, error) {
	if p.cfg.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(p.cfg.CA)
	if err != nil {
		return nil, failf(ClassTLS, "ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, failf(ClassTLS, "ca: %s holds no PEM certificate", p.cfg.CA)
	}
	return roots, nil
}

// verify checks the certificates as a browser does, and keeps when the first
// of them expires.
func (v *visit) verify(cs tls.ConnectionState, host string, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	at, trusted := v.time(cs.PeerCertificates)
	o := x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := cs.PeerCertificates[0].Verify(o)
	first := firstExpiring(cs.PeerCertificates)
	if err == nil {
		first = bestChain(chains)
	}
	if trusted && (v.r.expires.IsZero() || first.NotAfter.Before(v.r.expires)) {
		v.r.expires, v.r.at, v.r.subject = first.NotAfter.UTC(), at, first.Subject.CommonName
	}
	return explain(err, cs.PeerCertificates[0], roots == nil && noAuthorities())
}

// time is when certificates are checked, and whether that is now. While the
// clock has not been set, it is the floor, or when the youngest certificate
// begins: nobody could tell that one from a certificate of the future.
func (p *prober) time(shown []*x509.Certificate) (at time.Time, trusted bool) {
	now := p.cfg.Now()
	if !now.Before(p.cfg.Floor) {
		return now, true
	}
	at = p.cfg.Floor
	for _, c := range shown {
		if c.NotBefore.After(at) {
			at = c.NotBefore
		}
	}
	return at, false
}

func firstExpiring(chain []*x509.Certificate) *x509.Certificate {
	first := chain[0]
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	return first
}

// bestChain is the certificate that ends the chain which lasts longest: a
// browser takes whichever is good.
func bestChain(chains [][]*x509.Certificate) *x509.Certificate {
	best := firstExpiring(chains[0])
	for _, c := range chains[1:] {
		if f := firstExpiring(c); f.NotAfter.After(best.NotAfter) {
			best = f
		}
	}
	return best
}

// noAuthorities tells whether the system's list of who may sign is empty or
// can't be read.
func noAuthorities() bool {
	pool, err := x509.SystemCertPool()
	return err != nil || pool.Equal(x509.NewCertPool())
}

// explain adds to the library's words what a technician can act on. bare is a
// machine that trusts nobody.
func explain(err error, leaf *x509.Certificate, bare bool) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, unread := errors.AsType[x509.SystemRootsError](err)
	switch {
	case bare && (unknown || unread):
		return errors.New("this device knows no certificate authority at all, so it can't check any certificate; install the package ca-certificates")
	case unknown:
		return fmt.Errorf("the certificate of %q is signed by %q, which nobody here knows; is an intermediate certificate missing at the server?", leaf.Subject.CommonName, leaf.Issuer.CommonName)
	}
	return err
}

// certDays is how many whole days are left; negative when it has expired; nil
// when there is no certificate or the clock can't tell.
func (r result) certDays() *int {
	if r.expires.IsZero() {
		return nil
	}
	days := int(math.Floor(r.expires.Sub(r.at).Hours() / 24))
	return &days
}

// expiry says in words when the certificate ends.
func (r result) expiry() string {
	days := *r.certDays()
	when := r.expires.Format(time.DateOnly)
	if days < 0 {
		return fmt.Sprintf("the certificate of %q expired %d days ago, on %s", r.subject, -days, when)
	}
	return fmt.Sprintf("the certificate of %q expires in %d days, on %s", r.subject, days, when)
}
