package web

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds are of the connections of a page. What is beyond them is closed unread.
type Bounds struct {
	Conns     int           // at a time
	Each      int           // of these, of one neighbour
	Every     time.Duration // on average between two new ones: a handshake costs a small board milliseconds
	Burst     int
	Own       int           // beside these, of this machine itself, at any pace; 0 is as of any neighbour
	WriteIdle time.Duration // a client that takes nothing for so long is cut off
}

func (b Bounds) around(l net.Listener) net.Listener {
	return &bounded{Listener: l, bounds: b, rate: rate.NewLimiter(rate.Every(b.Every), b.Burst), open: map[netip.Prefix]int{}}
}

// bounded is a listener within Bounds.
type bounded struct {
	net.Listener
	bounds Bounds
	rate   *rate.Limiter

	mu   sync.Mutex // guards what follows
	all  int        // but this machine's own
	open map[netip.Prefix]int
}

// Accept implements net.Listener.
func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := l.whose(c)
		if l.enter(from) {
			return &counted{Conn: c, idle: l.bounds.WriteIdle, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close() // unread, so there is nothing to lose
	}
}

// own stands for this machine, where it has a place of its own. No neighbour is
// called so: theirs is a /64.
var own = netip.PrefixFrom(netip.IPv6Loopback(), 128)

// whose is whom a connection counts for. One whose two ends have one address is this
// machine's: nobody else's would come back.
func (l *bounded) whose(c net.Conn) netip.Prefix {
	from := c.RemoteAddr().String()
	if l.bounds.Own > 0 && (IsLocal(from) || addrOf(from) == addrOf(c.LocalAddr().String())) {
		return own
	}
	return neighbour(from)
}

func (l *bounded) enter(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case from == own:
		if l.open[own] >= l.bounds.Own {
			return false
		}
	case l.all >= l.bounds.Conns || l.open[from] >= l.bounds.Each || !l.rate.Allow():
		return false
	default:
		l.all++
	}
	l.open[from]++
	return true
}

func (l *bounded) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != own {
		l.all--
	}
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	idle  time.Duration
	leave func()
}

// Write implements net.Conn. The deadline is below TLS, where the server sets
// none of its own.
func (c *counted) Write(p []byte) (int, error) {
	if c.idle > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// addrOf is the address of HOST:PORT, as one and the same whether it came over
// IPv4 or IPv6.
func addrOf(hostport string) netip.Addr {
	a, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// Neighbour is whom an address belongs to, for limits: of IPv6 the /64, in which
// one machine may take any number of addresses.
func Neighbour(hostport string) string {
	p := neighbour(hostport)
	if p.Addr().Is6() {
		return p.String()
	}
	return p.Addr().String()
}

func neighbour(hostport string) netip.Prefix {
	a := addrOf(hostport)
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// IsLocal tells whether a client is on this machine.
func IsLocal(hostport string) bool { return addrOf(hostport).IsLoopback() }
