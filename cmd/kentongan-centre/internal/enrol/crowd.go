package enrol

import (
	"net"
	"net/netip"
	"sync"
)

// How many connections may be open at a time. The ingest is in the same process,
// and somebody who opens connections and says nothing must not take its file
// descriptors. A request takes a moment; many devices may share an address.
const (
	crowdOfOne = 64
	crowdOfAll = 512
)

// crowd is a listener that turns away who is too many. Close and Accept may be
// called from any goroutine.
type crowd struct {
	net.Listener

	mu  sync.Mutex // guards the rest
	all int
	by  map[netip.Prefix]int
}

func newCrowd(l net.Listener) *crowd { return &crowd{Listener: l, by: map[netip.Prefix]int{}} }

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := network(parseAddress(conn.RemoteAddr().String()))
		if c.enter(from) {
			return &member{Conn: conn, leave: sync.OnceFunc(func() { c.left(from) })}, nil
		}
		_ = conn.Close() // it gets no answer
	}
}

func (c *crowd) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= crowdOfAll || c.by[from] >= crowdOfOne {
		return false
	}
	c.all++
	c.by[from]++
	return true
}

func (c *crowd) left(from netip.Prefix) {
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
