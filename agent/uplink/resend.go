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
	for _, l := range s.order {
		if !l.byCentre {
			continue
		}
		most := tun.ResendCap
		if l.name == report.Complaint {
			most /= 2
		}
		l.lately.pause = max(tun.ResendAfter/6, 2*s.window.srtt) // there and back, and a commit
		again = earliest(again, s.askedAgain(l, now))
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

// askedAgain frees what the centre's last note asked for and was held back, and
// returns when to look the next time.
func (s *session) askedAgain(l *lane, now time.Time) time.Time {
	if len(l.asked) > 0 && !now.Before(l.askAgain) {
		s.wanted(l, l.asked, now)
	}
	if len(l.asked) == 0 {
		return time.Time{}
	}
	return l.askAgain
}

// wanted frees what the centre asks for.
func (s *session) wanted(l *lane, asked []report.Range, now time.Time) {
	n := l.want(asked, s.flyingOf(l), now)
	if n == 0 {
		return
	}
	l.cache = nil
	l.stats.Wanted += uint64(n)
	s.log.Debug("centre wants again", "lane", l.name, "ranges", n)
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
