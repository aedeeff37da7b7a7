package uplink

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between device and broker and does what links do.
type proxy struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup
	done   chan struct{}

	mu       sync.Mutex // guards all below
	thaw     *sync.Cond
	conns    map[net.Conn]bool
	delay    time.Duration // one way
	rate     int           // bytes per second and direction, 0 is no limit
	frozen   bool          // nothing is passed on, nothing is closed
	deaf     bool          // the broker's end does not read
	refusing bool
	cutAfter int // bytes to the broker, then both ends are cut; 0 is never
	up       int // bytes to the broker
	accepted int
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	p.thaw = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		close(p.done)
		_ = l.Close()
		p.set(func(p *proxy) { p.frozen, p.deaf = false, false })
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "mqtt://" + p.l.Addr().String() }

func (p *proxy) set(f func(*proxy)) {
	p.mu.Lock()
	f(p)
	p.thaw.Broadcast()
	p.mu.Unlock()
}

func (p *proxy) refuse(on bool) { p.set(func(p *proxy) { p.refusing = on }) }

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.thaw.Broadcast()
}

func (p *proxy) count() (accepted, up int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted, p.up
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepted++
		refusing := p.refusing
		p.mu.Unlock()
		if refusing {
			_ = c.Close()
			continue
		}
		b, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = c.Close()
			continue
		}
		_ = c.(*net.TCPConn).SetReadBuffer(16 << 10)
		p.set(func(p *proxy) { p.conns[c], p.conns[b], p.up = true, true, 0 })
		p.wg.Go(func() { p.pass(b, c, true) })
		p.wg.Go(func() { p.pass(c, b, false) })
	}
}

// chunk is what has been read and when it may be passed on.
type chunk struct {
	data []byte
	due  time.Time
}

// pass copies one direction through a queue of at most 64 chunks.
func (p *proxy) pass(dst, src net.Conn, up bool) {
	queue := make(chan chunk, 64)
	p.wg.Go(func() {
		for c := range queue {
			p.wait(c.due)
			n := p.let(len(c.data), up)
			_, err := dst.Write(c.data[:n])
			if err != nil || n < len(c.data) {
				_ = dst.Close()
				_ = src.Close()
			}
		}
		_ = dst.Close()
	})
	defer close(queue)
	defer p.set(func(p *proxy) { delete(p.conns, src) })
	buf := make([]byte, 1400)
	free := time.Now() // when the line is free again
	for {
		p.mu.Lock()
		for p.deaf && up && p.conns[src] {
			p.thaw.Wait()
		}
		delay, rate := p.delay, p.rate
		p.mu.Unlock()
		if rate > 0 {
			buf = buf[:min(1400, max(64, rate/20))] // 50 ms of the line
		}
		n, err := src.Read(buf)
		if n > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			if rate > 0 {
				free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			}
			queue <- chunk{append([]byte(nil), buf[:n]...), free.Add(delay)}
			if rate > 0 {
				p.wait(free.Add(-100 * time.Millisecond)) // so much may stand in the modem
			}
		}
		if err != nil {
			return
		}
	}
}

// let waits while the line is frozen, and tells how many of n bytes may pass
// before it is cut.
func (p *proxy) let(n int, up bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen {
		p.thaw.Wait()
	}
	if up {
		if p.up += n; p.cutAfter > 0 && p.up > p.cutAfter {
			return max(0, n-(p.up-p.cutAfter))
		}
	}
	return n
}

func (p *proxy) wait(until time.Time) {
	d := time.Until(until)
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.done:
	}
}
