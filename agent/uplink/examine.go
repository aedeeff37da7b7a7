package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/report"
)

// Examiner tries a broker step by step, for who wants to know why there is no
// connection. It does what the uplink does, with the same files, and keeps
// nothing. Its methods may be called from any goroutine.
type Examiner struct {
	cfg    Config
	dialer dialer
}

// NewExaminer is of one broker of cfg. What cfg has of callbacks is not called.
func NewExaminer(cfg Config, b Broker) (*Examiner, error) {
	addr, err := b.address()
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Tuning.setDefaults()
	e := &Examiner{cfg: cfg}
	e.dialer = dialer{cfg: &e.cfg, broker: b, addr: addr, sent: new(atomic.Int64), recv: new(atomic.Int64)}
	return e, nil
}

// Address is where the broker is.
func (e *Examiner) Address() (host, hostPort string, secure bool) {
	a := e.dialer.addr
	return a.host, a.hostPort, a.tls
}

// TCP tells whether it takes connections.
func (e *Examiner) TCP(ctx context.Context) error {
	conn, err := e.dialer.tcp(ctx)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// smallSegment is one that passes every link of IPv4 (RFC 1122, 4.2.2.6).
const smallSegment = 536

// TLS tells whether the handshake succeeds. With small, both sides send small
// packets only: a way that loses large ones then shows.
func (e *Examiner) TLS(ctx context.Context, small bool) (tls.ConnectionState, error) {
	cfg, err := e.dialer.broker.tlsConfig(e.dialer.addr.serverName, e.cfg.now)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	d := net.Dialer{Resolver: e.cfg.Resolver, Control: func(network, address string, c syscall.RawConn) error {
		err := socketControl(e.dialer.broker.Interface, e.cfg.Tuning.StallAfter)(network, address, c)
		if err != nil || !small {
			return err
		}
		ctl := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, smallSegment)
		})
		return errors.Join(ctl, err)
	}}
	raw, err := d.DialContext(ctx, "tcp", e.dialer.addr.hostPort)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer raw.Close()
	conn := tls.Client(raw, cfg)
	err = conn.HandshakeContext(ctx)
	return conn.ConnectionState(), err
}

// Talk is how a session with the broker went.
type Talk struct {
	Refused string   // how the login failed, as UplinkState.Reason has it; "" when it did not
	Err     error    // with Refused: what was met
	Told    bool     // the broker tells of a publish that it denies (MQTT 5)
	Denied  []string // topics that it denied
	Over    bool     // another client with this name took the session over
	Notes   []Note   // what came from the centre, the newest maxNotes
}

// Note is one receipt, not verified.
type Note struct {
	Lane     report.Lane
	Body     []byte
	Retained bool // it stood there already
}

// Talk logs in as the device would, listens to the centre's receipts, and
// publishes hello, as an empty batch, which asks for one; nil publishes nothing.
// enough is asked after each receipt; with it or at the end of ctx the session
// ends in order.
//
// Brokers take it for the device: an agent that is connected loses its
// connection. MQTT 5 is tried first, since 3.1.1 has no way to say that a
// publish was denied.
func (e *Examiner) Talk(ctx context.Context, hello map[string][]byte, enough func(Note) bool) Talk {
	t := e.talk(ctx, 5, hello, enough)
	if ctx.Err() != nil {
		return t
	}
	if _, _, secure := e.Address(); secure && (t.Refused == failTurnedAway.String() || t.Refused == failNetwork.String()) {
		if err := e.alert(ctx); isTLS(err) {
			return Talk{Refused: failTLS.String(), Err: err}
		}
	}
	if t.Refused == failVersion.String() || t.Refused == failTurnedAway.String() || t.Refused == failProtocol.String() {
		if old := e.talk(ctx, 4, hello, enough); old.Refused == "" || t.Refused == failVersion.String() {
			return old
		}
	}
	return t
}

// alertWithin is how long a broker is listened to that has said nothing.
const alertWithin = 1500 * time.Millisecond

// alert waits for what a broker says of our certificate after the handshake,
// where TLS 1.3 has it. It says nothing itself: the broker's system throws the
// alert away with the connection when something has come that nobody read.
func (e *Examiner) alert(ctx context.Context) error {
	conn, _, err := e.dialer.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer time.AfterFunc(alertWithin, func() { _ = conn.Close() }).Stop()
	_, err = conn.Read(make([]byte, 1))
	return err
}

func (e *Examiner) talk(ctx context.Context, version byte, hello map[string][]byte, enough func(Note) bool) (t Talk) {
	password, err := e.dialer.broker.password()
	if err != nil {
		return Talk{Refused: failFiles.String(), Err: err}
	}
	conn, _, err := e.dialer.dial(ctx)
	if err != nil {
		return Talk{Refused: classify(err).kind.String(), Err: err}
	}
	defer conn.Close()
	m := &talker{conn: conn, version: version}
	stop := context.AfterFunc(ctx, func() { m.bye(); _ = conn.Close() })
	defer stop()
	if kind, err := m.login(e.cfg.Device, e.dialer.broker.Username, password); kind != failNone {
		if ctx.Err() != nil {
			kind = failTimeout
		}
		return Talk{Refused: kind.String(), Err: err}
	}
	t.Told = version == 5
	err = m.listen(e.cfg.Device, hello)
	if err == nil {
		err = m.take(&t, hello, enough)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errEnough) {
		t.Err = err
		t.Over = t.Over || hungUp(err)
	}
	if stop() {
		m.bye()
	}
	return t
}

// errEnough ends a talk.
var errEnough = errors.New("enough was heard")

// loginKind says of what kind a failure before the CONNACK is.
func loginKind(err error) failure {
	switch {
	case errors.Is(err, errPacket):
		return failProtocol
	case errors.Is(err, io.EOF):
		return failTurnedAway
	}
	return classify(err).kind
}

// Pair is the device's certificate with its key.
func (e *Examiner) Pair() (tls.Certificate, error) { return e.dialer.broker.pair() }
