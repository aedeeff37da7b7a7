package uplink

import (
	"sync"
	"time"
)

// pubacks takes the broker's PUBACKs as the connection reads them, in whatever
// order, until the session looks at them.
type pubacks struct {
	mu   sync.Mutex // guards done
	done []puback

	ready chan struct{} // capacity 1
}

// puback is one PUBACK: the packet id that it is for, and when it came.
type puback struct {
	id uint16
	at time.Time
}

// maxPubacks bounds what a broker can make us keep by PUBACKs that we did not
// ask for: no more publishes than that are ever on their way.
const maxPubacks = 1 << 16

func newPubacks() *pubacks { return &pubacks{ready: make(chan struct{}, 1)} }

func (a *pubacks) put(id uint16) {
	a.mu.Lock()
	if len(a.done) < maxPubacks {
		a.done = append(a.done, puback{id, time.Now()})
	}
	a.mu.Unlock()
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

// take returns the PUBACKs since the last call. into is used again.
func (a *pubacks) take(into []puback) []puback {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.done
	a.done = into[:0]
	return out
}
