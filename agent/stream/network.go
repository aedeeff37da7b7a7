package stream

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Path is what this board's own network knows of the way to a camera.
type Path struct {
	Here      bool // the address is this board's own
	OnLink    bool // no router in between
	Interface string
	LinkDown  bool   // the interface that leads there has no carrier, or there is no way at all
	Neighbour string // on the link: one of the constants below
}

// What the neighbour table says.
const (
	NeighbourUnknown = ""        // nothing, or it does not apply
	NeighbourThere   = "there"   // it answered ARP
	NeighbourMissing = "missing" // it does not answer ARP
)

// lookPath asks the kernel. It does not send anything.
func lookPath(to netip.Addr) Path {
	to = to.Unmap()
	if !to.IsValid() {
		return Path{LinkDown: !anyLink()}
	}
	if to.IsLoopback() {
		return Path{Here: true, OnLink: true}
	}
	if p, ok := pathOnLink(to); ok {
		return p
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil || !to.Is4() {
		return Path{LinkDown: !anyLink()}
	}
	name, ok := routeFor(routes, to)
	return Path{Interface: name, LinkDown: !ok || !carrier(name)}
}

// pathOnLink finds the interface whose network has the address.
func pathOnLink(to netip.Addr) (Path, bool) {
	all, err := net.Interfaces()
	if err != nil {
		return Path{}, false
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Contains(to) {
				continue
			}
			out := Path{Here: p.Addr() == to, OnLink: true, Interface: i.Name, LinkDown: !carrier(i.Name)}
			if table, err := os.ReadFile("/proc/net/arp"); err == nil && !out.Here {
				out.Neighbour = neighbour(table, to)
			}
			return out, true
		}
	}
	return Path{}, false
}

// anyLink tells whether this board has any interface that works.
func anyLink() bool {
	all, err := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0 {
			return true
		}
	}
	return err != nil
}

// carrier tells whether an interface is up and has a signal.
func carrier(name string) bool {
	i, err := net.InterfaceByName(name)
	return err == nil && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0
}

// neighbour looks an address up in the kernel's table of /proc/net/arp:
//
//	IP address       HW type     Flags       HW address            Mask     Device
//	10.9.0.7         0x1         0x2         02:42:ac:11:00:02     *        eth0
//
// Flag 0x2 (ATF_COM, linux/if_arp.h) is set for who answered; a neighbour that
// is asked in vain stands there without it.
func neighbour(table []byte, to netip.Addr) string {
	const atfCom, atfPerm = 0x2, 0x4
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 6 {
			continue
		}
		if a, err := netip.ParseAddr(f[0]); err != nil || a != to {
			continue
		}
		flags, err := strconv.ParseUint(strings.TrimPrefix(f[2], "0x"), 16, 32)
		switch {
		case err != nil:
			return NeighbourUnknown
		case flags&(atfCom|atfPerm) != 0:
			return NeighbourThere
		}
		return NeighbourMissing
	}
	return NeighbourUnknown
}

// routeFor finds the interface of the longest route in the kernel's table of
// /proc/net/route, whose addresses are hexadecimal in the machine's byte order:
//
//	Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      ...
//	eth0   00000000     0100A8C0  0003   0       0    0       00000000  ...
func routeFor(table []byte, to netip.Addr) (name string, ok bool) {
	const rtfUp, rtfReject = 0x1, 0x200
	longest := -1
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 8 {
			continue
		}
		dst, err1 := routeAddr(f[1])
		mask, err2 := routeAddr(f[7])
		flags, err3 := strconv.ParseUint(f[3], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || flags&rtfUp == 0 {
			continue
		}
		bits := 0
		match := true
		for i, b := range to.As4() {
			match = match && b&mask[i] == dst[i]
			for m := mask[i]; m != 0; m <<= 1 {
				bits++
			}
		}
		if match && bits > longest {
			longest, name, ok = bits, f[0], flags&rtfReject == 0
		}
	}
	return name, ok
}

// routeAddr reads an address of /proc/net/route. All boards that we build for
// are little-endian.
func routeAddr(s string) (a [4]byte, err error) {
	n, err := strconv.ParseUint(s, 16, 32)
	for i := range a {
		a[i] = byte(n >> (8 * i))
	}
	return a, err
}

// udpOverflows is how many datagrams found no room in a socket of this machine,
// by /proc/net/snmp: a line of names and a line of figures, both called Udp.
func udpOverflows(table []byte) (n uint64, ok bool) {
	var names []string
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) == 0 || f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		i := slices.Index(names, "RcvbufErrors")
		if i < 0 || i >= len(f) {
			return 0, false
		}
		n, err := strconv.ParseUint(f[i], 10, 64)
		return n, err == nil
	}
	return 0, false
}

// overflowsNow asks the kernel; 0 when it does not say.
func overflowsNow() uint64 {
	table, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0
	}
	n, _ := udpOverflows(table)
	return n
}
