package alarm

import (
	"fmt"
	"slices"
	"time"
)

// Kinds of groups.
const (
	GroupAddress = "address" // streams behind one address: a recorder, an encoder, a router
	GroupSwitch  = "switch"
	GroupPoE     = "poe"
	GroupSite    = "site"
	GroupApps    = "apps" // the applications, which share this place's network
)

// Group is sources that one cause can take away together.
type Group struct {
	Name    string
	Kind    string
	Label   string   // for people
	Members []string // sources
	Auto    bool     // not declared by anybody: a declared one comes before it
}

// Times of groups.
const (
	// togetherWithin is how close failures are that have one cause: the longest
	// that the same cut takes to be seen by all.
	togetherWithin = 20 * time.Second
	// groupRaise is that of a camera that is down: a switch that starts again in
	// a moment is no incident either.
	groupRaise = 3 * time.Second
	groupClear = 5 * time.Second
	// groupSettle is how long the last failed ones of a group that comes back
	// are waited for, before each is an alarm of its own: cameras boot in 30 to
	// 60 s, and not all alike.
	groupSettle = 90 * time.Second

	// A member of a group is held back until the group has been quiet for
	// holdQuiet, so that the first of a dozen is not told before the cause is
	// known, but no longer than holdMost: a single dead camera is told 3 s later.
	holdQuiet = 3 * time.Second
	holdMost  = 12 * time.Second
)

// Source is the group as a source of alarms.
func (g *Group) Source() string { return "group/" + g.Name }

// condition is what the group's failure is called.
func (g *Group) condition() string { return g.Kind + "_down" }

// cause is who has to act, by what the group is.
func (g *Group) cause() string {
	switch g.Kind {
	case GroupSwitch, GroupPoE:
		return "power"
	case GroupAddress:
		return "camera"
	}
	return "network"
}

// threshold is how many have to fail together: 30 %, but at least 3, so that two
// cameras which fail by chance on one evening are not blamed on a switch of
// twelve. Behind one address 2 are enough: they share a host, so they have a
// common cause already. Of a group that is smaller, all.
func (g *Group) threshold() int {
	least := 3
	if g.Kind == GroupAddress {
		least = 2
	}
	n := len(g.Members)
	return min(n, max(least, (3*n+9)/10))
}

// party is a group at work.
type party struct {
	Group
	track   *track
	failing map[string]time.Time // since, by source
	changed time.Time            // failing
	latest  time.Time            // newest failure
}

// update takes which members fail now, each since when.
func (p *party) update(now time.Time, failing map[string]time.Time) {
	for m, since := range failing {
		if _, before := p.failing[m]; !before {
			p.changed = now
			if since.After(p.latest) {
				p.latest = since
			}
		}
	}
	if len(failing) < len(p.failing) {
		p.changed = now
	}
	p.failing = failing
}

// together tells whether enough fail within togetherWithin.
func (p *party) together() bool {
	n := p.threshold()
	if len(p.Members) < 2 || len(p.failing) < n {
		return false
	}
	at := make([]time.Time, 0, len(p.failing))
	for _, t := range p.failing {
		at = append(at, t)
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := n - 1; i < len(at); i++ {
		if at[i].Sub(at[i-n+1]) <= togetherWithin {
			return true
		}
	}
	return false
}

// stays tells whether an incident of the group goes on.
func (p *party) stays(now time.Time) bool {
	switch n := len(p.failing); {
	case n == 0:
		return false
	case n >= p.threshold():
		return true
	}
	return now.Sub(p.changed) < groupSettle
}

// holds tells whether a member that fails since then has to wait, because the
// group may be the cause.
func (p *party) holds(now, since time.Time) bool {
	if len(p.Members) < 2 || now.Sub(since) >= holdMost {
		return false
	}
	return now.Sub(p.latest) < holdQuiet
}

func (p *party) detail() string {
	what := p.Label
	if what == "" {
		what = p.Name
	}
	return fmt.Sprintf("%d of %d behind %s failed together", len(p.failing), len(p.Members), what)
}
