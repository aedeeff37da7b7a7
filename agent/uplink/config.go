package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// Values of Config.Acknowledge.
const (
	ByCentre = "centre" // complaint and event leave on the centre's signed note
	ByBroker = "broker" // everything leaves on PUBACK; PUBACK is no receipt
)

// Broker is one place to connect to, over one link.
type Broker struct {
	URL       string // mqtt://HOST[:1883] or mqtts://HOST[:8883]
	CA        string // PEM file; "" is the system's roots
	Cert, Key string // PEM files of the device's certificate; "" for none
	// Pair joins what is in them; nil is tls.X509KeyPair.
	Pair func(cert, key []byte) (tls.Certificate, error)

	ServerName string // the name that the certificate must have; "" is the URL's host

	Username     string
	Password     string
	PasswordFile string // read at each connection; wins over Password

	Interface string // network interface to send through, "" for any
	Metered   bool   // Config.BytesPerDay holds here
}

// Config says what a device sends, to whom, and how much it may cost. The
// callbacks are called from the goroutine of Run and must not block it for long.
type Config struct {
	Device      string // the MQTT client id, too
	Boot        string // begins each session id; "" is a random one
	Brokers     []Broker
	Acknowledge string         // ByCentre (default) or ByBroker
	CentreKeys  note.Verifiers // needed with ByCentre
	KeepAlive   time.Duration  // MQTT keep-alive, default 60 s

	BytesPerSecond int64 // for telemetry, 0 is no limit; the other lanes count but don't wait
	BytesPerDay    int64 // on metered brokers, 0 is no limit; the same rule
	Usage          Usage // what OnUsage said last, before the restart
	OnUsage        func(Usage)

	Birth        func(session string) report.DeviceState
	OnAck        func(lane report.Lane, seq uint64) // all up to seq have left the store
	OnChange     func(report.UplinkState)
	OnAckRefused func(AckRefused) // a signed note that can't be right
	OnLeave      func()           // a connection is about to be closed in order; a state that is set now still leaves
	// OnCommand gets what comes on cmd/{name}, unread: nothing of it is known to
	// be the centre's. Of a body longer than an order may be it gets one byte
	// more than that. nil does not subscribe.
	OnCommand func(name string, body []byte)

	Now   func() time.Time // wall clock, default time.Now
	Floor time.Time        // certificates are checked at no time before this; default: the build's

	// Dial opens a connection to a broker; nil is the kernel's TCP, with Resolver
	// and the broker's Interface.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Resolver *net.Resolver                            // nil is the system's
	WrapConn func(net.Conn) net.Conn                  // laid around the TCP connection; for faults in tests
	Tuning   Tuning                                   // zero values mean the defaults
	Jitter   func(lo, hi time.Duration) time.Duration // nil is uniform random; for tests
}

// Tuning holds the figures that a deployment seldom changes. A zero value
// means the default.
type Tuning struct {
	MaxPublish  int // bytes of one publish's payload on the wire, default 12 KiB
	MaxBatch    int // bytes of a batch before compression, default 64 KiB
	MaxRecords  int // in one publish, default 400
	GzipFrom    int // bytes from which a batch is compressed, default 512; negative is never
	MaxWindow   int // bytes in flight, default 512 KiB: 13 Mbit/s at 300 ms
	MaxInFlight int // publishes in flight, default 256
	AckAhead    int // records sent past the centre's acknowledgement, default 2048

	Linger       time.Duration // live telemetry waits so long for company, default 1 s; negative is none
	BacklogDelay time.Duration // telemetry backlog waits a random time up to this after a connection, default 30 s; negative is none
	ResendAfter  time.Duration // least wait for the centre's acknowledgement, default 3 s
	ResendCap    time.Duration // longest wait between two tries, default 60 s
	StallAfter   time.Duration // a connection on which nothing is answered ends, default 15 s
	WriteTimeout time.Duration // for each piece of at most 4 KiB, default 10 s
	ConnectLimit time.Duration // dial, TLS and CONNACK together, default 20 s

	BackoffBase   time.Duration // default 1 s
	BackoffCap    time.Duration // default 5 min
	StableAfter   time.Duration // a session that lasted so long resets the back-off, default 60 s
	ProbeEvery    time.Duration // of better brokers while on a worse one, default 30 s
	FailBackAfter time.Duration // a better broker must be healthy so long, default 2 min
}

// AckRefused is an acknowledgement that the centre signed and that does not
// fit what the device holds: a restored database, a swapped card, or worse.
type AckRefused struct {
	Lane   report.Lane
	Reason string // epoch, hash, ahead
	Ack    report.Ack
	Detail string
	Quiet  bool // there were so many that this one is not to be told of
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (t *Tuning) setDefaults() {
	orDefault(&t.MaxPublish, 12<<10)
	orDefault(&t.MaxBatch, 64<<10)
	orDefault(&t.MaxRecords, 400)
	orDefault(&t.GzipFrom, 512)
	orDefault(&t.MaxWindow, 512<<10)
	orDefault(&t.MaxInFlight, 256)
	orDefault(&t.AckAhead, 2048)
	orDefault(&t.Linger, time.Second)
	orDefault(&t.BacklogDelay, 30*time.Second)
	orDefault(&t.ResendAfter, 3*time.Second)
	orDefault(&t.ResendCap, time.Minute)
	orDefault(&t.StallAfter, 15*time.Second)
	orDefault(&t.WriteTimeout, 10*time.Second)
	orDefault(&t.ConnectLimit, 20*time.Second)
	orDefault(&t.BackoffBase, time.Second)
	orDefault(&t.BackoffCap, 5*time.Minute)
	orDefault(&t.StableAfter, time.Minute)
	orDefault(&t.ProbeEvery, 30*time.Second)
	orDefault(&t.FailBackAfter, 2*time.Minute)
}

// check fills in the defaults and names each value that can't work.
func (c *Config) check() error {
	if !report.ValidDevice(c.Device) {
		return fmt.Errorf("device %q: want 1 to 40 of a-z, 0-9 and hyphen", c.Device)
	}
	if c.Acknowledge == "" {
		c.Acknowledge = ByCentre
	}
	if c.Acknowledge != ByCentre && c.Acknowledge != ByBroker {
		return fmt.Errorf("acknowledge %q: want %s or %s", c.Acknowledge, ByCentre, ByBroker)
	}
	if c.Acknowledge == ByCentre && c.CentreKeys == nil {
		return errors.New("acknowledge centre: no centre_key; `kentongan-centre key` prints it")
	}
	if len(c.Brokers) == 0 {
		return errors.New("brokers: none; name at least one")
	}
	for i := range c.Brokers {
		if _, err := c.Brokers[i].address(); err != nil {
			return fmt.Errorf("brokers[%d]: %w", i, err)
		}
	}
	if c.BytesPerSecond < 0 || c.BytesPerDay < 0 {
		return errors.New("budget: negative; 0 is no limit")
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = 60 * time.Second
	}
	if c.KeepAlive < time.Second || c.KeepAlive > 65535*time.Second {
		return fmt.Errorf("keepalive %v: want 1s to 18h", c.KeepAlive)
	}
	if c.Birth == nil {
		c.Birth = func(session string) report.DeviceState {
			return report.DeviceState{Session: session, Since: c.now()}
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Floor.IsZero() {
		c.Floor = buildTime()
	}
	if c.Jitter == nil {
		c.Jitter = uniform
	}
	c.Tuning.setDefaults()
	return nil
}

// now is the wall clock, but never a time before the floor: a board without a
// clock starts in 1970, and no certificate is valid then.
func (c *Config) now() time.Time {
	if t := c.Now(); t.After(c.Floor) {
		return t
	}
	return c.Floor
}

// address reads the URL.
func (b *Broker) address() (addr brokerAddr, err error) {
	u, err := url.Parse(b.URL)
	if err != nil {
		return addr, errors.New("url: not a URL; write mqtts://HOST:8883") // the error would show a password
	}
	port := "8883"
	switch u.Scheme {
	case "mqtts":
		addr.tls = true
	case "mqtt":
		port = "1883"
	case "ws", "wss":
		return addr, fmt.Errorf("url %q: WebSocket is not supported; write mqtts://HOST:8883", u.Redacted())
	default:
		return addr, fmt.Errorf("url %q: unknown scheme; write mqtt://HOST:1883 or mqtts://HOST:8883", u.Redacted())
	}
	if u.User != nil {
		return addr, fmt.Errorf("url %q: put the user name into username and the password into password_file", u.Redacted())
	}
	if u.Hostname() == "" {
		return addr, fmt.Errorf("url %q: no host", u.Redacted())
	}
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return addr, fmt.Errorf("url %q: nothing may follow the port", u.Redacted())
	}
	if (b.Cert == "") != (b.Key == "") {
		return addr, errors.New("cert and key: need both or none")
	}
	if !addr.tls && (b.Cert != "" || b.CA != "" || b.ServerName != "") {
		return addr, fmt.Errorf("url %q: ca, cert and server_name need mqtts", u.Redacted())
	}
	addr.host = u.Hostname()
	if u.Port() != "" {
		port = u.Port()
	}
	addr.hostPort = net.JoinHostPort(addr.host, port)
	addr.serverName = b.ServerName
	if addr.serverName == "" {
		addr.serverName = addr.host
	}
	return addr, nil
}

// brokerAddr is a URL, read.
type brokerAddr struct {
	tls        bool
	host       string
	hostPort   string
	serverName string
}
