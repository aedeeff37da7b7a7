package kiosk

import (
	"time"

	"kentongan/hal"
)

// debouncer finds presses among edges by the time that the edges carry. The
// leading edge counts, so a press is known at once; an edge that follows
// another one sooner than quiet is a bounce. Every edge, a bounce too, starts
// the quiet time again.
type debouncer struct {
	quiet time.Duration
	began bool
	last  time.Duration // of the newest edge
}

// press tells whether the edge is the beginning of a press, or else whether it
// was a bounce.
func (d *debouncer) press(e hal.Edge) (press, bounce bool) {
	bounce = d.began && e.At-d.last < d.quiet
	d.began, d.last = true, e.At
	return e.Active && !bounce, bounce
}
