package uplink

import (
	"time"

	"kentongan/agent/report"
)

// resendLeast is the first wait for an acknowledgement of the centre.
func (s *session) resendLeast() time.Duration {
	return max(s.up.cfg.Tuning.ResendAfter, 4*s.window.srtt)
}

// resend rewinds the lanes whose acknowledgement does not come, and returns
// when the next one is due.
func (s *session) resend(now time.Time) (again time.Time) {
	tun, least := &s.up.cfg.Tuning, s.resendLeast()
	for _, l := range s.lanes {
		if !l.byCentre {
			continue
		}
		most := tun.ResendCap
		if l.name == report.Complaint {
			most /= 2
		}
		l.lately.pause = least / 2 // it remembers for up to twice that
		at := l.resendAt(least, most)
		if at.IsZero() {
			continue
		}
		if now.Before(at) {
			again = earliest(again, at)
			continue
		}
		l.rewind(s.flyingOf(l), probeRecords)
		l.cache = nil
		l.stats.Resends++
		s.log.Debug("sent again", "lane", l.name, "seq", l.cursor, "tries", l.tries)
	}
	return again
}

// probeRecords is how many records are sent again first: as many as a dead
// centre may cost at each try.
const probeRecords = 16

func (s *session) flyingOf(l *lane) (r ranges) {
	for _, p := range s.flying {
		if p.lane == l {
			r.add(p.from, p.to)
		}
	}
	return r
}
