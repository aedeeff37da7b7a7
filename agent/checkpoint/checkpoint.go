// Package checkpoint signs what a device's lanes hold.
//
//	store ──► newest record ──► signed note ──► state/checkpoint/{lane}, retained
//
// A record carries the hash of the one before it, so that the hash of the newest
// one stands for all. It is signed when a lane has moved: at the start, after
// Config.Every, after Config.Records, and when the connection is left in order.
// Telemetry is not chained, so nothing of it is signed.
//
// The record that is signed is on the disk, so no power cut makes the device
// have signed what it does not hold.
//
// # Concurrency
//
// Sign may be called from any goroutine; Run calls it, too.
package checkpoint

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Store is what is signed; the spool is one.
type Store interface {
	// Newest returns the last durable record of a lane; seq 0 is none.
	Newest(lane report.Lane) (epoch report.Epoch, seq uint64, hash report.Hash)
	// Changed returns a channel that is closed at the next append.
	Changed(lane report.Lane) <-chan struct{}
}

// Announcer takes what is signed to the broker. It must not block.
type Announcer interface {
	SetState(topic string, payload []byte)
}

// Config says who signs and how often.
type Config struct {
	Device  string
	Signer  note.Signer      // of the record key
	Key     string           // its public form
	Every   time.Duration    // longest time that a lane which has moved is not signed
	Records uint64           // and the most records
	Now     func() time.Time // the wall clock
}

// Notary signs the lanes of one store.
type Notary struct {
	cfg   Config
	store Store
	out   Announcer
	log   *slog.Logger

	pulse pulse.Pulse

	mu     sync.Mutex                // guards signed, and that one lane is not signed twice at a time
	signed map[report.Lane]uint64    // up to where
	at     map[report.Lane]time.Time // when, by the monotonic clock
}

// New makes a notary. It signs nothing yet.
func New(cfg Config, store Store, out Announcer, log *slog.Logger) *Notary {
	return &Notary{
		cfg: cfg, store: store, out: out, log: log.With("part", "checkpoint"),
		pulse: pulse.New(), signed: map[report.Lane]uint64{}, at: map[report.Lane]time.Time{},
	}
}

// Pulses ask the loop of Run.
func (n *Notary) Pulses() []pulse.Named {
	return []pulse.Named{{Name: "checkpoint", Pulse: n.pulse}}
}

// lanes are those whose records hold together.
var lanes = []report.Lane{report.Complaint, report.Event}

// Run signs until ctx ends.
func (n *Notary) Run(ctx context.Context) error {
	n.Sign()
	for {
		// Taken before the look at the lanes, so that no record is missed.
		complaint, event := n.store.Changed(report.Complaint), n.store.Changed(report.Event)
		timer := time.NewTimer(n.due(time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case beat := <-n.pulse:
			beat()
		case <-timer.C:
		case <-complaint:
		case <-event:
		}
		timer.Stop()
	}
}

// due signs the lanes that are due, and returns how long none of them will be
// for its time alone.
func (n *Notary) due(now time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.cfg.Every
	for _, lane := range lanes {
		_, seq, _ := n.store.Newest(lane)
		moved := seq - min(seq, n.signed[lane])
		if moved == 0 {
			continue
		}
		left := n.cfg.Every - now.Sub(n.at[lane])
		if left <= 0 || moved >= n.cfg.Records {
			n.signLocked(lane, now)
			continue
		}
		next = min(next, left)
	}
	return next
}

// Sign signs each lane that has moved since it was signed last.
func (n *Notary) Sign() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, lane := range lanes {
		n.signLocked(lane, time.Now())
	}
}

// signLocked signs a lane, if it has moved.
func (n *Notary) signLocked(lane report.Lane, now time.Time) {
	epoch, seq, hash := n.store.Newest(lane)
	if seq <= n.signed[lane] {
		return
	}
	c := report.Checkpoint{
		Device: n.cfg.Device, Lane: lane, Epoch: epoch, Seq: seq, Hash: hash,
		Time: n.cfg.Now().UTC().Truncate(time.Second), Key: n.cfg.Key,
	}
	msg, err := c.Sign(n.cfg.Signer)
	if err != nil {
		n.log.Error("checkpoint not signed", "lane", lane, "seq", seq, "err", err)
		return
	}
	n.signed[lane], n.at[lane] = seq, now
	n.out.SetState(report.Topics(n.cfg.Device).Checkpoint(lane), msg)
	n.log.Debug("checkpoint signed", "lane", lane, "seq", seq)
}
