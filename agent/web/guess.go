package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are of wrong guesses.
type Limits struct {
	Burst int           // over all keys, at once
	Every time.Duration // and then one in so long
	Wrong int           // of one key, and then it is closed
	For   time.Duration // so long
}

const (
	maxWatched  = 1000 // keys whose wrong guesses are counted
	forgetAfter = 24 * time.Hour
)

// Guesses limits wrong guesses; right ones cost nothing. A key is what is guessed
// at, or who guesses.
type Guesses struct {
	limits Limits

	mu    sync.Mutex // guards what follows
	all   *rate.Limiter
	wrong map[string]*tries
}

type tries struct {
	n      int
	last   time.Time
	closed time.Time // until then
}

// NewGuesses makes one.
func NewGuesses(l Limits) *Guesses {
	return &Guesses{limits: l, all: rate.NewLimiter(rate.Every(l.Every), l.Burst), wrong: map[string]*tries{}}
}

// Ask lets check look at a guess, if there may be one for key now, and counts it
// when that is an error. One is looked at after the other: guesses that come side
// by side don't pass before the first of them is counted.
func (g *Guesses) Ask(key string, now time.Time, check func() error) (asked bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mayLocked(key, now) {
		return false, nil
	}
	if err = check(); err != nil {
		g.missedLocked(key, now)
	}
	return true, err
}

// mayLocked tells whether there may be a guess for key now.
func (g *Guesses) mayLocked(key string, now time.Time) bool {
	if t := g.wrong[key]; t != nil && now.Before(t.closed) {
		return false
	}
	return g.all.TokensAt(now) >= 1
}

// missedLocked counts a wrong guess.
func (g *Guesses) missedLocked(key string, now time.Time) {
	g.all.AllowN(now, 1)
	t := g.wrong[key]
	if t == nil {
		g.roomLocked(now)
		t = &tries{}
		g.wrong[key] = t
	}
	t.n, t.last = t.n+1, now
	if t.n >= g.limits.Wrong {
		t.n, t.closed = 0, now.Add(g.limits.For)
	}
}

// roomLocked forgets what is old, and the oldest when there is no room.
func (g *Guesses) roomLocked(now time.Time) {
	oldest := ""
	for key, t := range g.wrong {
		if now.Sub(t.last) > forgetAfter {
			delete(g.wrong, key)
		} else if oldest == "" || t.last.Before(g.wrong[oldest].last) {
			oldest = key
		}
	}
	if len(g.wrong) >= maxWatched {
		delete(g.wrong, oldest)
	}
}
