package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// receiptsEvery is how often a lane's receipt is published at most. A device
// that works off a backlog sends many batches in that time, and the last
// receipt is worth all of them.
const receiptsEvery = 50 * time.Millisecond

type laneName struct {
	device string
	lane   report.Lane
}

// receipts holds the newest receipt of each lane until it is published.
type receipts struct {
	mu     sync.Mutex // guards next and closed
	next   map[laneName]store.Receipt
	closed bool
	some   chan struct{} // holds one token when next is not empty or closed is set
}

func newReceipts() receipts {
	return receipts{next: map[laneName]store.Receipt{}, some: make(chan struct{}, 1)}
}

func (r *receipts) add(rs []store.Receipt) {
	r.mu.Lock()
	for _, one := range rs {
		r.next[laneName{one.Device, one.Lane}] = one
	}
	r.mu.Unlock()
	r.wake()
}

func (r *receipts) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.wake()
}

func (r *receipts) wake() {
	select {
	case r.some <- struct{}{}:
	default:
	}
}

// take empties the receipts that wait.
func (r *receipts) take() (rs []store.Receipt, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.next {
		rs = append(rs, one)
	}
	clear(r.next)
	return rs, r.closed
}

// publishReceipts publishes what comes until close. A failure ends the session,
// whose successor says all receipts again.
func (s *session) publishReceipts() {
	for {
		<-s.acks.some
		rs, closed := s.acks.take()
		began := time.Now()
		if err := s.publish(rs); err != nil {
			s.fail(fmt.Errorf("publish receipt: %w", err))
			return
		}
		if closed {
			return
		}
		if len(rs) > 0 {
			// A pause that nobody needs to cut short: 50 ms.
			<-time.After(receiptsEvery - min(receiptsEvery, time.Since(began)))
		}
	}
}

// publishWindow is how many receipts wait for their PUBACK at a time. A PUBACK
// comes behind all that the broker has already sent us, which is thousands of
// messages, and seconds, when ten thousand devices come at once: a window of 64
// then lets 25 receipts a second through.
const publishWindow = 4096

// receiptWithin is how long such a PUBACK may take: a centre that is behind must
// not end its session for it, and begin again further behind. A broker that is
// gone shows by its silence before.
const receiptWithin = time.Minute

func (s *session) publish(rs []store.Receipt) error {
	for len(rs) > 0 {
		n := min(publishWindow, len(rs))
		toks := make([]mqtt.Token, 0, n)
		var kept []store.SignedReceipt
		for _, r := range rs[:n] {
			msg, err := s.sign(r)
			if err != nil {
				return err
			}
			if s.countersigns(r) {
				kept = append(kept, store.SignedReceipt{Receipt: r, Note: msg})
			}
			toks = append(toks, s.client.Publish(report.Topics(r.Device).Ack(r.Lane), 1, true, msg))
		}
		for _, tok := range toks {
			if err := s.wait(context.Background(), tok, receiptWithin); err != nil {
				return err
			}
			s.stats.receipts.Add(1)
		}
		s.keep(kept)
		rs = rs[n:]
	}
	return nil
}

func (s *session) sign(r store.Receipt) ([]byte, error) {
	return report.Ack{
		Device: r.Device, Lane: r.Lane, Epoch: r.Epoch, Seq: r.Seq, Hash: r.Hash,
		Time: time.Now().UTC().Truncate(time.Second), Want: r.Want, Held: r.Held, Checkpoint: r.Checkpoint,
	}.Sign(s.cfg.Signer)
}
