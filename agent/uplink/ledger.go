package uplink

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ledger knows which publish has which packet id, and notes each PUBACK as it
// comes in, in whatever order. It is the store that paho asks for: paho puts a
// publish there before it sends it, and deletes it when the PUBACK has come and
// at no other time, so that no goroutine has to stand beside each token. It
// keeps no packet: what is not acknowledged is in our own spool.
type ledger struct {
	mu      sync.Mutex // guards all below
	current *publish   // handed to paho now
	pending map[uint16]*publish
	done    []outcome

	ready chan struct{} // capacity 1
}

// outcome is a PUBACK.
type outcome struct {
	p  *publish
	at time.Time
}

func newLedger() *ledger {
	return &ledger{pending: map[uint16]*publish{}, ready: make(chan struct{}, 1)}
}

// handing says which publish paho gets next; nil is one that nobody counts.
func (l *ledger) handing(p *publish) {
	l.mu.Lock()
	l.current = p
	l.mu.Unlock()
}

// Put implements mqtt.Store.
func (l *ledger) Put(key string, _ packets.ControlPacket) {
	id, ok := outboundID(key)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		l.pending[id] = l.current
	}
}

// Del implements mqtt.Store.
func (l *ledger) Del(key string) {
	id, ok := outboundID(key)
	if !ok {
		return
	}
	l.mu.Lock()
	p := l.pending[id]
	if p != nil {
		delete(l.pending, id)
		l.done = append(l.done, outcome{p, time.Now()})
	}
	l.mu.Unlock()
	if p == nil {
		return // a SUBACK, or a second PUBACK
	}
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// take returns the PUBACKs since the last call. into is used again.
func (l *ledger) take(into []outcome) []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.done
	l.done = into[:0]
	return out
}

// outboundID reads paho's key for what we sent, "o." and the packet id.
func outboundID(key string) (uint16, bool) {
	digits, ok := strings.CutPrefix(key, "o.")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), err == nil
}

// The rest of mqtt.Store: there is nothing to keep.

func (l *ledger) Open()                            {}
func (l *ledger) Close()                           {}
func (l *ledger) Reset()                           {}
func (l *ledger) All() []string                    { return nil }
func (l *ledger) Get(string) packets.ControlPacket { return nil }
