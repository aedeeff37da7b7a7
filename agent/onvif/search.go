package onvif

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Of WS-Discovery (April 2005), 2.4.
const (
	probePort   = 3702
	probeGroup  = "239.255.255.250"
	probeAgain  = 250 * time.Millisecond // UDP loses: each probe goes out twice
	probePace   = time.Millisecond       // between two addresses that are probed one by one
	afterProbes = 3 * time.Second        // to wait for answers when nothing else is said
)

// Bounds of a search.
const (
	maxDatagram  = 64 << 10
	maxFound     = 1024   // devices
	maxDatagrams = 20_000 // that are looked at
	// MaxAddresses is how many addresses one by one may be asked: a /20.
	MaxAddresses = 4096
)

// SearchOptions say where to look.
type SearchOptions struct {
	// Interfaces are names; none is every one that is up, does multicast and
	// has an IPv4 address.
	Interfaces []string
	// Addresses are asked one by one, for networks that carry no multicast;
	// then there is none.
	Addresses []netip.Addr
	// Wait is how long answers are taken after the last probe; 0 is 3 s. To
	// send them takes 0.25 s, and 2 ms more for each address.
	Wait time.Duration

	port uint16 // for tests; 0 is 3702
}

// Found is a device that answered.
type Found struct {
	Endpoint string     // its own name for itself, such as urn:uuid:…
	Addr     netip.Addr // where the answer came from
	URL      string     // of its device service, at Addr
	Name     string     // of its scopes; "" where it says none
	Hardware string
	Location string
	Others   []netip.Addr // where other answers with the same endpoint came from
	Notes    []string
}

// Search asks who is there, and takes answers until o.Wait after the last
// probe or the end of ctx. It returns the devices by address, also with an
// error, when only some interfaces could be used.
func Search(ctx context.Context, o SearchOptions) ([]Found, error) {
	if o.Wait == 0 {
		o.Wait = afterProbes
	}
	if o.port == 0 {
		o.port = probePort
	}
	if len(o.Addresses) > MaxAddresses {
		return nil, fmt.Errorf("%d addresses; at most %d at a time", len(o.Addresses), MaxAddresses)
	}
	s := &search{o: o, ids: map[string]bool{}, byEndpoint: map[string]int{}}
	conns, err := s.open()
	if len(conns) == 0 {
		return nil, err
	}
	end := func() {
		for _, c := range conns {
			_ = c.conn.SetDeadline(time.Unix(1, 0))
		}
	}
	defer context.AfterFunc(ctx, end)()
	probes := s.probes()
	var sent, received sync.WaitGroup
	for _, c := range conns {
		received.Go(func() { s.receive(c.conn) })
		sent.Go(func() { s.send(ctx, c, probes) })
	}
	sent.Wait()
	sleep(ctx, o.Wait)
	end()
	received.Wait()
	for _, c := range conns {
		_ = c.conn.Close()
	}
	slices.SortFunc(s.found, func(a, b Found) int { return a.Addr.Compare(b.Addr) })
	return s.found, err
}

// search is one search under way.
type search struct {
	o   SearchOptions
	ids map[string]bool // message ids of our probes

	mu         sync.Mutex // guards what follows
	found      []Found
	byEndpoint map[string]int // index in found
	datagrams  int
}

// outlet is a socket, and whom it asks.
type outlet struct {
	conn *net.UDPConn
	to   []netip.AddrPort
}

// open makes a socket for each interface, or one for addresses.
func (s *search) open() ([]outlet, error) {
	if len(s.o.Addresses) > 0 {
		return s.openUnicast()
	}
	ifaces, err := multicastInterfaces(s.o.Interfaces)
	if err != nil {
		return nil, err
	}
	group := netip.AddrPortFrom(netip.MustParseAddr(probeGroup), s.o.port)
	var all []outlet
	var bad error
	for _, i := range ifaces {
		c, err := listenOn(i)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("search on %s: %w", i.Name, err))
			continue
		}
		all = append(all, outlet{c, []netip.AddrPort{group}})
	}
	return all, bad
}

func (s *search) openUnicast() ([]outlet, error) {
	var four, six outlet
	for _, a := range s.o.Addresses {
		o := &six
		if a.Unmap().Is4() {
			o = &four
		}
		o.to = append(o.to, netip.AddrPortFrom(a.Unmap(), s.o.port))
	}
	var all []outlet
	for _, o := range []outlet{four, six} {
		if len(o.to) == 0 {
			continue
		}
		network := "udp4"
		if o.to[0].Addr().Is6() {
			network = "udp6"
		}
		c, err := net.ListenUDP(network, nil)
		if err != nil {
			return all, fmt.Errorf("search: %w", err)
		}
		o.conn = c
		all = append(all, o)
	}
	return all, nil
}

// multicastInterfaces finds the named interfaces, or all that can be used.
func multicastInterfaces(names []string) ([]net.Interface, error) {
	var all []net.Interface
	if len(names) == 0 {
		list, err := net.Interfaces()
		if err != nil {
			return nil, fmt.Errorf("list network interfaces: %w", err)
		}
		for _, i := range list {
			const want = net.FlagUp | net.FlagMulticast
			if i.Flags&want == want && i.Flags&net.FlagLoopback == 0 && hasIPv4(i) {
				all = append(all, i)
			}
		}
		if len(all) == 0 {
			return nil, errors.New("no network interface is up with an IPv4 address and multicast; connect the cable, or ask addresses one by one")
		}
		return all, nil
	}
	for _, name := range names {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("no network interface %q; `ip link` lists them", name)
		}
		if !hasIPv4(*i) {
			return nil, fmt.Errorf("network interface %s has no IPv4 address; give it one in the cameras' network, such as `ip addr add 192.168.1.5/24 dev %s`", name, name)
		}
		all = append(all, *i)
	}
	return all, nil
}

func hasIPv4(i net.Interface) bool { return ipv4Of(i).IsValid() }

func ipv4Of(i net.Interface) netip.Addr {
	addrs, err := i.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// listenOn opens a socket whose multicasts leave by one interface. Answers come
// back to its address, or to any where a camera in another subnet answers.
func listenOn(i net.Interface) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
		})
		return errors.Join(cerr, err)
	}}
	c, err := lc.ListenPacket(context.Background(), "udp4", net.JoinHostPort(ipv4Of(i).String(), "0"))
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// probes are the messages that are sent: cameras look for one type or the other.
func (s *search) probes() [][]byte {
	var all [][]byte
	for _, types := range []string{
		`<d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</d:Types>`,
		`<d:Types xmlns:tds="` + nsDevice + `">tds:Device</d:Types>`,
	} {
		id := newID()
		s.ids[id] = true
		all = append(all, probe(id, types))
	}
	return all
}

// send asks everybody twice. A network that can't be reached is no fault of the
// search: the device that is there answers.
func (s *search) send(ctx context.Context, o outlet, probes [][]byte) {
	for round := range 2 {
		if round > 0 && !sleep(ctx, probeAgain) {
			return
		}
		for _, to := range o.to {
			for _, p := range probes {
				_, _ = o.conn.WriteToUDPAddrPort(p, to)
			}
			if !sleep(ctx, probePace) {
				return
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// receive takes answers until the socket's deadline.
func (s *search) receive(c *net.UDPConn) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // of an address that was asked before: an ICMP message
		}
		if err != nil {
			return
		}
		if !s.take(buf[:n], from.Addr().Unmap().WithZone("")) {
			return
		}
	}
}

// take looks at one datagram; false when enough was looked at.
func (s *search) take(data []byte, from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.datagrams++; s.datagrams > maxDatagrams {
		return false
	}
	related, matches, err := parseMatches(data)
	if err != nil || !s.ids[related] {
		return true // somebody else's, or noise
	}
	for _, m := range matches {
		s.add(m, from)
	}
	return true
}

// add keeps a device once. The first answer holds; where another address claims
// to be the same, both are named, so that neither hides the other.
func (s *search) add(m match, from netip.Addr) {
	if len(s.o.Addresses) > 0 && !slices.ContainsFunc(s.o.Addresses, func(a netip.Addr) bool { return a.Unmap().WithZone("") == from }) {
		return // nobody asked it
	}
	if i, ok := s.byEndpoint[m.endpoint]; ok {
		f := &s.found[i]
		if f.Addr != from && !slices.Contains(f.Others, from) && len(f.Others) < 8 {
			f.Others = append(f.Others, from)
		}
		return
	}
	if len(s.found) >= maxFound {
		return
	}
	f := Found{Endpoint: m.endpoint, Addr: from, Name: m.scope("name"), Hardware: m.scope("hardware"), Location: m.scope("location")}
	f.URL = m.address(&f)
	s.byEndpoint[m.endpoint] = len(s.found)
	s.found = append(s.found, f)
}
