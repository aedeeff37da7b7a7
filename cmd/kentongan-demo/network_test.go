package main

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// While the network is cut nothing comes through and nothing is closed; what
// was on the way comes through when it is joined.
func TestNetworkHoldsWhatWasOnTheWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	n, err := newNetwork(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); n.run(ctx) }()

	c, err := net.Dial("tcp", n.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func(send string, patience time.Duration) error {
		if _, err := c.Write([]byte(send)); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := io.ReadFull(c, make([]byte, len(send)))
		return err
	}
	if err := echo("one", time.Minute); err != nil {
		t.Fatalf("joined: %v", err)
	}
	n.cut()
	if !n.isCut() {
		t.Error("cut, and says that it is not")
	}
	if err := echo("two", 200*time.Millisecond); err == nil {
		t.Error("cut, and an echo came through")
	}
	n.join()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Errorf("joined again: what was on the way did not come: %v", err)
	}
	cancel()
	<-ended
	if _, err := net.Dial("tcp", n.addr()); err == nil {
		t.Error("ended, and still listens")
	}
}
