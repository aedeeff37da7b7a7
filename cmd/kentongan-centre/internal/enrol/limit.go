package enrol

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"kentongan/cmd/kentongan-centre/internal/crowd"
)

// How many wrong tokens may come. A token has 128 random bits and is not guessed
// at any rate; this keeps the book readable and says early that somebody tries.
// One address may be a whole mobile network, so only what is wrong counts, and an
// address is free again after some minutes.
const (
	wrongBurst    = 5
	wrongEvery    = 2 * time.Minute // one more for each address
	wrongAll      = 60              // that are written down
	wrongAllEvery = 2 * time.Second // one more, of all addresses together
	maxAddresses  = 10_000
)

// limiter bounds refusals by address and in all. It may be used from any
// goroutine.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex // guards the rest
	all     *rate.Limiter
	by      map[netip.Prefix]*rate.Limiter
	uncount int // refusals that were not written down
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, all: rate.NewLimiter(rate.Every(wrongAllEvery), wrongAll), by: map[netip.Prefix]*rate.Limiter{}}
}

// open tells whether an address may try now. The others' refusals don't count:
// else a dozen addresses in somebody's hands would close the door for all.
func (l *limiter) open(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	own := l.by[crowd.Network(a)]
	return own == nil || own.TokensAt(now) >= 1
}

// wrong counts a refusal against an address, and tells whether it may be written
// down: of all addresses together only so many are.
func (l *limiter) wrong(a netip.Addr) (write bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	write = l.all.AllowN(now, 1)
	own := l.by[crowd.Network(a)]
	if own == nil {
		if len(l.by) >= maxAddresses {
			l.forget(now)
		}
		own = rate.NewLimiter(rate.Every(wrongEvery), wrongBurst)
		if len(l.by) < maxAddresses {
			l.by[crowd.Network(a)] = own
		}
	}
	own.AllowN(now, 1)
	return write
}

// forget drops the addresses that are as good as new.
func (l *limiter) forget(now time.Time) {
	for p, own := range l.by {
		if own.TokensAt(now) >= wrongBurst {
			delete(l.by, p)
		}
	}
}

// passed counts a refusal that is not written down.
func (l *limiter) passed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uncount++
}

// more takes the number of refusals that were not written down.
func (l *limiter) more() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.uncount
	l.uncount = 0
	return n
}
