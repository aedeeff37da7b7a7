package onvif

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// address picks, of the addresses that a device claims, the one that is where
// its answer came from. A device that names others only (behind a router, or
// with a lie) is asked where it is, by their path.
func (m match) address(f *Found) string {
	at := url.URL{Scheme: "http", Host: bracketed(f.Addr.String()), Path: DevicePath}
	for i, x := range m.xaddrs {
		u, err := url.Parse(x)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			continue
		}
		if sameHost(u.Hostname(), f.Addr.String()) {
			f.Notes = nil
			return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: u.RawQuery}).String()
		}
		if i == 0 {
			f.Notes = append(f.Notes, fmt.Sprintf("says that it is at %s, and answers from %s; it is asked there", clip(u.Host), f.Addr))
			at.Scheme, at.Path, at.RawQuery = u.Scheme, u.Path, u.RawQuery
			if u.Port() != "" {
				at.Host = net.JoinHostPort(f.Addr.String(), u.Port())
			}
		}
	}
	return at.String()
}

// ParseAddresses reads what a technician writes: an address, or a range as
// 192.168.1.0/24, of which the network's own and the broadcast address are left
// out.
func ParseAddresses(s string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return []netip.Addr{a}, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no address and no range; write 192.168.1.64 or 192.168.1.0/24", s)
	}
	host := p.Addr().BitLen() - p.Bits()
	if host > 12 {
		return nil, fmt.Errorf("%s has more than %d addresses; ask for a part of it, as %s/24", s, MaxAddresses, p.Addr())
	}
	p = p.Masked()
	var all []netip.Addr
	for a := p.Addr(); p.Contains(a); a = a.Next() {
		all = append(all, a)
	}
	if p.Addr().Is4() && host > 1 {
		all = all[1 : len(all)-1]
	}
	return all, nil
}

// scopePrefix is what ONVIF's scopes begin with (ONVIF Core, 7.3.2.2).
const scopePrefix = "onvif://www.onvif.org/"

// scope is what a device says of itself under a heading.
func (m match) scope(heading string) string {
	for _, s := range m.scopes {
		if v, ok := strings.CutPrefix(s, scopePrefix+heading+"/"); ok {
			if plain, err := url.PathUnescape(v); err == nil {
				v = plain
			}
			return clip(v)
		}
	}
	return ""
}
