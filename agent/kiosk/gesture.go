package kiosk

import "time"

// meaning is what a touch of a button turned out to be.
type meaning int

const (
	nothing meaning = iota // not yet, or not any more
	short                  // a press
	long                   // the long press
	brush                  // let go too soon to count
)

// gesture decides by how long a button is held. Time comes in with the calls,
// all of one clock. With neither hold nor long a press counts when it begins.
// With hold it counts when it has lasted that long, so that a sleeve or a
// raindrop does not. With long it counts when the button is let go, or, as the
// long press, when it has lasted so long.
type gesture struct {
	hold, long time.Duration // 0 is none
	down       bool
	decided    bool
	since      time.Duration
}

func (g *gesture) waits() bool { return g.hold > 0 || g.long > 0 }

// pressed begins a touch. One that never ended (its release was lost) counts:
// better a press too many than one that is lost.
func (g *gesture) pressed(at time.Duration) meaning {
	if !g.waits() {
		return short
	}
	before := nothing
	if g.down && !g.decided {
		before = short
	}
	g.down, g.decided, g.since = true, false, at
	return before
}

// released ends a touch.
func (g *gesture) released(at time.Duration) meaning {
	if !g.down {
		return nothing
	}
	g.down = false
	if g.decided {
		return nothing
	}
	switch held := at - g.since; {
	case g.long > 0 && held >= g.long:
		return long // its edges waited, and held came too late
	case held < g.hold:
		return brush
	}
	return short
}

// next is the time from the beginning of the touch at which held has something
// to decide; 0 is never.
func (g *gesture) next() time.Duration {
	switch {
	case !g.down || g.decided:
		return 0
	case g.long > 0:
		return g.long
	}
	return g.hold
}

// held tells what a touch is that has lasted for next.
func (g *gesture) held() meaning {
	if g.next() == 0 {
		return nothing
	}
	g.decided = true
	if g.long > 0 {
		return long
	}
	return short
}
