package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Network is how this board reaches others.
type Network struct {
	Resolver   *net.Resolver // nil is the system's
	ResolvConf string        // "" is /etc/resolv.conf
}

// Interfaces checks that one is connected and has an address, and that named is
// there. With here, a broker on this very machine, nothing else is needed.
func (n Network) Interfaces(named string, here bool) func(context.Context) Verdict {
	return func(context.Context) Verdict {
		all, err := net.Interfaces()
		if err != nil {
			return Say("network.down", "interfaces", err.Error())
		}
		var names, with []string
		connected := false
		for _, i := range all {
			if i.Flags&net.FlagLoopback != 0 && !here {
				continue
			}
			up := i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0
			names = append(names, i.Name)
			connected = connected || up
			if a := address(i); up && a != "" {
				with = append(with, i.Name+" "+a)
			}
		}
		list := strings.Join(names, ", ")
		switch {
		case named != "" && !slices.ContainsFunc(all, func(i net.Interface) bool { return i.Name == named }):
			return Say("network.missing", "name", named, "interfaces", orElse(list, "-"))
		case !connected:
			return Say("network.down", "interfaces", orElse(list, "-"))
		case len(with) == 0:
			return Say("network.address", "interfaces", list)
		}
		return Say("network.ok", "interfaces", strings.Join(with, ", "))
	}
}

// address is an interface's first one that others can reach.
func address(i net.Interface) string {
	addrs, err := i.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			return p.String()
		}
	}
	return ""
}

// Route checks that there is a way to the host, or, for a name, to those who can
// tell its address. It asks the kernel and sends nothing.
func (n Network) Route(host string) func(context.Context) Verdict {
	return func(ctx context.Context) Verdict {
		to := []string{host}
		if _, err := netip.ParseAddr(host); err != nil {
			if to = n.servers(); len(to) == 0 {
				return Say("route.ok", "to", host) // who has none is told by DNS
			}
		}
		for _, t := range to {
			if reachable(ctx, t) {
				return Say("route.ok", "to", t)
			}
		}
		return Say("route.none", "to", strings.Join(to, ", "))
	}
}

// reachable tells whether the kernel knows a way: a UDP socket that is connected
// looks it up.
func reachable(ctx context.Context, to string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", net.JoinHostPort(to, "53"))
	if err != nil {
		return !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETDOWN)
	}
	_ = c.Close()
	return true
}

// servers are the name servers of the machine.
func (n Network) servers() (all []string) {
	text, err := os.ReadFile(n.file())
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "nameserver" {
			all = append(all, f[1])
		}
	}
	return all
}

func (n Network) file() string { return orElse(n.ResolvConf, "/etc/resolv.conf") }

// DNS checks that the host's name has an address.
func (n Network) DNS(host string) func(context.Context) Verdict {
	return func(ctx context.Context) Verdict {
		if _, err := netip.ParseAddr(host); err == nil {
			return Say("dns.literal", "host", host)
		}
		resolver := n.Resolver
		if resolver == nil {
			resolver = net.DefaultResolver
		}
		ips, err := resolver.LookupNetIP(ctx, "ip", host)
		servers := n.servers()
		dns, _ := errors.AsType[*net.DNSError](err)
		switch {
		case err == nil && ips[0].IsUnspecified(), err == nil && ips[0].Unmap().IsLoopback() && host != "localhost":
			return Say("dns.blocked", "host", host, "ip", ips[0].Unmap().String())
		case err == nil:
			return Say("dns.ok", "host", host, "ip", ips[0].Unmap().String())
		case len(servers) == 0:
			return Say("dns.none", "file", n.file())
		case dns != nil && dns.IsNotFound:
			return Say("dns.unknown", "host", host)
		case dns != nil && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED):
			return Say("dns.silent", "servers", strings.Join(servers, ", "))
		}
		return Say("dns.failed", "host", host, "detail", err.Error())
	}
}
