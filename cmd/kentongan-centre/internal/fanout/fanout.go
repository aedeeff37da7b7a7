// Package fanout passes on what the centre has committed: to each agency what is
// its own, and to the police how the cameras do that are marked shared. Both read
// it on the broker, on branches that nobody else may write (docs/reference/broker.md).
//
//	store.Commit ──► Offer ──► Run ──► kentongan/v1-agency/{agency}/{device}/…
//	                                └► kentongan/v1-shared/{device}/…
//
// States are read from the database and published where they differ from what
// stands at the broker, which is asked for it at the beginning of each session: a
// device that goes over to another agency, or a camera that is shared no more,
// disappears from the old place. Records are published as they are committed; what
// was missed, because the broker or this program was away, is read from the
// database. The same record may be published twice, and none is left out that came
// in within the newest 20,000 of its lane.
//
// # Concurrency
//
// Offer may be called from anywhere and returns at once. Run owns the rest.
package fanout

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Agencies says whose a device is, and who takes complaints of a service.
type Agencies interface {
	OfDevice(device string) (agency string, ok bool)
	OfService(code string) (agency string, ok bool)
}

// source is what is read of the store; an empty device means all.
type source interface {
	Devices(ctx context.Context, device string) ([]store.Device, error)
	Streams(ctx context.Context, device string) ([]store.Stream, error)
	Apps(ctx context.Context, device string) ([]store.App, error)
	Alarms(ctx context.Context, f store.AlarmFilter) ([]store.Alarm, error)
	Complaints(ctx context.Context, f store.ComplaintFilter) ([]store.Complaint, error)
	RecentRecords(ctx context.Context, device string, since time.Time) ([]report.Received, error)
}

// Config says where to publish, and what.
type Config struct {
	Nodes    []*url.URL  // the broker, or the nodes of a cluster
	TLS      *tls.Config // for mqtts
	Username string
	Password string
	Name     string // MQTT client id, not the ingest's
	File     string // where it is kept how far it has come
	Source   source
	// Agencies is asked every AgenciesEvery (0 is 10 s), so that a change of the
	// tables is seen.
	Agencies      func(ctx context.Context) (Agencies, error)
	AgenciesEvery time.Duration
	Log           *slog.Logger
}

// Fanout is the way out. Make it with New and call Run once.
type Fanout struct {
	cfg      Config
	agencies Agencies  // owned by Run
	saved    time.Time // when the position was kept last; owned by Run
	wake     chan struct{}

	mu     sync.Mutex        // guards what follows
	queue  []report.Received // committed, not published
	told   map[string]bool   // devices whose states have to be looked at
	behind bool              // the queue was full: the database has to be asked
}

// maxQueue is how many records wait in memory; more are read from the database.
const maxQueue = 8192

// New makes a Fanout; it starts nothing.
func New(cfg Config) *Fanout {
	if cfg.AgenciesEvery == 0 {
		cfg.AgenciesEvery = 10 * time.Second
	}
	return &Fanout{cfg: cfg, wake: make(chan struct{}, 1), told: map[string]bool{}, behind: true}
}

// Offer takes what was committed. It is for ingest.Config.OnCommit.
func (f *Fanout) Offer(c store.Committed) {
	if len(c.Fresh) == 0 && len(c.Told) == 0 {
		return
	}
	f.mu.Lock()
	for _, d := range c.Told {
		f.told[d] = true
	}
	switch {
	case f.behind: // it comes out of the database
	case len(f.queue)+len(c.Fresh) > maxQueue:
		f.queue, f.behind = nil, true
	default:
		f.queue = append(f.queue, c.Fresh...)
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take empties what waits. behind tells that the database has to be asked.
func (f *Fanout) take() (records []report.Received, told []string, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := range f.told {
		told = append(told, d)
	}
	clear(f.told)
	records, behind = f.queue, f.behind
	f.queue, f.behind = nil, false
	return records, told, behind
}

// fallBehind has the next session ask the database.
func (f *Fanout) fallBehind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue, f.behind = nil, true
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 15 * time.Second
)

// Run publishes until ctx ends.
func (f *Fanout) Run(ctx context.Context) error {
	pause := firstPause
	for turn := 0; ; turn++ {
		node := f.cfg.Nodes[turn%len(f.cfg.Nodes)]
		began := time.Now()
		err := f.session(ctx, node)
		if ctx.Err() != nil {
			return nil
		}
		f.fallBehind()
		if time.Since(began) > longPause {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause)
		f.cfg.Log.Warn("session over", "broker", node.Redacted(), "err", err, "retry_in", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, longPause)
	}
}
