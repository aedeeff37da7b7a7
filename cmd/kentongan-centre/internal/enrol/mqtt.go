package enrol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// MQTT is a broker's TLS listener, as any MQTT 3.1.1 broker has one.
type MQTT struct {
	Address    string         // HOST:PORT
	ServerName string         // in its certificate; "" is the host
	Roots      *x509.CertPool // nil is the system's
}

const mqttWithin = 10 * time.Second

// LetsIn implements Sessions: it connects and says goodbye.
func (m MQTT) LetsIn(ctx context.Context, c tls.Certificate, name string) (bool, error) {
	code, err := m.try(ctx, c, name)
	switch {
	case err == nil:
		return code == 0, nil
	case alert(err):
		return false, nil
	}
	return false, fmt.Errorf("connect to %s: %w", m.Address, err)
}

func (m MQTT) try(ctx context.Context, c tls.Certificate, name string) (code byte, err error) {
	conn, err := m.dial(ctx, c)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return connect(conn, name)
}

// Kick implements Sessions. Of two sessions with one client id a broker ends the
// older one (MQTT 3.1.1, 3.1.4-2), so this connects under the id and leaves again:
// it works on every broker that takes the id from the certificate, with no
// interface of its own. A broker that refuses has ended the session itself, or has
// none.
func (m MQTT) Kick(ctx context.Context, by tls.Certificate, name string) error {
	_, err := m.LetsIn(ctx, by, name)
	return err
}

func (m MQTT) dial(ctx context.Context, c tls.Certificate) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, mqttWithin)
	defer cancel()
	host, _, err := net.SplitHostPort(m.Address)
	if err != nil {
		return nil, err
	}
	if m.ServerName != "" {
		host = m.ServerName
	}
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.Roots, ServerName: host, Certificates: []tls.Certificate{c}}}
	conn, err := d.DialContext(ctx, "tcp", m.Address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(mqttWithin)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// connect sends a CONNECT with a clean session and reads the CONNACK's code, then
// takes its leave.
func connect(conn net.Conn, id string) (code byte, err error) {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2 /* clean session */, 0, 10}
	body = binary.BigEndian.AppendUint16(body, uint16(len(id)))
	body = append(body, id...)
	if _, err := conn.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil { // an id has at most 80 bytes
		return 0, err
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, err
	}
	if answer[0] != 0x20 || answer[1] != 2 {
		return 0, fmt.Errorf("no CONNACK but % x", answer)
	}
	_, _ = conn.Write([]byte{0xe0, 0}) // DISCONNECT; the connection is closed anyway
	return answer[3], nil
}

// alert tells whether the other side refused in TLS. In TLS 1.3 it says so after
// the handshake, so the first read has it.
func alert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}
