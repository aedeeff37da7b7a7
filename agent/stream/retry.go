package stream

import "time"

// Pauses between sessions.
const (
	firstPause = time.Second
	longPause  = time.Minute
	busyPause  = time.Minute     // after "no room": an old session of ours may have to end first
	authPause  = 5 * time.Minute // after a refused password, doubling: cameras lock an account after five to seven tries in half an hour
	authLong   = 30 * time.Minute
	leastPause = 100 * time.Millisecond
	goodVideo  = time.Minute // of a session, after which the pauses begin anew
)

// retry decides how long to wait before the next session.
type retry struct {
	failures int
	refusals int            // of the password, in a row
	rand     func() float64 // 0 to 1
}

// good says that a session showed a picture for long enough.
func (r *retry) good() { r.failures, r.refusals = 0, 0 }

// after returns the pause after a session that ended with err. It is drawn
// from nothing up to a limit that doubles (full jitter), so that cameras that
// went down together are not dialled together.
func (r *retry) after(err error) time.Duration {
	if classify(err) == ClassAuth {
		r.refusals++
		if r.refusals == 1 {
			return leastPause // a stale nonce looks like a wrong password, and a new session tells
		}
		pause := min(authPause<<min(r.refusals-2, 6), authLong)
		return pause + time.Duration(r.rand()*float64(pause)/10)
	}
	r.refusals = 0
	if isBusy(err) {
		return busyPause + time.Duration(r.rand()*float64(busyPause))
	}
	limit := firstPause << min(r.failures, 6)
	r.failures++
	return max(leastPause, time.Duration(r.rand()*float64(min(limit, longPause))))
}
