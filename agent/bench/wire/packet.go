// Package wire speaks as much MQTT 3.1.1 as the benchmarks need, straight on a
// socket: the fastest that a client could be, and an observer that costs little.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Packet types, the first byte's upper half.
const (
	connack = 2
	publish = 3
	puback  = 4
	suback  = 9
)

// connect is a CONNECT of a clean session without keep-alive.
func connect(id string) []byte {
	b := []byte{0x10}
	b = appendLength(b, 10+2+len(id))
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, 0, 0)
	return appendString(b, id)
}

// appendPublish adds a QoS 1 PUBLISH.
func appendPublish(b []byte, topic string, id uint16, payload []byte) []byte {
	b = append(b, 0x32)
	b = appendLength(b, 2+len(topic)+2+len(payload))
	b = appendString(b, topic)
	b = binary.BigEndian.AppendUint16(b, id)
	return append(b, payload...)
}

// subscribe is a SUBSCRIBE at QoS 0.
func subscribe(filter string) []byte {
	b := []byte{0x82}
	b = appendLength(b, 2+2+len(filter)+1)
	b = append(b, 0, 1)
	return append(appendString(b, filter), 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendLength(b []byte, n int) []byte {
	for n > 127 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// readPacket returns the first byte and the rest, in buf where it fits.
func readPacket(r *bufio.Reader, buf []byte) (first byte, body []byte, err error) {
	if first, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(r) // MQTT's length is the same coding
	if err != nil {
		return 0, nil, err
	}
	if n > 1<<24 {
		return 0, nil, fmt.Errorf("packet of %d bytes", n)
	}
	if uint64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	_, err = io.ReadFull(r, buf[:n])
	return first, buf[:n], err
}

// dial connects as the client id and waits for the broker's CONNACK.
func dial(addr, id string) (net.Conn, *bufio.Reader, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(c, 1<<18)
	if _, err = c.Write(connect(id)); err == nil {
		err = expect(r, connack)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("connect %s to %s: %w", id, addr, err), c.Close())
	}
	return c, r, nil
}

func expect(r *bufio.Reader, kind byte) error {
	first, body, err := readPacket(r, nil)
	if err != nil {
		return err
	}
	if first>>4 != kind {
		return fmt.Errorf("packet of type %d, want %d", first>>4, kind)
	}
	if kind == connack && (len(body) != 2 || body[1] != 0) {
		return fmt.Errorf("refused: %x", body)
	}
	return nil
}

// message is a PUBLISH that came in at QoS 0.
func message(body []byte) (topic string, payload []byte, err error) {
	if len(body) < 2 || len(body) < 2+int(binary.BigEndian.Uint16(body)) {
		return "", nil, errors.New("publish cut short")
	}
	n := 2 + int(binary.BigEndian.Uint16(body))
	return string(body[2:n]), body[n:], nil
}
