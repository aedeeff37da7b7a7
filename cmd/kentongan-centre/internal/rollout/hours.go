package rollout

import (
	"fmt"
	"time"
)

// wib is the province's time. It has had no summer time since 1964.
var wib = time.FixedZone("WIB", 7*3600)

// hours are when devices may be told to change their version: from one time of the
// day up to another, over midnight where that is the smaller.
type hours struct{ from, to time.Duration }

const (
	// lastOrder is how long before the end of the hours the last order is given: the
	// release has to be fetched within them.
	lastOrder = 10 * time.Minute
	// leastHours leaves time for orders before that.
	leastHours = 30 * time.Minute
)

// parseHours reads 01:00-04:00; nil is any time.
func parseHours(s string) (*hours, error) {
	if s == "" {
		return nil, nil
	}
	from, err1 := time.Parse("15:04", s[:min(5, len(s))])
	to, err2 := time.Parse("15:04", s[min(6, len(s)):])
	if err1 != nil || err2 != nil || len(s) != 11 || s[5] != '-' {
		return nil, fmt.Errorf("%.40q: write hours as 01:00-04:00", s)
	}
	h := hours{clock(from), clock(to)}
	if h.length() < leastHours {
		return nil, fmt.Errorf("%.40q: %s or more", s, leastHours)
	}
	return &h, nil
}

func clock(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

func (h hours) length() time.Duration { return (h.to - h.from + 24*time.Hour) % (24 * time.Hour) }

// around is the hours that now is in, or else the next ones.
func (h hours) around(now time.Time) (from, to time.Time) {
	local := now.In(wib)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, wib)
	for _, before := range []int{-1, 0, 1} {
		from = day.AddDate(0, 0, before).Add(h.from)
		if to = from.Add(h.length()); now.Before(to) {
			break
		}
	}
	return from, to
}

// turn is a time in which orders may be given.
type turn struct {
	from, to time.Time // of the hours; zero to is any time
	open     bool      // now
}

// anyTimeAgain is how long after an order another is given to the same device,
// where there are no hours.
const anyTimeAgain = 6 * time.Hour

// turnAt says whether orders may be given now.
func turnAt(h *hours, now time.Time) turn {
	if h == nil {
		return turn{from: now.Add(-anyTimeAgain), open: true}
	}
	t := turn{}
	t.from, t.to = h.around(now)
	t.open = !now.Before(t.from) && now.Before(t.to.Add(-lastOrder))
	return t
}
