package uplink

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// FuzzFramer feeds what a broker might send. What comes out is what went in, up
// to the packet that is refused; and paho can read it without panic.
func FuzzFramer(f *testing.F) {
	for _, seed := range [][]byte{
		{0x20, 2, 0, 0},
		{0x20, 2, 0, 0, 0x90, 4, 0, 1, 0, 0, 0x40, 2, 0, 2, 0xd0, 0},
		{0x30, 5, 0, 1, 'a', 'x', 'y'},
		{0x30, 0xff, 0xff, 0xff, 0x7f},
		{0x30, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x70, 2, 0, 1},
		{0x32, 3, 0xff, 0xff, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pubacks := 0
		fr := &framer{r: bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(data)), 16), most: 1 << 10, topics: 2, onPuback: func(uint16) { pubacks++ }}
		out, err := io.ReadAll(io.LimitReader(fr, 1<<20))
		if pubacks == 0 && !bytes.HasPrefix(data, out) {
			t.Fatalf("out % x is no beginning of % x", out, data)
		}
		if missing := len(data) - len(out); err == nil && (missing < 4*pubacks || missing > 7*pubacks) {
			t.Fatalf("%d bytes of %d, %d PUBACKs, and no error", len(out), len(data), pubacks)
		}
		if err != nil && !errors.Is(err, errPacket) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("error %v", err)
		}
		r := bytes.NewReader(out)
		for range 100 {
			if _, err := packets.ReadPacket(r); err != nil {
				return
			}
		}
	})
}

// What has waited leaves in one write, and an end wakes whoever waits.
func TestFramedWritesTogetherAndEndsOnce(t *testing.T) {
	near, far := net.Pipe()
	f := newFramed(near, 1024, 2, nil)
	for range 100 {
		if _, err := f.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 2000)
	got, writes := 0, 0
	for ; got < 1000; writes++ {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if writes > 2 { // the writer may have taken the first alone
		t.Errorf("100 packets left in %d writes", writes)
	}
	big := make([]byte, outBytes)
	errs := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // until the buffer is full
			_, err = f.Write(big)
		}
		errs <- err
	}()
	cause := errors.New("the cause")
	_ = f.end(cause)
	_ = f.end(errors.New("another"))
	select {
	case err := <-errs:
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want the first cause", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a write waits although the connection has ended")
	}
	if _, err := f.Read(buf); !errors.Is(err, cause) {
		t.Errorf("read: %v, want the first cause", err)
	}
	<-f.gone
}

// A publish that is not pushed waits for company, and leaves without a push once
// there is enough for a write.
func TestPublishesLeaveWithThePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		f := newFramed(near, 1024, 2, nil)
		var mu sync.Mutex
		var writes []int
		go func() {
			buf := make([]byte, 2*pieceBytes)
			for {
				n, err := far.Read(buf)
				if err != nil {
					return
				}
				mu.Lock()
				writes = append(writes, n)
				mu.Unlock()
			}
		}()
		left := func() []int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer func() { writes = nil }()
			return writes
		}
		packet := len(appendPublish(nil, "t", 256, false, []byte("record")))
		for id := range uint16(16) {
			f.publish("t", 256+id, false, []byte("record"))
		}
		if got := left(); len(got) > 0 {
			t.Errorf("writes of %v bytes before the push", got)
		}
		f.push()
		if got := left(); len(got) != 1 || got[0] != 16*packet {
			t.Errorf("the push wrote %v, want %d bytes once", got, 16*packet)
		}
		f.push()
		if got := left(); len(got) > 0 {
			t.Errorf("a push of nothing wrote %v", got)
		}
		f.publish("t", 300, false, make([]byte, pieceBytes))
		if got := left(); len(got) != 1 {
			t.Errorf("enough for a write left in %v", got)
		}
		_ = f.end(errors.New("over"))
		_ = far.Close()
		<-f.gone
	})
}
