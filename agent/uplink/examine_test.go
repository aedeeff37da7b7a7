package uplink

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// TestKindOfReason reads the kind out of what an event says, for each that an
// event can tell of.
func TestKindOfReason(t *testing.T) {
	for kind, row := range failureTable {
		if row.words == "" {
			continue
		}
		for _, err := range []error{nil, fmt.Errorf("dial: refused")} {
			reason := (&linkError{kind: kind, err: err}).Error()
			if got := KindOf(reason); got != row.name {
				t.Errorf("%q is %q, want %q", reason, got, row.name)
			}
		}
	}
	if got := KindOf("the dog ate it"); got != "" {
		t.Errorf("a foreign reason is %q", got)
	}
}

// FuzzTalker gives the talker what a stranger may send in the place of a broker.
func FuzzTalker(f *testing.F) {
	f.Add([]byte{0x20, 3, 0, 0, 0, 0x90, 4, 0, 1, 0, 0}, byte(5))
	f.Add([]byte{0x20, 2, 0, 0, 0x31, 12, 0, 3, 'a', '/', 'b', 0, 'x'}, byte(4))
	f.Add([]byte{0x20, 3, 0, 0x87, 0}, byte(5))
	f.Add([]byte("HTTP/1.1 302 Found\r\n\r\n"), byte(4))
	f.Fuzz(func(t *testing.T, data []byte, version byte) {
		m := &talker{conn: &told{data: data}, version: 4 + version&1}
		if kind, err := m.login("kiosk-7", "", ""); kind != failNone {
			if err == nil {
				t.Errorf("kind %v without an error", kind)
			}
			return
		}
		var talk Talk
		hello := map[string][]byte{"kentongan/v1/kiosk-7/up/event": nil}
		if err := m.listen("kiosk-7", hello); err != nil {
			t.Fatal(err)
		}
		_ = m.take(&talk, hello, func(Note) bool { return false }) // it ends with the data
		if len(talk.Notes) > len(data) {
			t.Errorf("%d notes of %d bytes", len(talk.Notes), len(data))
		}
	})
}

// TestTalkKeepsFewNotes: a broker that sends without end what nobody asked for must
// not fill the memory of who examines it.
func TestTalkKeepsFewNotes(t *testing.T) {
	const topic = "kentongan/v1/kiosk-7/ack/complaint"
	one := []byte{packets.Publish << 4, 2 + byte(len(topic)) + 1, 0, byte(len(topic))}
	one = append(append(one, topic...), 'x')
	data := []byte{packets.Connack << 4, 2, 0, 0}
	for range 1000 {
		data = append(data, one...)
	}
	m := &talker{conn: &told{data: data}, version: 4}
	if kind, err := m.login("kiosk-7", "", ""); kind != failNone {
		t.Fatal(err)
	}
	var talk Talk
	heard := 0
	_ = m.take(&talk, nil, func(Note) bool { heard++; return false }) // it ends with the data
	if heard != 1000 || len(talk.Notes) != maxNotes {
		t.Errorf("%d notes heard, %d kept, want 1000 and %d", heard, len(talk.Notes), maxNotes)
	}
}

// told is a connection that says data and takes everything.
type told struct {
	net.Conn
	data []byte
}

func (c *told) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data)
	c.data = c.data[n:]
	return n, nil
}

func (c *told) Write(p []byte) (int, error)      { return len(p), nil }
func (c *told) SetWriteDeadline(time.Time) error { return nil }
