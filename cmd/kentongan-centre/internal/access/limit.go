package access

import (
	"net/netip"
	"sync"
	"time"

	"kentongan/cmd/kentongan-centre/internal/crowd"

	"golang.org/x/time/rate"
)

// Limiter lets a burst of attempts through for each key, then one every so long.
type Limiter struct {
	burst int
	every time.Duration

	mu sync.Mutex // guards at
	at map[string]*rate.Limiter
}

// Place is an address as attempts are counted: of IPv6 the /64, for whoever has one
// address has all of that (RFC 6177, RFC 7934).
func Place(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Unmap().Is4() {
		return addr
	}
	return crowd.Network(ip).String()
}

// maxKeys bounds the memory that strangers can take.
const maxKeys = 20_000

// NewLimiter gives each key a burst of attempts, and then one every so long.
func NewLimiter(burst int, every time.Duration) *Limiter {
	return &Limiter{burst: burst, every: every, at: map[string]*rate.Limiter{}}
}

// Take is false when the key has had its attempts.
func (l *Limiter) Take(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.at[key]
	if one == nil {
		if len(l.at) >= maxKeys {
			l.drop(now)
		}
		one = rate.NewLimiter(rate.Every(l.every), l.burst)
		l.at[key] = one
	}
	return one.AllowN(now, 1)
}

// forget gives a key its attempts back.
func (l *Limiter) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, key)
}

// drop makes room: first those that have their attempts back, which is no loss,
// and when all are at it, all.
func (l *Limiter) drop(now time.Time) {
	for k, one := range l.at {
		if one.TokensAt(now) >= float64(l.burst) {
			delete(l.at, k)
		}
	}
	if len(l.at) >= maxKeys {
		clear(l.at)
	}
}
