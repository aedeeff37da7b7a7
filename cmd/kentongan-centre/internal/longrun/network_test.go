package longrun

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// mood is how a host of the network is.
type mood string

const (
	well     mood = "well"
	refusing mood = "refusing" // the machine is there, nobody listens
	gone     mood = "gone"     // nothing comes back, and what is on the way stays there
	slow     mood = "slow"     // three seconds each way
)

// A good way and a slow one.
const (
	goodWay = 20 * time.Millisecond
	slowWay = 3 * time.Second
)

// network joins hosts with connections in memory, which wait as sockets do and
// under a fake clock.
type network struct {
	mu    sync.Mutex
	cond  *sync.Cond // something of a host or of a wire has changed
	hosts map[string]*host
}

func newNetwork() *network {
	n := &network{hosts: map[string]*host{}}
	n.cond = sync.NewCond(&n.mu)
	return n
}

// host is one address that can be dialled. The network's mutex guards it.
type host struct {
	n      *network
	addr   string
	mood   mood
	wires  []*wire
	knocks []net.Conn // not accepted yet
	closed bool
}

func (n *network) host(addr string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{n: n, addr: addr, mood: well}
	n.hosts[addr] = h
	return h
}

// set changes how the host is. A machine that refuses has lost its connections.
func (h *host) set(m mood) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.mood = m
	if m == refusing {
		h.resetLocked()
	}
	h.n.cond.Broadcast()
}

func (h *host) resetLocked() {
	for _, w := range h.wires {
		w.breakLocked(syscall.ECONNRESET)
	}
	h.wires = nil
	h.n.cond.Broadcast()
}

// reset ends all connections of the host, as a program that was killed does.
func (h *host) reset() {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.resetLocked()
}

// waitLocked waits for the next change, at most until a time that is not zero.
func (n *network) waitLocked(until time.Time) {
	if !until.IsZero() {
		t := time.AfterFunc(time.Until(until), func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.cond.Broadcast()
		})
		defer t.Stop()
	}
	n.cond.Wait()
}

// dial connects to a host by its address.
func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.cond.Broadcast()
	})
	defer stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[addr]
	if h == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}
	}
	began := time.Now()
	for {
		way := h.way()
		switch {
		case ctx.Err() != nil:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.Cause(ctx)}
		case h.mood == gone:
			n.waitLocked(time.Time{})
		case time.Since(began) < 2*way:
			n.waitLocked(began.Add(2 * way))
		case h.mood == refusing || h.closed:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		default:
			w := &wire{h: h, to: tcpAddr(addr)}
			w.half[0].w, w.half[1].w = w, w
			h.wires = append(h.wires, w)
			h.knocks = append(h.knocks, &w.half[1])
			n.cond.Broadcast()
			return &w.half[0], nil
		}
	}
}

func (h *host) way() time.Duration {
	if h.mood == slow {
		return slowWay
	}
	return goodWay
}

// tcpAddr is an address as gortsplib wants it; a name becomes some number.
func tcpAddr(addr string) *net.TCPAddr {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1883}
	}
	return net.TCPAddrFromAddrPort(a)
}

// Accept implements net.Listener.
func (h *host) Accept() (net.Conn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	for len(h.knocks) == 0 {
		if h.closed {
			return nil, net.ErrClosed
		}
		h.n.cond.Wait()
	}
	c := h.knocks[0]
	h.knocks = h.knocks[1:]
	return c, nil
}

// Close implements net.Listener.
func (h *host) Close() error {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.closed = true
	h.resetLocked()
	return nil
}

// Addr implements net.Listener.
func (h *host) Addr() net.Addr { return tcpAddr(h.addr) }

// wire is a connection; half[0] is the end of who dialled. The network's mutex
// guards all of it.
type wire struct {
	h    *host
	to   *net.TCPAddr
	half [2]half
}

// half is one end, and what is on the way to it.
type half struct {
	w       *wire
	parts   []part
	size    int
	closed  bool  // here
	ended   bool  // there: EOF behind the parts
	err     error // it was broken
	readBy  time.Time
	writeBy time.Time
}

type part struct {
	at   time.Time
	data []byte
}

// buffer is what a connection holds.
const buffer = 64 << 10

func (w *wire) breakLocked(err error) {
	for i := range w.half {
		w.half[i].err = err
	}
}

func (c *half) peer() *half {
	if c == &c.w.half[0] {
		return &c.w.half[1]
	}
	return &c.w.half[0]
}

// Read implements net.Conn.
func (c *half) Read(b []byte) (int, error) {
	n := c.w.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		now := time.Now()
		until := c.readBy
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.err != nil:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: c.err}
		case !c.readBy.IsZero() && !now.Before(c.readBy):
			return 0, os.ErrDeadlineExceeded
		case c.w.h.mood == gone:
		case len(c.parts) > 0 && !now.Before(c.parts[0].at):
			k := copy(b, c.parts[0].data)
			if c.parts[0].data = c.parts[0].data[k:]; len(c.parts[0].data) == 0 {
				c.parts = c.parts[1:]
			}
			c.size -= k
			n.cond.Broadcast()
			return k, nil
		case len(c.parts) > 0:
			if at := c.parts[0].at; until.IsZero() || at.Before(until) {
				until = at
			}
		case c.ended:
			return 0, io.EOF
		}
		n.waitLocked(until)
	}
}

// Write implements net.Conn.
func (c *half) Write(b []byte) (done int, err error) {
	n := c.w.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	to := c.peer()
	for done < len(b) {
		switch {
		case c.closed:
			return done, net.ErrClosed
		case c.err != nil || to.closed:
			return done, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
		case !c.writeBy.IsZero() && !time.Now().Before(c.writeBy):
			return done, os.ErrDeadlineExceeded
		case to.size >= buffer:
			n.waitLocked(c.writeBy)
			continue
		}
		k := min(len(b)-done, buffer-to.size)
		at := time.Now().Add(c.w.h.way())
		if last := len(to.parts) - 1; last >= 0 && to.parts[last].at.After(at) {
			at = to.parts[last].at
		}
		to.parts = append(to.parts, part{at, slices.Clone(b[done : done+k])})
		to.size += k
		done += k
		n.cond.Broadcast()
	}
	return done, nil
}

// Close implements net.Conn.
func (c *half) Close() error {
	n := c.w.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	c.closed = true
	c.peer().ended = true
	c.w.h.wires = slices.DeleteFunc(c.w.h.wires, func(w *wire) bool { return w == c.w && c.peer().closed })
	n.cond.Broadcast()
	return nil
}

// vanish is the end of a machine without power: the other one is told nothing.
func (c *half) vanish() {
	n := c.w.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	c.closed = true
	n.cond.Broadcast()
}

// LocalAddr implements net.Conn.
func (c *half) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 40000} }

// RemoteAddr implements net.Conn.
func (c *half) RemoteAddr() net.Addr { return c.w.to }

// SetDeadline implements net.Conn.
func (c *half) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *half) SetReadDeadline(t time.Time) error { return c.deadline(&c.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (c *half) SetWriteDeadline(t time.Time) error { return c.deadline(&c.writeBy, t) }

func (c *half) deadline(d *time.Time, t time.Time) error {
	n := c.w.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	*d = t
	n.cond.Broadcast()
	return nil
}
