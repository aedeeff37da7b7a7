// Package uplink brings the records of a store to the command centre, over
// MQTT 3.1.1.
//
//	Store ──► lane ──► pick ──► window ──► paho ──► broker ──► centre
//	  ▲                                     │                    │
//	  └── telemetry ◄────────────── PUBACK ─┘                    │
//	  └── complaint, event ◄────────── signed acknowledgement ───┘
//
// A PUBACK is no receipt: brokers give it for what their ACL denies, for what a
// full queue drops, and for what they lose when they are killed. So complaint
// and event records leave the store only on the centre's signed note
// (report.Ack), and are sent again when it does not come. Telemetry leaves on
// PUBACK.
//
// Lanes leave in strict order: complaint, event, retained states, live
// telemetry, telemetry backlog. What is in flight is bounded by a window that
// follows the round trip, so that a press never stands behind more than about
// one round trip of measurements.
//
// # Concurrency
//
// Run owns everything; SetState, Status, Wake, Reconfigure and Announce may be
// called from any goroutine. The store is only called by Run.
package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Store is what the uplink needs of the spool.
type Store interface {
	// Head is what the lane holds now.
	Head(lane report.Lane) report.Head
	// Read returns records with Seq >= from in order, jumping over holes; at
	// least one if there is one, whatever maxBytes says; none at the end.
	Read(lane report.Lane, from uint64, maxRecords, maxBytes int) ([]report.Entry, error)
	// Ack lets all up to and including seq go.
	Ack(lane report.Lane, seq uint64) error
	// Changed returns a channel that is closed at the next append.
	Changed(lane report.Lane) <-chan struct{}
}

// Uplink sends what a Store holds. Make it with New, and call Run once.
type Uplink struct {
	cfg   Config
	store Store
	log   *slog.Logger

	stats      stats
	states     *states
	sent, recv atomic.Int64 // bytes on the wire
	wake       chan struct{}
	pulse      pulse.Pulse
	next       atomic.Pointer[Config] // what Reconfigure brought
	renewed    chan struct{}          // capacity 1: there is a next one
	reborn     chan struct{}          // capacity 1: say anew who we are
	failBack   chan struct{}
	backTo     *brokerState // written before failBack is sent to, read after

	// Owned by the goroutine of Run.
	brokers       []*brokerState
	lanes         map[report.Lane]*lane
	pack          *packer
	budget        *budget
	repeat        *repeater
	refused       map[report.Lane]string // the last acknowledgement that was refused and told of
	tells         *rate.Limiter          // of such
	outage        map[failure]bool       // what has been reported of this outage
	online        bool
	waits         bool // telemetry waits for a budget, as Status says
	sessionPrefix string
	connections   int64
}

// New checks the configuration. It starts nothing.
func New(cfg Config, store Store, log *slog.Logger) (*Uplink, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	log = log.With("part", "uplink")
	u := &Uplink{
		cfg: cfg, store: store, log: log,
		states:   newStates(),
		wake:     make(chan struct{}, 1),
		pulse:    pulse.New(),
		renewed:  make(chan struct{}, 1),
		reborn:   make(chan struct{}, 1),
		failBack: make(chan struct{}),
		lanes:    map[report.Lane]*lane{},
		pack:     newPacker(cfg.Tuning.GzipFrom),
		budget:   newBudget(cfg.BytesPerSecond, cfg.BytesPerDay, cfg.Usage),
		repeat:   &repeater{log: log},
		refused:  map[report.Lane]string{},
		tells:    rate.NewLimiter(rate.Every(refusedEvery), refusedBurst),
		outage:   map[failure]bool{},

		sessionPrefix: sessionPrefix(cfg.Boot),
	}
	for _, name := range report.Lanes() {
		u.lanes[name] = newLane(name, name.Chained() && cfg.Acknowledge == ByCentre, cfg.Tuning.AckAhead)
	}
	var err error
	if u.brokers, err = newBrokers(&cfg); err != nil {
		return nil, err
	}
	u.stats.s.Lanes = map[report.Lane]LaneStatus{}
	u.stats.s.Since = cfg.now()
	return u, nil
}

// sessionPrefix tells the connections of this process from those of another in
// the same boot.
func sessionPrefix(boot string) string {
	var r [8]byte
	_, _ = rand.Read(r[:]) // never fails
	if boot == "" {
		return hex.EncodeToString(r[:4])
	}
	return boot + "-" + hex.EncodeToString(r[4:])
}

// Run connects and sends until ctx ends, and then returns nil. What goes wrong
// with brokers is retried here.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.offline()
	for ctx.Err() == nil {
		u.takeChange()
		b, wait := choose(u.brokers, time.Now())
		if b == nil {
			u.pause(ctx, wait)
			continue
		}
		if sum, err := b.fingerprint(); err == nil {
			b.sum = sum
		}
		up, err := u.serve(ctx, b)
		if ctx.Err() != nil {
			return nil
		}
		u.lost(b, err, up)
	}
	return nil
}

// serve runs one session, and watches the better brokers meanwhile.
func (u *Uplink) serve(ctx context.Context, b *brokerState) (up time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		u.pulse.While(endLimit, wg.Wait)
	}()
	if better := u.betterThan(b); len(better) > 0 {
		wg.Go(func() { u.probe(ctx, better) })
	}
	return u.session(ctx, b)
}

func (u *Uplink) betterThan(b *brokerState) []*brokerState {
	for i := range u.brokers {
		if u.brokers[i] == b {
			return u.brokers[:i]
		}
	}
	return nil
}

// pause waits, or until Wake.
func (u *Uplink) pause(ctx context.Context, wait time.Duration) {
	u.stats.change(func(s *Status) { s.NextTry = u.cfg.now().Add(wait) })
	watch, stop, err := watchFiles(u.files(), u.log)
	if err != nil {
		u.repeat.warn("certificate files not watched", err)
	}
	defer stop()
	if u.retryChanged() { // between the reading and the watching
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case beat := <-u.pulse:
			beat()
		case <-u.wake:
			for _, b := range u.brokers {
				b.retryAt = time.Time{}
			}
			return
		case <-u.renewed:
			return
		case <-watch:
			if u.retryChanged() {
				return
			}
		}
	}
}

// retryChanged lets the brokers whose files have changed be tried at once.
func (u *Uplink) retryChanged() (any bool) {
	for _, b := range u.brokers {
		if sum, err := b.fingerprint(); err == nil && sum != b.sum && len(b.files()) > 0 {
			b.retryAt = time.Time{}
			any = true
		}
	}
	return any
}

func (u *Uplink) files() (names []string) {
	for _, b := range u.brokers {
		names = append(names, b.files()...)
	}
	return names
}

// endLimit is for what has been told to end; it is the loop that hangs after it.
const endLimit = time.Minute

// Pulse asks the loop whether it lives. A broker that is slow or gone does not
// keep it from answering.
func (u *Uplink) Pulse() pulse.Pulse { return u.pulse }

// Wake ends a pause between two tries, for one who knows that a network has
// come up. It returns at once and may be called from any goroutine.
func (u *Uplink) Wake() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}
