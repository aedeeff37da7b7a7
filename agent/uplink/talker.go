package uplink

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"kentongan/agent/report"
)

// talker speaks as much of MQTT as an examination needs, in version 4 (3.1.1) or
// 5: paho has no 5, and only 5 has a word for a publish that was denied. The two
// differ here by a length of properties, which are always none of ours.
type talker struct {
	conn    net.Conn
	in      *bufio.Reader
	version byte
}

// Types of packets, as their first byte has them.
const (
	packetConnect    = packets.Connect << 4
	packetSubscribe  = packets.Subscribe<<4 | 2
	packetDisconnect = packets.Disconnect << 4
)

// denied is the reason code of what the broker's ACL denies (MQTT 5, 2.4); a
// reason from failedFrom on is a failure.
const (
	denied     = 0x87
	failedFrom = 0x80
	takenOver  = 0x8e
)

func (m *talker) send(kind byte, body []byte) error {
	_, err := m.conn.Write(append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
	return err
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) // #nosec: names and passwords are shorter
}

// noProperties is their length in version 5.
func (m *talker) noProperties(b []byte) []byte {
	if m.version == 5 {
		return append(b, 0)
	}
	return b
}

// isMQTT looks at the first byte of the answer, which is CONNACK's or else no
// broker's.
func (m *talker) isMQTT() error {
	m.in = bufio.NewReader(m.conn)
	first, err := m.in.Peek(1)
	if err != nil || first[0] == packets.Connack<<4 {
		return err
	}
	const shown = 30
	start, _ := m.in.Peek(min(m.in.Buffered(), shown)) // it is there
	return fmt.Errorf("%w: %q", errPacket, start)
}

// receive is the next packet.
func (m *talker) receive() (kind byte, body []byte, err error) {
	if kind, err = m.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(m.in)
	if err != nil {
		return 0, nil, err
	}
	if n > maxIncoming {
		return 0, nil, fmt.Errorf("%w: type %d of %d bytes", errPacket, kind>>4, n)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(m.in, body)
	return kind, body, err
}

// loginKinds are CONNACK's codes, of 3.1.1 and of 5.
var loginKinds = map[byte]failure{
	0: failNone, 1: failVersion, 2: failIdentifier, 3: failUnavailable, 4: failCredentials, 5: failNotAllowed,
	0x84: failVersion, 0x85: failIdentifier, 0x86: failCredentials, denied: failNotAllowed, 0x8a: failNotAllowed,
}

func (m *talker) login(client, user, password string) (failure, error) {
	flags := byte(0x02) // a clean session
	if user != "" {
		flags |= 0x80
	}
	if password != "" {
		flags |= 0x40
	}
	b := append(appendText(nil, "MQTT"), m.version, flags, 0, 60)
	b = appendText(m.noProperties(b), client)
	if user != "" {
		b = appendText(b, user)
	}
	if password != "" {
		b = appendText(b, password)
	}
	if err := m.send(packetConnect, b); err != nil {
		return loginKind(err), err
	}
	if err := m.isMQTT(); err != nil {
		return loginKind(err), err
	}
	kind, body, err := m.receive()
	switch {
	case err != nil:
		return loginKind(err), err
	case kind>>4 != packets.Connack || len(body) < 2:
		return failProtocol, fmt.Errorf("%w: type %d in place of CONNACK", errPacket, kind>>4)
	}
	got, known := loginKinds[body[1]]
	if !known {
		got = failUnavailable
	}
	return got, &linkError{kind: got, err: fmt.Errorf("CONNACK code %#x", body[1])}
}

// listen subscribes to the receipts and publishes hello, with ids from 2 on.
func (m *talker) listen(device string, hello map[string][]byte) error {
	b := m.noProperties([]byte{0, 1})
	for _, lane := range report.Lanes() {
		if lane.Chained() {
			b = append(appendText(b, report.Topics(device).Ack(lane)), 0)
		}
	}
	if err := m.send(packetSubscribe, b); err != nil {
		return err
	}
	id := uint16(2)
	for topic, payload := range hello {
		b := binary.BigEndian.AppendUint16(appendText(nil, topic), id)
		if err := m.send(packets.Publish<<4|2, append(m.noProperties(b), payload...)); err != nil {
			return err
		}
		id++
	}
	return nil
}

// take reads until everything was answered and enough was heard. hello holds one
// topic at most, whose PUBACK is the one that comes.
func (m *talker) take(t *Talk, hello map[string][]byte, enough func(Note) bool) error {
	answers, heard := len(hello), false
	for answers > 0 || !heard {
		kind, body, err := m.receive()
		if err != nil {
			return err
		}
		switch kind >> 4 {
		case packets.Puback:
			answers--
			if len(body) > 2 && body[2] >= failedFrom {
				for topic := range hello {
					t.Denied = append(t.Denied, topic)
				}
				return errEnough
			}
		case packets.Suback:
			if n := len(body); n > 0 && body[n-1] >= failedFrom {
				t.Denied = append(t.Denied, "ack/+")
				return errEnough
			}
		case packets.Publish:
			if note, ok := m.note(kind, body); ok {
				if len(t.Notes) == maxNotes {
					t.Notes = t.Notes[1:] // as in an inbox
				}
				t.Notes = append(t.Notes, note)
				heard = heard || enough(note)
			}
		case packets.Disconnect:
			t.Over = len(body) > 0 && body[0] == takenOver
			return fmt.Errorf("the broker ended the session: % x", body)
		}
	}
	return nil
}

// note reads a PUBLISH with QoS 0.
func (m *talker) note(kind byte, body []byte) (Note, bool) {
	if len(body) < 2 || kind&6 != 0 {
		return Note{}, false
	}
	n := 2 + int(binary.BigEndian.Uint16(body))
	if n > len(body) {
		return Note{}, false
	}
	topic, rest := string(body[2:n]), body[n:]
	if m.version == 5 {
		size, w := binary.Uvarint(rest)
		if w <= 0 || size > uint64(len(rest)-w) {
			return Note{}, false
		}
		rest = rest[w+int(size):] // #nosec: no more than rest has
	}
	p, err := report.ParseTopic(topic)
	return Note{Lane: p.Lane, Body: rest, Retained: kind&1 != 0}, err == nil && p.Branch == "ack"
}

// bye ends the session in order.
func (m *talker) bye() {
	_ = m.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = m.send(packetDisconnect, nil) // if it fails, it is over anyway
}
