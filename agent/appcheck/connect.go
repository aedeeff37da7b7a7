package appcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

const (
	maxAddresses = 4               // of one name that are tried
	leastDial    = 2 * time.Second // for each, while time is left
	receiveBytes = 32 << 10        // of the kernel: what a giant answer can cost after we stop reading
)

// hop is one connection: to its end, answer included.
func (v *visit) hop(ctx context.Context, u *url.URL) (answer, error) {
	v.r.hops++
	conn, err := v.connect(ctx, u)
	if err != nil {
		return answer{}, err
	}
	raw := conn
	defer func() {
		v.r.bytes += wireBytes(raw)
		_ = raw.Close() // all that was wanted is read
	}()
	// The deadline covers TLS and HTTP; an end of ctx before it is the agent's.
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return answer{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	if u.Scheme == "https" {
		if conn, err = v.secure(ctx, conn, u.Hostname()); err != nil {
			return answer{}, err
		}
	}
	return v.ask(conn, u)
}

// connect resolves the name and tries its addresses one after the other, as
// the resolver orders them.
func (v *visit) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	began := time.Now()
	addrs, err := v.resolve(ctx, u.Hostname())
	v.r.dns += time.Since(began)
	if err != nil {
		return nil, err
	}
	if v.hops == 0 {
		v.near = nearnessOf(addrs[0])
	}
	began = time.Now()
	defer func() { v.r.connect += time.Since(began) }()
	for i, a := range addrs {
		if nearnessOf(a) > v.near {
			return nil, failf(ClassRedirect, "redirects to %s, which is %s, nearer to the device than the application; that is not followed", u.Host, a)
		}
		var conn net.Conn
		if conn, err = v.dial(ctx, netip.AddrPortFrom(a, port(u)), len(addrs)-i); err == nil {
			v.r.family = IPv6
			if a.Is4() {
				v.r.family = IPv4
			}
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
}

// dial gives one of n addresses its share of the time that is left.
func (v *visit) dial(ctx context.Context, to netip.AddrPort, n int) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	d := net.Dialer{Deadline: time.Now().Add(min(left, max(left/time.Duration(n), leastDial)))}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(receiveBytes) // thrift only
	}
	return conn, nil
}

// nearness is how near to the device an address is. A redirect never leads
// nearer than the application's own address: a stranger's words must not make
// us ask the site's cameras, or our own machine.
type nearness int

const (
	world   nearness = iota
	private          // RFC 1918, RFC 4193
	link             // the same cable
	self             // our own machine, or what is no host's address
)

func nearnessOf(a netip.Addr) nearness {
	switch {
	case a.IsLoopback(), a.IsUnspecified(), a.IsMulticast():
		return self
	case a.IsLinkLocalUnicast():
		return link
	case a.IsPrivate():
		return private
	}
	return world
}

// port is the URL's, or its scheme's.
func port(u *url.URL) uint16 {
	text := u.Port()
	if text == "" {
		text = u.Scheme
	}
	n, err := net.LookupPort("tcp", text)
	if err != nil {
		return 0 // connecting to it will say so
	}
	return uint16(n)
}

func (v *visit) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	network := map[string]string{AnyFamily: "ip", IPv4: "ip4", IPv6: "ip6"}[v.cfg.Family]
	addrs, err := v.cfg.Resolver.LookupNetIP(ctx, network, host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case dns.IsNotFound:
			return nil, failf(ClassDNS, "the name %s has no address (%s)", host, v.cfg.Family)
		case dns.IsTimeout:
			return nil, failf(ClassDNS, "no name server answers for %s", host)
		}
	}
	if err != nil {
		return nil, failf(ClassDNS, "resolve %s: %w", host, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	if len(addrs) == 0 {
		return nil, failf(ClassDNS, "the name %s has no address (%s)", host, v.cfg.Family)
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

// secure is the TLS handshake. The certificates are checked by verify, which
// knows what our clock is worth.
func (v *visit) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	began := time.Now()
	defer func() { v.r.tls += time.Since(began) }()
	roots, err := v.roots()
	if err != nil {
		return nil, err
	}
	c := tls.Client(conn, &tls.Config{
		ServerName:         host,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}, // a post-quantum exchange costs 2.3 KB, and there is no secret here
		ClientSessionCache: v.sessions,
		InsecureSkipVerify: true, // VerifyConnection does it, for resumed sessions too
		VerifyConnection:   func(cs tls.ConnectionState) error { return v.verify(cs, host, roots) },
	})
	if err := c.HandshakeContext(ctx); err != nil {
		switch class := classify(err); class {
		case ClassTimeout, ClassClosed:
			return nil, failf(class, "TLS with %s: %w", host, err)
		}
		return nil, failf(ClassTLS, "TLS with %s: %w", host, err)
	}
	return c, nil
}
