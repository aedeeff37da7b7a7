package kiosk

import (
	"time"

	"kentongan/hal"
)

// Verdict is what one edge of an input is worth.
type Verdict string

// Verdicts.
const (
	Pressed  Verdict = "press"     // it stands, and counts
	Released Verdict = "release"   // it stands
	TooShort Verdict = "too_short" // the end of a press that was not held long enough to count
	Bounced  Verdict = "bounce"    // the level went on or back within the debouncing time
)

// Judge says of each edge of one line what is left of it after debouncing, for
// who opened the line without, to see how its contact bounces. It is the
// kernel's rule: a level counts once it has stood for Quiet. Time comes with the
// edges; all calls are of one goroutine.
type Judge struct {
	Quiet time.Duration // the line's debounce
	Hold  time.Duration // how long a press has to last

	waits  hal.Edge // the newest, not judged yet
	is     bool     // waits is one
	active bool     // the level that stands
	since  time.Duration
}

// Judged is an edge and its verdict.
type Judged struct {
	hal.Edge
	Verdict Verdict
	Held    time.Duration // of a release: since the press
}

// Edge takes the next edge and gives the verdict on the one before, if it has
// none yet.
func (j *Judge) Edge(e hal.Edge) (before Judged, ok bool) {
	if j.is {
		before, ok = j.judge(e.At-j.waits.At >= j.Quiet), true
	}
	j.waits, j.is = e, true
	return before, ok
}

// Settle gives the verdict on the newest edge when nothing has followed it for
// Quiet.
func (j *Judge) Settle() (last Judged, ok bool) {
	if !j.is {
		return Judged{}, false
	}
	j.is = false
	return j.judge(true), true
}

func (j *Judge) judge(stands bool) Judged {
	out := Judged{Edge: j.waits, Verdict: Bounced}
	if !stands || j.waits.Active == j.active {
		return out
	}
	j.active = j.waits.Active
	if j.active {
		j.since, out.Verdict = j.waits.At, Pressed
		return out
	}
	out.Verdict, out.Held = Released, j.waits.At-j.since
	if out.Held < j.Hold {
		out.Verdict = TooShort
	}
	return out
}

// Begin tells the level that stands before the first edge.
func (j *Judge) Begin(active bool, at time.Duration) { j.active, j.since = active, at }
