package stream

import "time"

// allowance is how often something may be said: burst times at once, then once
// in every. The zero time is when it began.
type allowance struct {
	burst int
	every time.Duration
	used  int
	since time.Time // when the newest one was given back
}

// take tells whether it may be said now.
func (a *allowance) take(now time.Time) bool {
	if n := int(now.Sub(a.since) / a.every); n > 0 {
		a.used, a.since = max(a.used-n, 0), a.since.Add(time.Duration(n)*a.every)
	}
	if a.used == 0 {
		a.since = now
	}
	if a.used == a.burst {
		return false
	}
	a.used++
	return true
}
