package screen

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A PIN has 20 bits. Ten guesses, then one in six seconds, over all tickets, is
// a million in ten weeks; and five wrong ones close a ticket for a quarter of an hour,
// which makes it six years for one that somebody wants.
const (
	guessBurst  = 10
	guessEvery  = 6 * time.Second
	wrongTries  = 5
	closedFor   = 15 * time.Minute
	maxWatched  = 1000 // tickets whose wrong guesses are counted
	forgetAfter = 24 * time.Hour
)

// guard limits wrong guesses; right ones cost nothing.
type guard struct {
	mu      sync.Mutex // guards what follows
	guesses *rate.Limiter
	wrong   map[string]*tries
}

type tries struct {
	n      int
	last   time.Time
	closed time.Time // until then
}

func newGuard() *guard {
	return &guard{guesses: rate.NewLimiter(rate.Every(guessEvery), guessBurst), wrong: map[string]*tries{}}
}

// ask lets check look at a ticket's PIN, if it may be asked for now, and counts it
// when that is an error. One is looked at after the other: guesses that come side
// by side don't pass before the first of them is counted.
func (g *guard) ask(ticket string, now time.Time, check func() error) (asked bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mayLocked(ticket, now) {
		return false, nil
	}
	if err = check(); err != nil {
		g.missedLocked(ticket, now)
	}
	return true, err
}

// mayLocked tells whether a ticket may be asked for now.
func (g *guard) mayLocked(ticket string, now time.Time) bool {
	if t := g.wrong[ticket]; t != nil && now.Before(t.closed) {
		return false
	}
	return g.guesses.TokensAt(now) >= 1
}

// missedLocked counts a wrong guess.
func (g *guard) missedLocked(ticket string, now time.Time) {
	g.guesses.AllowN(now, 1)
	t := g.wrong[ticket]
	if t == nil {
		g.roomLocked(now)
		t = &tries{}
		g.wrong[ticket] = t
	}
	t.n, t.last = t.n+1, now
	if t.n >= wrongTries {
		t.n, t.closed = 0, now.Add(closedFor)
	}
}

// roomLocked forgets what is old, and the oldest when there is no room.
func (g *guard) roomLocked(now time.Time) {
	oldest := ""
	for ticket, t := range g.wrong {
		if now.Sub(t.last) > forgetAfter {
			delete(g.wrong, ticket)
		} else if oldest == "" || t.last.Before(g.wrong[oldest].last) {
			oldest = ticket
		}
	}
	if len(g.wrong) >= maxWatched {
		delete(g.wrong, oldest)
	}
}
