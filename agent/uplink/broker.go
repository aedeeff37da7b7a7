package uplink

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// brokerState is a broker and how it has behaved. The loop of Run owns it.
type brokerState struct {
	Broker
	addr    brokerAddr
	backoff backoff
	retryAt time.Time         // not before
	sum     [sha256.Size]byte // of its files at the last connection
	quick   int               // sessions in a row that the broker closed soon after the CONNACK
	hold    time.Duration     // how long it must be healthy before we come back to it
	backAt  time.Time         // when we came back to it last
}

// Takeover: so many sessions in a row, none longer than that.
const (
	takeoverCount = 3
	takeoverSoon  = 10 * time.Second
)

// choose returns the best broker that may be tried now, or nil and how long to
// wait.
func choose(brokers []*brokerState, now time.Time) (*brokerState, time.Duration) {
	var wait time.Duration
	for i, b := range brokers {
		left := b.retryAt.Sub(now)
		if left <= 0 {
			return b, 0
		}
		if i == 0 || left < wait {
			wait = left
		}
	}
	return nil, wait
}

// failed notes the end of a try or of a session that lasted up, and returns
// what is known of it now.
func (b *brokerState) failed(err error, up, stable time.Duration, now time.Time) *linkError {
	le := classify(err)
	if up >= stable {
		b.backoff.reset()
		b.quick = 0
	}
	switch {
	case up > 0 && up < takeoverSoon && hungUp(le.err):
		if b.quick++; b.quick >= takeoverCount {
			le = &linkError{kind: failTakeover, err: le.err}
			if _, ok := errors.AsType[unansweredError](le.err); ok {
				le.kind = failDenied // Mosquitto 2.0 with max_queued_messages 0 does that
			}
		}
	case up > 0:
		b.quick = 0
	}
	if le.kind == failOrdered {
		b.retryAt = now
		return le
	}
	b.retryAt = now.Add(b.backoff.next(le.kind))
	if !b.backAt.IsZero() && up < stable && now.Sub(b.backAt) < 2*stable {
		b.hold = min(2*b.hold, maxHold) // it was not healthy after all
	}
	b.backAt = time.Time{}
	return le
}

// maxHold bounds how long a broker that disappoints again and again must be
// healthy before we come back to it.
const maxHold = time.Hour

// probe watches the better brokers while a worse one serves, and says so when
// one has been healthy for as long as it must. It reaches TCP and TLS only: a
// CONNECT with our id would throw us out of a cluster, and one with another id
// is refused.
func (u *Uplink) probe(ctx context.Context, better []*brokerState) {
	since := make([]time.Time, len(better))
	tun := &u.cfg.Tuning
	t := time.NewTimer(u.cfg.Jitter(tun.ProbeEvery/2, tun.ProbeEvery))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for i, b := range better {
			switch healthy := u.reach(ctx, b); {
			case !healthy:
				since[i] = time.Time{}
			case since[i].IsZero():
				since[i] = time.Now()
			case time.Since(since[i]) >= b.hold:
				u.backTo = b
				select {
				case u.failBack <- struct{}{}:
				case <-ctx.Done():
				}
				return
			}
		}
		t.Reset(u.cfg.Jitter(tun.ProbeEvery/2, tun.ProbeEvery))
	}
}

// reach tells whether the broker can be spoken to.
func (u *Uplink) reach(ctx context.Context, b *brokerState) bool {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.Tuning.ConnectLimit)
	defer cancel()
	d := &dialer{cfg: &u.cfg, broker: b.Broker, addr: b.addr, sent: &u.sent, recv: &u.recv}
	conn, _, err := d.dial(ctx)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
