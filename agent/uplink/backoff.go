package uplink

import (
	"math/rand/v2"
	"time"
)

// backoff says how long to wait before a broker is tried again: decorrelated
// jitter (each wait is random between the base and three times the wait
// before), so that a province which lost its power does not come back in step.
type backoff struct {
	base, cap time.Duration
	last      time.Duration
	kind      failure
	jitter    func(lo, hi time.Duration) time.Duration
}

// next returns the wait after a failure of this kind.
func (b *backoff) next(kind failure) time.Duration {
	base := min(b.base*kind.patience(), b.cap)
	if kind != b.kind || b.last < base {
		b.kind, b.last = kind, base
	}
	b.last = min(b.jitter(base, 3*b.last), b.cap)
	return b.last
}

// reset forgets the failures.
func (b *backoff) reset() { b.last, b.kind = 0, failNone }

func uniform(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + rand.N(hi-lo+1)
}
