package crowd

import (
	"errors"
	"net"
	"testing"
	"time"
)

// Who opens connections and says nothing takes none from the centre, and none
// from another address.
func TestSilentCrowd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Around(l, Bounds{All: 9, Each: 8})
	inside := make(chan net.Conn, 9)
	go func() {
		for {
			conn, err := c.Accept()
			if err != nil {
				close(inside)
				return
			}
			inside <- conn // and never reads, nor closes
		}
	}()
	dial := func(last byte) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		conn, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	turnedAway := func(conn net.Conn) {
		t.Helper()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		var timeout net.Error
		if n, err := conn.Read(b[:]); n != 0 || err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("one too many is kept: %d bytes, %v", n, err)
		}
	}
	var first net.Conn
	for i := range 8 {
		dial(66)
		if conn := <-inside; i == 0 {
			first = conn
		}
	}
	turnedAway(dial(66))
	dial(67)
	<-inside             // somebody else is let in
	turnedAway(dial(68)) // but no more than all
	_ = first.Close()
	_ = first.Close() // twice, as servers do
	dial(66)
	<-inside
	turnedAway(dial(66))
	_ = l.Close()
	if _, more := <-inside; more {
		t.Error("one too many was let in")
	}
}
