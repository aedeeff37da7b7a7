package enrol

import (
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"kentongan/cmd/kentongan-centre/internal/ca"
)

// ownLife is that of the enrolment server's own certificate, which lives in
// memory only and is made anew when two thirds of it are over.
const ownLife = 30 * 24 * time.Hour

// ownCertificate is what the server shows. get may be called from any goroutine.
type ownCertificate struct {
	cfg Config

	mu    sync.Mutex // guards the two below
	pair  *tls.Certificate
	renew time.Time
}

func (o *ownCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.cfg.Now()
	if o.pair != nil && now.Before(o.renew) {
		return o.pair, nil
	}
	key, err := ca.NewKey()
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	a := o.cfg.Authority
	c, err := a.Issue(ca.Subject{Name: o.cfg.Hosts[0], Public: key.Public(), Hosts: o.cfg.Hosts, Server: true, Life: ownLife}, now)
	if err != nil {
		return nil, err
	}
	// The root goes along: a device that enrols knows only its hash.
	o.pair = &tls.Certificate{Certificate: [][]byte{c.Raw, a.Issuing.Raw, a.Root.Raw}, PrivateKey: key, Leaf: c}
	o.renew = now.Add(ownLife * 2 / 3)
	return o.pair, nil
}
