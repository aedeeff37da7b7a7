package uplink

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
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
	case <-time.After(patience):
		t.Fatal("a write waits although the connection has ended")
	}
	if _, err := f.Read(buf); !errors.Is(err, cause) {
		t.Errorf("read: %v, want the first cause", err)
	}
	<-f.gone
}
