// Package ingest brings what devices publish into the store, and tells them
// with a signed receipt what is safe.
//
//	broker ──► handler (decode) ──► group ──► store.Commit ──► PUBACK
//	                                                    └────► receipt (ack/{lane})
//
// PUBACK is given after the commit, so what a crash takes from this process
// the broker delivers again: the session is persistent. Doubles that come of it
// are dropped by the store. Devices don't rely on that: they keep each complaint
// and event until they have the receipt.
//
// # Concurrency
//
// Run's goroutine commits; paho's decodes, and is held back when the commits
// are behind; one more publishes the receipts, and one the orders. All end with
// their session.
package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Config says where the messages come from and who signs.
type Config struct {
	Broker   *url.URL    // mqtt or mqtts
	Others   []*url.URL  // further nodes of the same cluster: the next is tried when one fails
	TLS      *tls.Config // for mqtts
	Username string
	Password string
	Name     string // MQTT client id; fixed, the session in the broker hangs on it
	Signer   note.Signer
	// OnCommit is told of each commit and must return at once.
	OnCommit func(store.Committed)
	// OrdersEvery is how often it is looked for orders to send or to send again;
	// 0 is 1 s. Wake cuts it short.
	OrdersEvery time.Duration
	// Dial opens the connection to the broker in the place of paho; for tests.
	Dial func(*url.URL) (net.Conn, error)
}

// Ingest is the way from a broker to the store.
type Ingest struct {
	cfg   Config
	store *store.Store
	log   *slog.Logger
	stats counters
	quiet muffler
	wake  chan struct{} // capacity 1: there is an order to send

	receiptsWithin time.Duration // see readWithin
}

// New checks the configuration; Run does the work.
func New(cfg Config, st *store.Store, log *slog.Logger) (*Ingest, error) {
	for _, u := range append([]*url.URL{cfg.Broker}, cfg.Others...) {
		if err := mqttaddr.Check(u); err != nil {
			return nil, err
		}
	}
	if cfg.OnCommit == nil {
		cfg.OnCommit = func(store.Committed) {}
	}
	if cfg.OrdersEvery == 0 {
		cfg.OrdersEvery = time.Second
	}
	return &Ingest{cfg: cfg, store: st, log: log, wake: make(chan struct{}, 1), receiptsWithin: readWithin}, nil
}

// Pauses between sessions: the first short, so that a restarted broker is
// found soon; the longest such that a broker in trouble is left in peace.
const (
	firstPause = 250 * time.Millisecond
	longPause  = 15 * time.Second
)

// Run keeps a session with the broker until ctx ends. What has come in by then
// is committed and acknowledged before it returns.
func (i *Ingest) Run(ctx context.Context) error {
	pause := firstPause
	nodes := append([]*url.URL{i.cfg.Broker}, i.cfg.Others...)
	for turn := 0; ; turn++ {
		broker := nodes[turn%len(nodes)]
		began := time.Now()
		err := i.session(ctx, broker)
		i.stats.connected.Store(false)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > longPause {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause)
		i.log.Warn("session over", "broker", broker.Redacted(), "err", err, "retry_in", wait.Round(time.Millisecond))
		i.stats.sessionsLost.Add(1)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, longPause)
	}
}

// message is one delivery, decoded, and the way to acknowledge it.
type message struct {
	arrival store.Arrival
	records int
	puback  func()
}

// session is one connection to the broker.
type session struct {
	*Ingest
	broker *url.URL
	client mqtt.Client
	in     chan message
	over   chan struct{} // closed when nobody reads in any more
	acks   receipts

	countersigned map[laneName]report.Signed // see countersigns

	failOnce sync.Once
	dead     chan struct{} // closed by fail
	cause    error         // why; to be read after dead is closed
}

// fail ends the session; the first cause counts.
func (s *session) fail(err error) {
	s.failOnce.Do(func() {
		s.cause = err
		close(s.dead)
	})
}

// waiting is how many decoded messages may wait for their commit; paho's
// reading stops when they do.
const waiting = 256

func (i *Ingest) session(ctx context.Context, broker *url.URL) error {
	s := &session{
		Ingest: i, broker: broker, in: make(chan message, waiting),
		over: make(chan struct{}), dead: make(chan struct{}), acks: newReceipts(), countersigned: map[laneName]report.Signed{},
	}
	if err := s.connect(ctx); err != nil {
		close(s.over)
		return err
	}
	acksDone := make(chan struct{})
	go func() {
		defer close(acksDone)
		s.publishReceipts()
	}()
	ordersDone := make(chan struct{})
	err := s.begin(ctx)
	if err == nil {
		go func() {
			defer close(ordersDone)
			s.sendOrders()
		}()
		i.log.Info("centre connected", "broker", broker.Redacted())
		i.stats.connected.Store(true)
		err = s.work(ctx)
	} else {
		close(ordersDone)
	}
	// Nobody commits any more. Deliveries are let go without a PUBACK, or paho,
	// which reads in order, would wait for room and never come to the PUBACKs
	// of the last receipts.
	close(s.over)
	s.acks.close() // what waits there is still published when the connection lives
	<-acksDone
	<-ordersDone
	s.client.Disconnect(uint(disconnectAfter.Milliseconds()))
	return err
}

// readWithin is how long reading all receipts may take: two lanes of ten thousand
// devices, over a network, on a busy day. A database whose machine answers and that
// itself hangs would else hold the centre for good, without a word.
const readWithin = 5 * time.Minute

// begin says all receipts again, then subscribes.
func (s *session) begin(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, s.receiptsWithin)
	defer cancel()
	all, err := s.store.Receipts(within)
	if err != nil {
		return err
	}
	s.acks.add(all)
	return s.subscribe(ctx)
}

// work commits until the session or ctx ends.
func (s *session) work(ctx context.Context) error {
	for {
		select {
		case m := <-s.in:
			if err := s.commit(ctx, m); err != nil {
				return err
			}
		case <-s.dead:
			return s.cause
		case <-ctx.Done():
			return s.finish(ctx)
		}
	}
}

// finish commits what is already here, and not what goes on coming: on a busy
// day that would never end.
func (s *session) finish(ctx context.Context) error {
	if len(s.in) == 0 {
		return nil
	}
	return s.commit(ctx, <-s.in)
}

// A group is what one transaction holds: whatever came in while the one before
// was being synced, within these limits.
const (
	maxGroupMessages = 256
	maxGroupRecords  = 4000
	commitWithin     = 30 * time.Second
)

// commit takes m and what waits behind it through the store.
func (s *session) commit(ctx context.Context, m message) error {
	group, records := []message{m}, m.records
gather:
	for len(group) < maxGroupMessages && records < maxGroupRecords {
		select {
		case m := <-s.in:
			group, records = append(group, m), records+m.records
		default:
			break gather
		}
	}
	arrivals := make([]store.Arrival, len(group))
	for n, m := range group {
		arrivals[n] = m.arrival
	}
	// A commit is not given up because the program is asked to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWithin)
	defer cancel()
	began := time.Now()
	done, err := s.store.Commit(ctx, arrivals)
	if err != nil {
		s.stats.commitErrors.Add(1)
		s.log.Error("commit failed", "err", err, "messages", len(group))
		return err
	}
	s.stats.committed(done, time.Since(began))
	for _, m := range group {
		m.puback()
	}
	s.acks.add(done.Receipts)
	for _, err := range done.Refused {
		s.quiet.warn(s.log, "record refused", err)
	}
	if done.Conflicts > 0 {
		s.quiet.warn(s.log, "record conflicts", errors.New("a number came again with other content"))
	}
	s.cfg.OnCommit(done)
	return nil
}

// Status is what the page and the metrics show of the ingest.
func (i *Ingest) Status() Status { return i.stats.status() }

// topics that a centre subscribes to, all with QoS 1.
func filters() map[string]byte {
	return map[string]byte{report.UpFilter: 1, report.StateFilter: 1}
}
