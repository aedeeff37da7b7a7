package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"kentongan/broker-config/brokertest"
)

const patience = 90 * time.Second

// bounded starts a broker whose settings a test has made smaller.
func bounded(t *testing.T, change func(*server.Options)) *Broker {
	t.Helper()
	host, port, err := freeAddress(brokertest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	o := settings(host, port, t.TempDir())
	if o.MaxConn == 0 || o.MaxPending == 0 || o.MaxPayload == 0 || o.WriteDeadline == 0 || o.MQTT.AuthTimeout == 0 {
		t.Fatalf("a bound is left to NATS: %+v", o)
	}
	change(o)
	b := newBroker(o, slog.New(slog.DiscardHandler))
	if err := b.serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func dial(t *testing.T, b *Broker) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// text is a string as MQTT has it.
func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// packet is an MQTT packet with its length before it.
func packet(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

// hello says CONNECT as a client, and tells whether it was let in.
func hello(conn net.Conn, id string) error {
	if _, err := conn.Write(packet(0x10, append(append(text("MQTT"), 4, 2, 0, 60), text(id)...))); err != nil {
		return err
	}
	var ack [4]byte
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		return err
	}
	if !bytes.Equal(ack[:], []byte{0x20, 2, 0, 0}) {
		return errors.New("refused")
	}
	return nil
}

// ended is an error when a connection is still open at the end of its time.
func ended(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s is never cut off", what)
	}
}

// There is a number of connections.
func TestConnectionsAreBounded(t *testing.T) {
	b := bounded(t, func(o *server.Options) { o.MaxConn = 3 })
	var last net.Conn
	for n, id := range []string{"a", "b", "c"} {
		last = dial(t, b)
		if err := hello(last, id); err != nil {
			t.Fatalf("connection %d: %v", n+1, err)
		}
	}
	many := dial(t, b)
	if err := hello(many, "d"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more: %v, want an end", err)
	}
	_ = last.Close()
	until(t, "room for another", func() bool {
		conn := dial(t, b)
		defer conn.Close() //nolint:errcheck // it was a question
		return hello(conn, "e") == nil
	})
}

// Who never says CONNECT, or says it letter by letter, is cut off.
func TestSilentClientsEnd(t *testing.T) {
	b := bounded(t, func(o *server.Options) { o.MQTT.AuthTimeout = 0.5 })
	ended(t, "who says nothing", dial(t, b))
	slow := dial(t, b)
	if _, err := slow.Write([]byte{0x10, 0x7f, 0}); err != nil {
		t.Fatal(err)
	}
	ended(t, "who begins a CONNECT", slow)
	until(t, "who says CONNECT is let in", func() bool { // in half a second, which a busy machine may not have at once
		conn := dial(t, b)
		defer conn.Close() //nolint:errcheck // it was a question
		return hello(conn, "a") == nil
	})
}

// A message has a size: who sends a larger one is cut off, and who only announces it
// takes no memory.
func TestMessagesAreBounded(t *testing.T) {
	b := bounded(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	conn := dial(t, b)
	if err := hello(conn, "a"); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write(packet(0x30, append(text("x"), strings.Repeat("x", 70<<10)...))) // it may be cut off before the end
	ended(t, "a message of 70 KiB", conn)
}

// Who subscribes and never reads is cut off before it holds more than its share.
func TestDeafClientsEnd(t *testing.T) {
	b := bounded(t, func(o *server.Options) { o.MaxPending, o.MaxPayload = 1<<20, 128<<10 })
	deaf, loud := dial(t, b), dial(t, b)
	for conn, id := range map[net.Conn]string{deaf: "deaf", loud: "loud"} {
		if err := hello(conn, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := deaf.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := deaf.Write(packet(0x82, append([]byte{0, 1}, append(text("x"), 0)...))); err != nil {
		t.Fatal(err)
	}
	var suback [5]byte
	if _, err := io.ReadFull(deaf, suback[:]); err != nil {
		t.Fatal(err)
	}
	body := append(text("x"), strings.Repeat("x", 100<<10)...)
	until(t, "the deaf one's end", func() bool {
		if _, err := loud.Write(packet(0x30, body)); err != nil {
			t.Fatalf("who speaks is cut off: %v", err)
		}
		return b.Clients() == 1
	})
}
