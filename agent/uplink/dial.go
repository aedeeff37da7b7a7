package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// dialer opens connections to one broker: TCP over the right interface, faults
// of tests, counters and deadlines, TLS.
type dialer struct {
	cfg    *Config
	broker Broker
	addr   brokerAddr
	sent   *atomic.Int64
	recv   *atomic.Int64
}

// dial returns the connection to speak MQTT on, and the link below it. It ends
// at the latest with ctx.
func (d *dialer) dial(ctx context.Context) (net.Conn, *link, error) {
	var tlsCfg *tls.Config
	if d.addr.tls {
		var err error
		if tlsCfg, err = d.broker.tlsConfig(d.addr.serverName, d.cfg.now); err != nil {
			return nil, nil, &linkError{kind: failFiles, err: err}
		}
	}
	conn, err := d.tcp(ctx)
	if err != nil {
		return nil, nil, err
	}
	if d.cfg.WrapConn != nil {
		conn = d.cfg.WrapConn(conn)
	}
	tun := &d.cfg.Tuning
	l := newLink(conn, tun.WriteTimeout, tun.ConnectLimit, d.sent, d.recv)
	if tlsCfg == nil {
		return l, l, nil
	}
	tc := tls.Client(l, tlsCfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("TLS with %s: %w", d.addr.hostPort, err)
	}
	return tc, l, nil
}

// tcp connects over the right interface.
func (d *dialer) tcp(ctx context.Context) (net.Conn, error) {
	nd := net.Dialer{
		Resolver: d.cfg.Resolver,
		Control:  socketControl(d.broker.Interface, d.cfg.Tuning.StallAfter),
	}
	if d.broker.Metered {
		nd.KeepAlive = -1 // MQTT's own must do; the kernel's would cost 27 MB a month
	} else {
		nd.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 3}
	}
	connect := d.cfg.Dial
	if connect == nil {
		connect = nd.DialContext
	}
	conn, err := connect(ctx, "tcp", d.addr.hostPort)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", d.addr.hostPort, err)
	}
	return conn, nil
}
