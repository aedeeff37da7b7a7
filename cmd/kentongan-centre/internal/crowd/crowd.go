// Package crowd bounds the connections of a listener, in all and of one address, or
// what else is counted by address. The ingest is in the same process: somebody who
// opens connections and says nothing must not take its file descriptors.
package crowd

import (
	"net"
	"net/netip"
	"sync"
)

// Bounds are how many connections may be open at a time. Who is beyond them gets
// no answer. Many people may share an address.
type Bounds struct {
	All  int
	Each int // of All, of one address; Network says what counts as one
}

// Around is l within bounds. Close and Accept may be called from any goroutine.
func Around(l net.Listener, b Bounds) net.Listener {
	return &listener{Listener: l, in: NewCount(b)}
}

type listener struct {
	net.Listener
	in *Count
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := Network(Address(conn.RemoteAddr().String()))
		if l.in.Enter(from) {
			return &member{Conn: conn, leave: sync.OnceFunc(func() { l.in.Leave(from) })}, nil
		}
		_ = conn.Close() // it gets no answer
	}
}

// Count is who is in at the moment, within bounds. Its methods may be called from any
// goroutine.
type Count struct {
	bounds Bounds

	mu  sync.Mutex // guards the rest
	all int
	by  map[netip.Prefix]int
}

// NewCount is a Count that nobody is in.
func NewCount(b Bounds) *Count { return &Count{bounds: b, by: map[netip.Prefix]int{}} }

// Enter tells whether there is room for one more; who is let in has to Leave.
func (c *Count) Enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.bounds.All || c.by[from] >= c.bounds.Each {
		return false
	}
	c.all++
	c.by[from]++
	return true
}

// Leave takes one out.
func (c *Count) Leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.by[from]--; c.by[from] == 0 {
		delete(c.by, from)
	}
}

// member is a connection that was let in.
type member struct {
	net.Conn
	leave func()
}

func (m *member) Close() error {
	m.leave()
	return m.Conn.Close()
}

// Network is what counts as one address: in IPv6 everybody has 2^64 of them.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// Address reads ADDRESS:PORT; what is none is the zero Addr.
func Address(text string) netip.Addr {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
