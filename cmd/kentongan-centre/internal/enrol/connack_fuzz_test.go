package enrol

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// said is a connection on which a broker has said what it will ever say.
type said struct{ io.Reader }

func (said) Write(b []byte) (int, error)      { return len(b), nil }
func (said) Close() error                     { return nil }
func (said) LocalAddr() net.Addr              { return nil }
func (said) RemoteAddr() net.Addr             { return nil }
func (said) SetDeadline(time.Time) error      { return nil }
func (said) SetReadDeadline(time.Time) error  { return nil }
func (said) SetWriteDeadline(time.Time) error { return nil }

// FuzzConnack: a broker's answer is the code of a CONNACK, or an error.
func FuzzConnack(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0})
	f.Add([]byte{0x20, 2, 0, 5})
	f.Add([]byte{0x20, 0xff, 0xff, 0x7f})
	f.Add([]byte("HTTP/1.1 400"))
	f.Fuzz(func(t *testing.T, b []byte) {
		code, err := connect(said{bytes.NewReader(b)}, "kiosk-7")
		if want := len(b) >= 4 && b[0] == 0x20 && b[1] == 2; want != (err == nil) || err == nil && code != b[3] {
			t.Errorf("% x is code %d (%v)", b, code, err)
		}
	})
}
