package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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
	NeighbourUnknown = ""        // nothing that is new enough, or it does not apply
	NeighbourThere   = "there"   // it answered ARP
	NeighbourMissing = "missing" // it does not answer ARP
)

// procNet is where the kernel's tables of this thread's network are. /proc/net
// is that of the process's first thread, which may live in another one.
const procNet = "/proc/thread-self/net/"

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
	routes, err := os.ReadFile(procNet + "route")
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
			if !out.Here {
				out.Neighbour = neighbour(to)
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

// neighbour looks an address up in the kernel's table of neighbours, by ARP or
// IPv6's discovery.
func neighbour(to netip.Addr) string {
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_UNSPEC)
	if err != nil {
		return NeighbourUnknown
	}
	return neighbourIn(table, to)
}

// neighbourIn reads netlink messages of rtnetlink(7): each a header of 16
// bytes, a struct ndmsg of 12 (family, 3 unused, interface in 32 bits, state in
// 16, flags, type), and attributes (length in 16 bits, type in 16, value, up to
// a multiple of 4). All boards that we build for are little-endian.
//
// A neighbour that is stale, or is being asked, is not known: the kernel then
// still holds what it once answered.
func neighbourIn(table []byte, to netip.Addr) string {
	const header, ndmsg, ndaDst = 16, 12, 1
	for len(table) >= header {
		n := int(binary.LittleEndian.Uint32(table))
		if n < header || n > len(table) {
			return NeighbourUnknown
		}
		typ, body := binary.LittleEndian.Uint16(table[4:]), table[header:n]
		table = table[min((n+3)&^3, len(table)):]
		if typ != unix.RTM_NEWNEIGH || len(body) < ndmsg {
			continue
		}
		state := binary.LittleEndian.Uint16(body[8:])
		if dst, ok := netip.AddrFromSlice(attribute(body[ndmsg:], ndaDst)); !ok || dst != to {
			continue
		}
		switch {
		case state&(unix.NUD_REACHABLE|unix.NUD_PERMANENT) != 0:
			return NeighbourThere
		case state&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) != 0:
			return NeighbourMissing
		}
		return NeighbourUnknown
	}
	return NeighbourUnknown
}

// attribute finds the value of a netlink attribute; nil when it is not there.
func attribute(b []byte, want uint16) []byte {
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil
		}
		if binary.LittleEndian.Uint16(b[2:]) == want {
			return b[4:n]
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
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
			if longest, name, ok = bits, f[0], true; flags&rtfReject != 0 {
				name, ok = "", false // no way there, on purpose
			}
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
	table, err := os.ReadFile(procNet + "snmp")
	if err != nil {
		return 0
	}
	n, _ := udpOverflows(table)
	return n
}
