// Package broker runs a NATS server with its MQTT side in this process, for a
// centre that has no broker of its own.
//
// It takes MQTT 3.1.1 on one address and nothing else: no NATS port, no
// monitoring port, no accounts. Whoever reaches the address can speak as any
// device, so it belongs on loopback or behind a firewall; a fleet gets a broker
// out of broker-config.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"kentongan/agent/report"
)

// Broker is a running broker.
type Broker struct {
	opts *server.Options
	addr string
	log  *slog.Logger
	sick chan struct{}                   // holds one token when the server could not write
	free func(dir string) (int64, error) // bytes

	mu  sync.Mutex // guards srv
	srv *server.Server
}

const (
	// maxPayload holds the largest batch that the centre reads, and the topic.
	maxPayload = report.MaxBatchBytes + 64<<10
	// maxStore is how much may wait on the disk while the centre's ingest is
	// not there; the devices keep what has no room.
	maxStore  = 2 << 30
	maxMemory = 64 << 20
	// syncEvery bounds what a power cut takes from the broker. Complaints and
	// events are safe anyway, by the centre's own acknowledgement; telemetry
	// leaves its device when the broker has it.
	syncEvery  = 5 * time.Second
	readyAfter = 30 * time.Second

	maxConns      = 20_000
	maxPending    = 64 << 20         // bytes that a client may leave unread; the ingest takes bursts
	writeWithin   = 10 * time.Second // a client that takes nothing is cut off
	connectWithin = 10 * time.Second // after which who has not said CONNECT is
)

// Start begins to listen on addr (HOST:PORT, port 0 for a free one) and keeps
// its state in dir. The caller ends it with Stop; Run keeps it well meanwhile.
func Start(addr, dir string, log *slog.Logger) (*Broker, error) {
	host, port, err := freeAddress(addr)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b := newBroker(settings(host, port, dir), log)
	if err := b.serve(); err != nil {
		return nil, err
	}
	return b, nil
}

func newBroker(opts *server.Options, log *slog.Logger) *Broker {
	return &Broker{opts: opts, addr: net.JoinHostPort(opts.MQTT.Host, strconv.Itoa(opts.MQTT.Port)), log: log, sick: make(chan struct{}, 1), free: freeBytes}
}

// settings are NATS's. Each bound of connections has its test.
func settings(host string, port int, dir string) *server.Options {
	return &server.Options{
		ServerName: "kentongan-centre", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
		SyncInterval: syncEvery, MaxPayload: maxPayload, MaxConn: maxConns, MaxPending: maxPending, WriteDeadline: writeWithin,
		// Two consumers for each QoS 1 filter of a device; the default of a
		// thousand refuses the 500th.
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1},
		// Who asks for nobody's name waits for ever on who never says CONNECT.
		CustomClientAuthentication: everybody{},
		MQTT:                       server.MQTTOpts{Host: host, Port: port, AckWait: time.Minute, MaxAckPending: 1024, AuthTimeout: connectWithin.Seconds()},
	}
}

// everybody is let in who says CONNECT.
type everybody struct{}

// Check implements server.Authentication.
func (everybody) Check(server.ClientAuthentication) bool { return true }

// serve runs a server with the broker's options.
func (b *Broker) serve() error {
	srv, err := server.NewServer(b.opts.Clone())
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	srv.SetLoggerV2(natsLog{b.log, b.heard}, false, false, false)
	b.mu.Lock()
	b.srv = srv
	b.mu.Unlock()
	srv.Start()
	if !srv.ReadyForConnections(readyAfter) {
		b.Stop()
		return fmt.Errorf("start broker on %s: not ready after %s", b.addr, readyAfter)
	}
	return nil
}

// freeAddress looks whether the address can be had, for a clear error, and
// picks the port when it is 0.
func freeAddress(addr string) (host string, port int, err error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("start broker: address %s is taken, perhaps by a Mosquitto; use it with --broker mqtt://%s, or give another address with --mqtt", addr, addr)
	}
	if err != nil {
		return "", 0, fmt.Errorf("start broker: %w", err)
	}
	defer l.Close() //nolint:errcheck // it was a question only
	if host, _, err = net.SplitHostPort(addr); err != nil {
		return "", 0, fmt.Errorf("start broker: %w", err)
	}
	return host, l.Addr().(*net.TCPAddr).Port, nil
}

// URL is where MQTT clients find it.
func (b *Broker) URL() *url.URL { return &url.URL{Scheme: "mqtt", Host: b.addr} }

// Clients is how many MQTT clients are connected.
func (b *Broker) Clients() int { return b.server().NumClients() }

func (b *Broker) server() *server.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.srv
}

// Stop ends the broker and waits for it.
func (b *Broker) Stop() {
	srv := b.server()
	srv.Shutdown()
	srv.WaitForShutdown()
}

// natsLog gives NATS's log to ours. Its notices are for the debug level: the
// centre says itself what a reader needs.
type natsLog struct {
	*slog.Logger
	heard func(line string)
}

func (l natsLog) say(level slog.Level, format string, v []any) {
	if level >= slog.LevelWarn {
		l.heard(fmt.Sprintf(format, v...))
	}
	if l.Enabled(context.Background(), level) {
		l.Log(context.Background(), level, "nats says", "text", fmt.Sprintf(format, v...))
	}
}

func (l natsLog) Noticef(f string, v ...any) { l.say(slog.LevelDebug, f, v) }
func (l natsLog) Warnf(f string, v ...any)   { l.say(slog.LevelWarn, f, v) }
func (l natsLog) Fatalf(f string, v ...any)  { l.say(slog.LevelError, f, v) }
func (l natsLog) Errorf(f string, v ...any)  { l.say(slog.LevelError, f, v) }
func (l natsLog) Debugf(f string, v ...any)  { l.say(slog.LevelDebug, f, v) }
func (l natsLog) Tracef(f string, v ...any)  { l.say(slog.LevelDebug, f, v) }
