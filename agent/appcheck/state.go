package appcheck

import (
	"time"

	"kentongan/agent/report"
)

// slowHeal is how much faster than SlowAfter an answer has to be for a slow
// application to be called well again, in percent.
const slowHeal = 80

// tracker turns looks into a state. One lost packet makes none: a change needs
// confirm looks in a row that disagree with the state.
type tracker struct {
	confirm   int
	slowAfter time.Duration
	cur       report.AppState

	want string // state and class that the newest looks agree on
	same int    // how many of them
	bad  int    // looks in a row that were not good, whatever was wrong
}

// take looks at a result and tells whether the state has changed.
func (t *tracker) take(r result, now time.Time) bool {
	class := r.class
	if class == "" && t.cur.State == report.AppSlow && r.total > t.slowAfter*slowHeal/100 {
		class = ClassSlow
	}
	state := stateOf(class)
	if key := state + " " + class; key != t.want {
		t.want, t.same = key, 0
	}
	t.same++
	if t.bad++; state == report.AppOK {
		t.bad = 0
	}
	t.cur.CertExpires, t.cur.CertDays = r.expires, r.certDays()
	if state == t.cur.State && class == t.cur.Class {
		t.cur.Status, t.cur.Detail = r.status, r.detail
		return false
	}
	if !t.proven(state) {
		return false
	}
	if state != t.cur.State {
		t.cur.Since = now.UTC()
	}
	t.cur.State, t.cur.Class, t.cur.Status, t.cur.Detail = state, class, r.status, r.detail
	return true
}

// proven tells whether the looks so far are enough to believe in state. What
// was good goes bad when confirm looks in a row were not good, even when each
// failed in another way; and the first good look of all is believed at once.
func (t *tracker) proven(state string) bool {
	switch {
	case state == report.AppOK && t.cur.State == report.AppChecking:
		return true
	case state != report.AppOK && (t.cur.State == report.AppOK || t.cur.State == report.AppChecking):
		return t.bad >= t.confirm
	}
	return t.same >= t.confirm
}

// doubt tells whether the newest look disagrees with the state, so that
// another one soon is worth it.
func (t *tracker) doubt() bool {
	return t.want != "" && t.want != t.cur.State+" "+t.cur.Class
}

// findings are what the state, and the certificate of the newest look, mean.
// Before the first verdict there are none.
func (c *Check) findings(r result) []Finding {
	s := c.tracker.cur
	if s.State == report.AppChecking {
		return nil
	}
	all := make([]Finding, 0, 4)
	for _, f := range []struct{ cond, state string }{
		{CondUnreachable, report.AppUnreachable}, {CondWrongAnswer, report.AppWrong}, {CondSlow, report.AppSlow},
	} {
		found := Finding{Condition: f.cond, Present: s.State == f.state}
		if found.Present {
			found.Cause, found.Detail = causeOf(s.Class), s.Detail
		}
		all = append(all, found)
	}
	if days := r.certDays(); days != nil {
		f := Finding{Condition: CondCertificate, Present: *days < c.cfg.ExpiryDays, Days: *days}
		if f.Present {
			f.Cause, f.Detail = CauseApplication, r.expiry()
		}
		all = append(all, f)
	}
	return all
}
