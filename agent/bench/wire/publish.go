package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Pipeline publishes every payload at QoS 1 with so many in flight, and returns
// when the last PUBACK came. It writes up to 64 KiB at a time.
func Pipeline(addr, topic string, payloads [][]byte, window int) error {
	c, r, err := dial(addr, "bench-raw")
	if err != nil {
		return err
	}
	defer c.Close()
	room := make(chan struct{}, window)
	acked := make(chan error, 1)
	go func() { acked <- takeAcks(r, len(payloads), room) }()
	if err := send(c, topic, payloads, room); err != nil {
		return errors.Join(err, c.Close(), <-acked)
	}
	return <-acked
}

func send(c net.Conn, topic string, payloads [][]byte, room chan struct{}) error {
	w := bufio.NewWriterSize(c, 1<<16)
	var buf []byte
	for i, p := range payloads {
		select {
		case room <- struct{}{}:
		default:
			// Full: what is buffered must leave, or its PUBACKs never come.
			if err := w.Flush(); err != nil {
				return err
			}
			room <- struct{}{}
		}
		buf = appendPublish(buf[:0], topic, uint16(i%65535)+1, p)
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return w.Flush()
}

// takeAcks makes room for each PUBACK. They must come in order, as MQTT 3.1.1
// demands of a broker (4.6).
func takeAcks(r *bufio.Reader, n int, room chan struct{}) error {
	var buf [16]byte
	for i := range n {
		first, body, err := readPacket(r, buf[:])
		if err != nil {
			for range n { // let the sender go on to its own error
				select {
				case <-room:
				default:
				}
			}
			return fmt.Errorf("after %d of %d PUBACKs: %w", i, n, err)
		}
		if first>>4 != puback || len(body) != 2 || binary.BigEndian.Uint16(body) != uint16(i%65535)+1 {
			return fmt.Errorf("PUBACK %d: got type %d, %x", i, first>>4, body)
		}
		<-room
	}
	return nil
}
