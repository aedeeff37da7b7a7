package uplink

import (
	"time"

	"kentongan/agent/report"
)

// recent remembers which numbers left out of order a moment ago, in a bounded
// space: those of this period, and those of the one before.
type recent struct {
	now, before ranges
	turned      time.Time     // when the period began
	pause       time.Duration // the length of a period: a note that was on its way is older
}

// maxRecent bounds each period; a fuller one is taken for one range without
// holes.
const maxRecent = 128

func (r *recent) add(from, to uint64, now time.Time) {
	r.turn(now)
	r.now.add(from, to)
	if n := len(r.now); n > maxRecent {
		r.now = ranges{report.Range{From: r.now[0].From, To: r.now[n-1].To}}
	}
}

// all returns the numbers that were added within the pause, and some that were
// added within twice that.
func (r *recent) all(now time.Time) ranges {
	r.turn(now)
	all := append(ranges(nil), r.before...)
	for _, x := range r.now {
		all.add(x.From, x.To)
	}
	return all
}

func (r *recent) turn(now time.Time) {
	switch age := now.Sub(r.turned); {
	case age < r.pause:
	case age < 2*r.pause:
		r.now, r.before, r.turned = nil, r.now, now
	default:
		r.now, r.before, r.turned = nil, nil, now
	}
}
