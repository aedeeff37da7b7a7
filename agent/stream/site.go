package stream

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Site is what the Watchers of one device know together: which cameras went
// down at the same time, and whether the board itself was short of processor
// time. Its methods may be called from any goroutine.
type Site struct {
	look func(netip.Addr) Path

	mu    sync.Mutex // guards what follows
	cams  map[string]siteCam
	late  []lateness           // the newest, oldest first
	overs []overflow           // of UDP sockets, oldest first; while a stream loses packets
	acted time.Time            // when a camera was last rebooted or its power cut
	boots map[string]time.Time // when each was last rebooted, by Recovery.Device
}

// siteCam is one stream. Streams of one host are one camera to the site: a
// recorder that goes down takes all its channels with it.
type siteCam struct {
	host  string
	group string
	since time.Time // since when it is down; zero while it is not
}

type lateness struct {
	at time.Time
	by time.Duration
}

type overflow struct {
	at time.Time
	n  uint64 // since the machine started
}

// When faults are one fault: so many hosts, and within this time of each other.
// ZoneMinder's guard against storms of restarts sees its own machine only;
// these figures are ours (docs/explanation/streams.md).
const (
	commonWithin = 30 * time.Second
	commonLeast  = 3
	commonShare  = 0.3

	keepLate  = 64
	lateTick  = 500 * time.Millisecond // more than that is counted
	leastLate = 2 * time.Second
	lateShare = 0.2 // of a time, which explains what went wrong in it
)

// NewSite makes the Site of one device's Watchers.
func NewSite() *Site {
	return &Site{look: lookPath, cams: map[string]siteCam{}, boots: map[string]time.Time{}}
}

// add makes a stream known.
func (s *Site) add(name, host, group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cams[name] = siteCam{host: host, group: group}
}

// Remove forgets a stream that is not watched any more.
func (s *Site) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cams, name)
}

// set notes that a stream is down, or is not any more.
func (s *Site) set(name string, down bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cams[name]
	switch {
	case !down:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = now
	}
	s.cams[name] = c
}

// common is how many other cameras went down with this one, if they are so
// many that the fault is not its own: three and 30 % of the site's, or all of
// its group or site when that has at least two.
func (s *Site) common(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	me, ok := s.cams[name]
	if !ok || me.since.IsZero() {
		return 0
	}
	site, group := s.countLocked(me, ""), s.countLocked(me, me.group)
	switch {
	case me.group != "" && group.all >= 2 && group.down == group.all:
		return group.down - 1
	case site.all >= 2 && site.down == site.all:
		return site.down - 1
	case site.down >= commonLeast && float64(site.down) >= commonShare*float64(site.all):
		return site.down - 1
	}
	return 0
}

// counted is of hosts.
type counted struct{ all, down int }

// countLocked counts the hosts of a group, "" for all, and those that went
// down with me.
func (s *Site) countLocked(me siteCam, group string) counted {
	hosts := map[string]bool{} // host: down with me
	for _, c := range s.cams {
		if group != "" && c.group != group {
			continue
		}
		down := !c.since.IsZero() && c.since.Sub(me.since).Abs() <= commonWithin
		hosts[c.host] = hosts[c.host] || down
	}
	n := counted{all: len(hosts)}
	for _, down := range hosts {
		if down {
			n.down++
		}
	}
	return n
}

// ticked notes that a ticker that should have fired after want did so after
// took: what is missing the board did not give us.
func (s *Site) ticked(now time.Time, took, want time.Duration) {
	by := took - want
	if by < lateTick {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) == keepLate {
		copy(s.late, s.late[1:])
		s.late = s.late[:keepLate-1]
	}
	s.late = append(s.late, lateness{now, by})
}

// starved tells whether the board was short of processor time within the last
// d. The largest lateness counts, not the sum: all streams are late together.
func (s *Site) starved(now time.Time, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var most time.Duration
	for _, l := range s.late {
		if now.Sub(l.at) <= d {
			most = max(most, l.by)
		}
	}
	return most >= max(leastLate, time.Duration(lateShare*float64(d)))
}

// overflowed is how many datagrams this machine's own sockets had no room for
// within the last d, as far as it was asked: n is the kernel's counter now.
func (s *Site) overflowed(now time.Time, n uint64, d time.Duration) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.overs) > 0 && now.Sub(s.overs[0].at) > d {
		s.overs = s.overs[1:]
	}
	if l := len(s.overs); l == 0 || now.Sub(s.overs[l-1].at) >= time.Second {
		s.overs = append(slices.Clip(s.overs), overflow{now, n})
	}
	return n - min(n, s.overs[0].n)
}

// mayAct allows one reboot or power cycle on the whole site in spacing, and
// takes the turn.
func (s *Site) mayAct(now time.Time, spacing time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.acted.IsZero() && now.Sub(s.acted) < spacing {
		return false
	}
	s.acted = now
	return true
}

// rebooted notes when a camera or recorder was rebooted; "" is none that others
// share.
func (s *Site) rebooted(device string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if device != "" && at.After(s.boots[device]) {
		s.boots[device] = at
	}
}

// rested tells whether it was not rebooted for so long, on behalf of any of its
// streams: a recorder with ten dead inputs is rebooted as seldom as one with one.
func (s *Site) rested(device string, now time.Time, least time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, before := s.boots[device]
	return !before || now.Sub(at) >= least
}
