package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// network is the way between the device and the broker, which can be cut. While
// it is cut nothing comes through and nothing is closed, as when a cellular link
// loses its mast; what was on the way comes through when it is joined again.
type network struct {
	listener net.Listener
	target   string

	mu     sync.Mutex    // guards all below
	open   chan struct{} // closed while joined
	conns  map[net.Conn]bool
	closed bool
	copies sync.WaitGroup
}

// newNetwork listens on a free port of loopback and forwards to target.
func newNetwork(target string) (*network, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the device: %w", err)
	}
	n := &network{listener: l, target: target, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(n.open)
	return n, nil
}

func (n *network) addr() string { return n.listener.Addr().String() }

// run forwards until ctx ends.
func (n *network) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, n.close)
	defer stop()
	for {
		c, err := n.listener.Accept()
		if err != nil {
			n.copies.Wait()
			return
		}
		n.copies.Go(func() { n.forward(ctx, c) })
	}
}

func (n *network) forward(ctx context.Context, from net.Conn) {
	defer from.Close()
	if !n.keep(from) || !n.pass(ctx) {
		return
	}
	defer n.forget(from)
	var d net.Dialer
	to, err := d.DialContext(ctx, "tcp", n.target)
	if err != nil {
		return // the broker is down: the device sees its connection closed
	}
	defer to.Close()
	if !n.keep(to) {
		return
	}
	defer n.forget(to)
	var both sync.WaitGroup
	both.Go(func() { n.copy(ctx, to, from) })
	both.Go(func() { n.copy(ctx, from, to) })
	both.Wait()
}

// copy moves bytes until either side closes, and then closes the other.
func (n *network) copy(ctx context.Context, to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		k, err := from.Read(buf)
		if k > 0 && n.pass(ctx) {
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
		}
		if err != nil || ctx.Err() != nil {
			return
		}
	}
}

// pass waits while the network is cut.
func (n *network) pass(ctx context.Context) bool {
	n.mu.Lock()
	open := n.open
	n.mu.Unlock()
	select {
	case <-open:
		return true
	case <-ctx.Done():
		return false
	}
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.isCutLocked() {
		n.open = make(chan struct{})
	}
}

func (n *network) join() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isCutLocked() {
		close(n.open)
	}
}

func (n *network) isCut() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isCutLocked()
}

func (n *network) isCutLocked() bool {
	select {
	case <-n.open:
		return false
	default:
		return true
	}
}

func (n *network) keep(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		c.Close()
		return false
	}
	n.conns[c] = true
	return true
}

func (n *network) forget(c net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.listener.Close()
	for c := range n.conns {
		c.Close()
	}
}
