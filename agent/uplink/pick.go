package uplink

import (
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// publish is one message on its way.
type publish struct {
	topic    string
	payload  []byte
	retained bool
	size     int // bytes, as the window counts it
	sentAt   time.Time

	lane     *lane // nil for a state
	from, to uint64
	records  int
	live     bool

	state   string // topic of a retained state
	version uint64 // of that state
}

// Bytes that a lane may have in flight above the window. A press never waits
// for telemetry's PUBACKs; an event waits for a press, but hardly for those.
const (
	complaintExtra = 64 << 10
	eventExtra     = 16 << 10
	stateExtra     = 8 << 10
)

// Live telemetry goes before backlog telemetry, but backlog gets a byte for
// every liveShare bytes of live where both want to go.
const liveShare = 3

// staleAfter is the age at which live telemetry that could not leave is left to
// the backlog, so that the newest leaves in time.
const staleAfter = 2 * time.Second

// pick returns the next message, the most urgent first; nil when none may go
// now. again is when to ask next, zero when only an event can change it.
func (s *session) pick(now time.Time) (p *publish, again time.Time, err error) {
	for _, l := range s.order[:2] {
		extra := complaintExtra
		if l.name == report.Event {
			extra = eventExtra
		}
		if !s.window.room(extra) {
			continue
		}
		from, to, ok := l.nextFree()
		if !ok {
			continue
		}
		if p, err = s.batch(l, from, to, from < l.born); p != nil || err != nil {
			return p, again, err
		}
	}
	if s.window.room(stateExtra) {
		if p = s.nextState(); p != nil {
			return p, again, nil
		}
	}
	if !s.window.room(0) {
		return nil, again, nil // a PUBACK will ask again
	}
	return s.pickTelemetry(now)
}

func (s *session) pickTelemetry(now time.Time) (p *publish, again time.Time, err error) {
	l := s.lanes[report.Telemetry]
	if l.cursor >= l.head.Next {
		return nil, again, nil
	}
	ok, again := s.up.budget.ready(s.broker.Metered, now, s.up.cfg.now())
	if s.up.waits == ok {
		s.up.waits = !ok
		s.up.stats.setWaiting(!ok)
	}
	if !ok {
		return nil, again, nil
	}
	live, again := s.liveReady(l, now)
	from, to, back := l.claimed.free(l.cursor, min(l.live, l.head.Next))
	if back && now.Before(s.backlogAt) {
		back = false
		again = earliest(again, s.backlogAt)
	}
	if live && back && s.liveBytes > liveShare*s.backBytes {
		live = false
	}
	switch {
	case live:
		p, err = s.liveBatch(l, now)
	case back:
		p, err = s.backlogBatch(l, from, to)
	}
	if p != nil {
		s.share(p)
	}
	return p, again, err
}

// liveReady tells whether live telemetry should go now: when it has waited for
// company long enough, or there is enough of it.
func (s *session) liveReady(l *lane, now time.Time) (ok bool, again time.Time) {
	if l.live >= l.head.Next {
		return false, again
	}
	tun := &s.up.cfg.Tuning
	due := s.ages.at(l.live).Add(tun.Linger)
	if tun.Linger <= 0 || !now.Before(due) || l.head.Next-l.live >= uint64(tun.MaxRecords) {
		return true, again
	}
	return false, due
}

// liveBatch takes the oldest live records; when these are stale, it leaves them
// to the backlog and takes the newest.
func (s *session) liveBatch(l *lane, now time.Time) (*publish, error) {
	tun := &s.up.cfg.Tuning
	if now.Sub(s.ages.at(l.live)) > tun.Linger+staleAfter && len(l.claimed) < maxClaims {
		fresh := uint64(max(1, s.lastRecords))
		if l.head.Next > l.live+fresh {
			l.live = l.head.Next - fresh
			l.cache = nil
		}
	}
	at := l.live
	p, err := s.batch(l, at, l.head.Next-1, false)
	if p != nil {
		p.live = true
		l.live = p.to + 1
	}
	return p, err
}

// share keeps the account between live and backlog.
func (s *session) share(p *publish) {
	s.lastRecords = p.records
	if p.live {
		s.liveBytes += p.size
	} else {
		s.backBytes += p.size
	}
	if s.liveBytes+s.backBytes > 1<<20 {
		s.liveBytes, s.backBytes = s.liveBytes/2, s.backBytes/2
	}
}

// batch reads records from to to, as many as fit into one publish, and claims
// them with the holes before them. It returns nil when the store has none.
func (s *session) batch(l *lane, from, to uint64, backlog bool) (*publish, error) {
	tun := &s.up.cfg.Tuning
	target := s.window.publishBytes(tun.MaxPublish)
	entries, err := s.read(l, from, to, s.pack.plainBytes(target, tun.MaxBatch), tun.MaxRecords)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		if len(l.cache) > 0 {
			return nil, s.skip(l, from, to)
		}
		return nil, nil
	}
	payload, zipped, err := s.pack.pack(l.head, entries, s.level())
	if err != nil {
		return nil, err
	}
	p := s.made(publish{
		topic:   l.topic(s.up.cfg.Device, backlog, zipped),
		payload: payload,
		lane:    l,
		from:    from,
		to:      entries[len(entries)-1].Seq,
		records: len(entries),
	})
	l.claim(p.from, p.to, time.Now())
	return p, nil
}

// farAway is a round trip from which a link counts as slow.
const farAway = 20 * time.Millisecond

// level is how hard to compress on this link.
func (s *session) level() int {
	if s.broker.Metered || s.window.srtt > farAway {
		return levelThorough
	}
	return levelFast
}

// skip passes over numbers that the store does not hold, before others that it
// does: there is nothing to send, and a gap record explains them.
func (s *session) skip(l *lane, from, to uint64) error {
	s.skipped = true
	now := time.Now()
	within := from < l.limit()
	l.claim(from, to, now)
	if l.byCentre {
		if within { // holes cost the centre nothing
			l.ahead += int(min(to-from+1, 1<<30))
		}
		return nil
	}
	if leave := l.puback(from, to, now); leave > 0 {
		return s.leave(l, leave, now)
	}
	return nil
}

// readAhead bounds what is read at once and kept for the next batches; records
// that leave one by one would cost a read each.
const (
	readAhead        = 128 << 10 // bytes: four of the spool's blocks, so that few are unpacked twice
	readAheadRecords = 512
)

// read returns records of from to to, at least one if there is one.
func (s *session) read(l *lane, from, to uint64, maxBytes, maxRecords int) ([]report.Entry, error) {
	if i := slices.IndexFunc(l.cache, func(e report.Entry) bool { return e.Seq >= from }); i >= 0 && l.cache[i].Seq == from {
		l.cache = l.cache[i:]
		n, full := fit(l.cache, to, maxBytes, maxRecords)
		if full { // else what is left of it would make a small batch
			return l.takeCached(n), nil
		}
	}
	got, err := s.up.store.Read(l.name, from, max(maxRecords, readAheadRecords), max(maxBytes, readAhead))
	if err != nil {
		return nil, fmt.Errorf("read lane %s from %d: %w", l.name, from, err)
	}
	l.cache = got
	n, _ := fit(l.cache, to, maxBytes, maxRecords)
	return l.takeCached(n), nil
}

// fit tells how many of the entries make one batch, and whether a limit ended
// it, not the end of the entries.
func fit(entries []report.Entry, to uint64, maxBytes, maxRecords int) (n int, full bool) {
	size := 0
	for i, e := range entries {
		size += len(e.Line) + 1
		if i == maxRecords || e.Seq > to || (i > 0 && size > maxBytes) {
			return i, true
		}
	}
	return len(entries), len(entries) == maxRecords
}

func (l *lane) takeCached(n int) []report.Entry {
	out := l.cache[:n]
	l.cache = l.cache[n:]
	return out
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
