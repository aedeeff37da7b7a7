package sensor

import "time"

// tellEvery is the least time between two events of a line, however short its
// holds are: a loose contact must not fill the event lane.
const tellEvery = time.Second

// holder tells a level once it has held. Times come with the level.
type holder struct {
	on, off time.Duration

	seen    bool
	level   bool
	since   time.Duration // of level
	changes int           // since the last that was told

	known  bool
	told   bool
	toldAt time.Duration
}

// change is a level that has held.
type change struct {
	active  bool
	first   bool // nothing was known before
	since   time.Duration
	changes int // before it, that did not hold
}

// see takes the level as it is at a time.
func (h *holder) see(level bool, at time.Duration) {
	if h.seen && level == h.level {
		return
	}
	if h.seen {
		h.changes++
	}
	h.seen, h.level, h.since = true, level, at
}

// due is when the level will have held; ok is false when it is told already.
func (h *holder) due() (at time.Duration, ok bool) {
	if !h.seen || h.known && h.level == h.told {
		return 0, false
	}
	hold := h.off
	if h.level {
		hold = h.on
	}
	if !h.known {
		return h.since + hold, true
	}
	return max(h.since+hold, h.toldAt+tellEvery), true
}

// tell returns the change that has held by now.
func (h *holder) tell(now time.Duration) (change, bool) {
	at, ok := h.due()
	if !ok || now < at {
		return change{}, false
	}
	c := change{active: h.level, first: !h.known, since: h.since, changes: max(h.changes-1, 0)}
	h.known, h.told, h.toldAt, h.changes = true, h.level, now, 0
	return c, true
}
