package alarm

import (
	"maps"
	"slices"
	"time"

	"kentongan/agent/report"
)

// track is one condition of one source: whether it is there, since when, and
// what was told of it.
type track struct {
	key
	cond  *Condition
	label string
	party *party // of a group's own track

	present bool
	changed time.Time // when present became what it is
	since   time.Time // the same for present, by the wall clock
	f       Finding   // the newest

	alarm    *report.Alarm // nil while nothing is told
	kept     uint64        // newest change of alarm that is durable
	told     time.Time     // its newest change
	moves    []time.Time   // raises and clears in flapWithin
	turns    int           // of what it is hidden by and whose fault it is, that were told; see turn
	turned   time.Time     // when the newest of them was given back
	denied   time.Time     // an operator said that it is not there
	restored time.Time     // it is of before the restart, and not found again yet
}

// tellAgain is how long a new cause or more hidden ones wait to be told.
const tellAgain = 15 * time.Second

// An alarm that is hidden, or has another cause, again and again is told so many
// times at once, then one time in turnEvery: each is a record and a write to the
// card. That it is hidden no more is always told, so that nothing stays hidden.
const (
	turnBurst = 12
	turnEvery = 5 * time.Minute
)

// turn tells whether another turn may be told now, and counts it.
func (t *track) turn(now time.Time) bool {
	if n := int(now.Sub(t.turned) / turnEvery); n > 0 {
		t.turns, t.turned = max(t.turns-n, 0), t.turned.Add(time.Duration(n)*turnEvery)
	}
	if t.turns == 0 {
		t.turned = now
	}
	if t.turns == turnBurst {
		return false
	}
	t.turns++
	return true
}

func (t *track) name() string { return t.source + ":" + t.condition }

// active tells whether an alarm stands that nothing hides.
func (t *track) active() bool { return t.alarm != nil && t.alarm.HiddenBy == "" }

// find takes a finding.
func (t *track) find(now time.Time, f Finding) {
	if f.Present != t.present || t.changed.IsZero() {
		t.present, t.changed = f.Present, now
		if f.Present {
			t.since = now.UTC().Truncate(time.Millisecond)
		}
	}
	t.restored = time.Time{}
	if f.Present || f.Detail != "" {
		t.f = f
	}
}

// due tells whether the condition has stayed long enough.
func (t *track) due(now time.Time) bool {
	return t.present && t.denied.IsZero() && now.Sub(t.changed) >= t.cond.Raise
}

// clearAfter is how long it has to be absent.
func (t *track) clearAfter() time.Duration {
	if t.alarm.Flapping {
		return flapWithin
	}
	return t.cond.Clear
}

// rest lets an operator's word end with the condition, or when it is old.
func (t *track) rest(now time.Time) {
	gone := !t.present && now.Sub(t.changed) >= t.cond.Clear
	if gone || now.Sub(t.denied) >= falseFor {
		t.denied = time.Time{}
	}
}

// push notes a raise or a clear.
func (t *track) push(now time.Time) {
	t.moves = append(slices.DeleteFunc(t.moves, func(at time.Time) bool { return now.Sub(at) > flapWithin }), now)
}

// idle tells whether there is nothing to remember.
func (t *track) idle(now time.Time) bool {
	return t.alarm == nil && !t.present && t.denied.IsZero() &&
		!slices.ContainsFunc(t.moves, func(at time.Time) bool { return now.Sub(at) <= flapWithin })
}

// fill brings the alarm up to what was found.
func (t *track) fill() {
	a := t.alarm
	a.Text, a.Action = t.cond.Text, t.cond.Action
	a.Confidence, a.Cause, a.Detail = t.f.Confidence, t.f.Cause, report.Clip(t.f.Detail, maxDetail)
	if t.party != nil {
		members := slices.Sorted(maps.Keys(t.party.failing))
		a.Hidden, a.Hides = len(members), members[:min(len(members), report.MaxHides)]
	}
}

// differs tells whether something was found that is worth telling again.
func (t *track) differs() bool {
	return t.restored.IsZero() && (t.alarm.Cause != t.f.Cause || t.party != nil && len(t.party.failing) > t.alarm.Hidden)
}

// maxDetail bounds what goes into a record, in bytes.
const maxDetail = 400

// rank orders the tracks: the board, declared groups, others, then as the
// catalogue has them.
func (t *track) rank() int {
	switch {
	case t.source == sourceDevice:
		return 0
	case t.party != nil && !t.party.Auto:
		return 1
	case t.party != nil:
		return 2
	}
	for i := range catalogue {
		if &catalogue[i] == t.cond {
			return 3 + i
		}
	}
	return 3 + len(catalogue)
}

// covers tells whether all that fails of o is of p too.
func (p *party) covers(o *party) bool {
	for m := range o.failing {
		if !slices.Contains(p.Members, m) {
			return false
		}
	}
	return len(o.failing) > 0
}
