package uplink

import (
	"net"
	"sync/atomic"
	"time"
)

// link is the connection below TLS: it counts what the wire carries and gives
// each read and write a deadline of its own. paho's deadlines are not used: it
// sets none for subscriptions and pings, and a peer that stops reading would
// hold it for ever.
type link struct {
	net.Conn
	writeTimeout time.Duration
	readTimeout  atomic.Int64 // nanoseconds
	sent, recv   *atomic.Int64
	wire         atomic.Int64 // both ways, with an estimate of TCP/IP headers
}

// pieceBytes is what one write hands to the kernel under one deadline: 2 s of
// the slowest link, 16 kbit/s.
const pieceBytes = 4 << 10

// headerBytes is IPv4 and TCP with time stamps, for each segment.
const headerBytes = 52

func newLink(c net.Conn, writeTimeout, readTimeout time.Duration, sent, recv *atomic.Int64) *link {
	l := &link{Conn: c, writeTimeout: writeTimeout, sent: sent, recv: recv}
	l.setIdle(readTimeout)
	return l
}

// setIdle says how long nothing at all may come in. It holds from the next
// read on; the one that waits now keeps its deadline.
func (l *link) setIdle(d time.Duration) { l.readTimeout.Store(int64(d)) }

func (l *link) Read(p []byte) (int, error) {
	if err := l.Conn.SetReadDeadline(time.Now().Add(time.Duration(l.readTimeout.Load()))); err != nil {
		return 0, err
	}
	n, err := l.Conn.Read(p)
	l.recv.Add(int64(n))
	l.wire.Add(int64(n) + headerBytes)
	return n, err
}

func (l *link) Write(p []byte) (done int, err error) {
	for done < len(p) {
		piece := p[done:min(len(p), done+pieceBytes)]
		if err := l.Conn.SetWriteDeadline(time.Now().Add(l.writeTimeout)); err != nil {
			return done, err
		}
		n, err := l.Conn.Write(piece)
		done += n
		l.sent.Add(int64(n))
		l.wire.Add(int64(n) + headerBytes*int64(1+n/1400))
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
