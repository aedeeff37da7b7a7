package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// maxIncoming is the largest PUBLISH that we take, in bytes: an
// acknowledgement with all its ranges is under 3 KiB, an order under 16.
const maxIncoming = 64 << 10

// handover is how long a farewell may take, and paho over a write. Our
// connection buffers, so it takes longer only when nothing moves any more.
const handover = 2 * time.Second

// wire is one MQTT connection: a client of paho's that is used once, and never
// to publish: see framed. With
// AutoReconnect, paho completes a token without a PUBACK when it reconnects, and
// without CleanSession it never completes those of a lost connection; so we use
// neither, and a new client for each connection.
type wire struct {
	client mqtt.Client
	conn   *framed
	link   *link
	lost   chan struct{} // closed when paho has stopped
}

// will is the message that the broker publishes when the connection breaks.
type will struct {
	topic   string
	payload []byte
}

// connect opens a wire, or says of what kind the failure is. It takes no longer
// than the connect limit and leaves nothing behind when it fails.
func (d *dialer) connect(ctx context.Context, w will, onPuback func(id uint16), onMessage mqtt.MessageHandler) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Tuning.ConnectLimit)
	defer cancel()
	password, err := d.broker.password()
	if err != nil {
		return nil, &linkError{kind: failFiles, err: err}
	}
	c := &wire{lost: make(chan struct{})}
	var dialErr error
	stop := func() bool { return true }
	o := mqtt.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: "kentongan", Host: d.addr.hostPort}} // only the open function sees it
	o.SetClientID(d.cfg.Device).SetUsername(d.broker.Username).SetPassword(password)
	o.SetProtocolVersion(4).SetCleanSession(true)
	o.SetAutoReconnect(false).SetConnectRetry(false)
	o.SetOrderMatters(false)
	o.SetKeepAlive(d.cfg.KeepAlive).SetPingTimeout(min(d.cfg.KeepAlive, d.cfg.Tuning.StallAfter))
	o.SetConnectTimeout(d.cfg.Tuning.ConnectLimit).SetWriteTimeout(handover)
	o.SetBinaryWill(w.topic, w.payload, 1, true)
	o.SetDefaultPublishHandler(onMessage)
	o.SetConnectionLostHandler(func(mqtt.Client, error) { close(c.lost) })
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		var conn net.Conn
		if conn, c.link, dialErr = d.dial(ctx); dialErr != nil {
			return nil, dialErr
		}
		c.conn = newFramed(conn, maxIncoming, len(d.cfg.filters()), onPuback)
		stop = context.AfterFunc(ctx, func() { _ = c.conn.end(context.Cause(ctx)) })
		return c.conn, nil
	})
	c.client = mqtt.NewClient(o)
	err = c.open()
	stop()
	if err != nil {
		if dialErr != nil {
			err = dialErr
		}
		return nil, classify(err)
	}
	c.link.setIdle(d.cfg.KeepAlive + d.cfg.KeepAlive/2 + d.cfg.Tuning.StallAfter)
	return c, nil
}

// open waits for the CONNACK. The wait is bounded: the dial by ctx, and what
// comes after it ends with the connection, which ends with ctx.
func (c *wire) open() error {
	tok := c.client.Connect()
	<-tok.Done()
	err := tok.Error()
	if err == nil || c.conn == nil {
		return err
	}
	cause := errors.Unwrap(c.conn.end(err))
	<-c.conn.gone
	switch {
	case connackKind(err) != failNone:
		return err
	case errors.Is(cause, errPacket), errors.Is(cause, errPahoStopped): // paho gave up, not the network
		return &linkError{kind: failProtocol, err: cause}
	case errors.Is(cause, io.EOF): // a reset is a broker that died
		return &linkError{kind: failTurnedAway, err: cause}
	}
	return fmt.Errorf("MQTT handshake: %w", cause)
}

// close ends the connection because of cause and returns when paho and the
// writer have stopped.
func (c *wire) close(cause error) {
	_ = c.conn.end(cause)
	<-c.lost
	<-c.conn.gone
}

// errPahoStopped ends a connection that paho gave up by itself, which it does
// when a ping is not answered.
var errPahoStopped = errors.New("the MQTT client stopped")

// cause is why the connection ended.
func (c *wire) cause() error { return errors.Unwrap(c.conn.end(errPahoStopped)) }

// bye sends DISCONNECT, so that the broker does not publish the will.
func (c *wire) bye(limit time.Duration) {
	_, _ = c.conn.Write([]byte{packets.Disconnect << 4, 0}) // if it fails, the will says the same
	c.conn.flush(limit)
}
