package kiosk

import "time"

// QuietHours are those in which the buzzer is silent, each day. The lamps show all
// the same, and a press that was not kept is heard at any hour: somebody relies
// on it.
type QuietHours struct {
	From, To time.Duration            // since midnight; over midnight where To is the earlier
	Now      func() (time.Time, bool) // local time, and whether the clock was ever set: without one no hour is quiet
}

// now tells whether this is such an hour.
func (q *QuietHours) now() bool {
	if q == nil {
		return false
	}
	now, set := q.Now()
	return set && q.covers(now)
}

func (q *QuietHours) covers(now time.Time) bool {
	h, m, s := now.Clock() // as a clock on the wall shows it
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	if q.From <= q.To {
		return q.From <= at && at < q.To
	}
	return at >= q.From || at < q.To
}
