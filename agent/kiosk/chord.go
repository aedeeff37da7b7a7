package kiosk

import (
	"sync"
	"time"
)

// chordSlack is how much later than within a press may be brought in that came
// in time: an edge takes its way through the kernel and our goroutines.
const chordSlack = 10 * time.Millisecond

// chordPatience is how long the other button may take to say that it has seen all
// its edges; the press counts alone then, for it must not be lost.
const chordPatience = time.Second

// chord joins the presses of two buttons that come together into one press of
// a third, the target. A button of a chord waits for within before its press
// counts alone, so its confirmation comes later by that much.
//
// Both buttons call it, each from its own goroutine.
type chord struct {
	first, second, target *button
	within                time.Duration

	mu      sync.Mutex                // guards waiting
	waiting map[*button]time.Duration // presses that are not decided, by the kernel's time
}

func newChord(first, second, target *button, within time.Duration) *chord {
	return &chord{first: first, second: second, target: target, within: within, waiting: map[*button]time.Duration{}}
}

// other is the other button of the two.
func (c *chord) other(b *button) *button {
	if b == c.first {
		return c.second
	}
	return c.first
}

// verdict is what a chord makes of a press.
type verdict int

const (
	wait   verdict = iota // ask again with alone, after within and chordSlack
	joined                // the other one's press and this one are one press of the target
	twice                 // as wait, and the same button's press before was one alone
)

// press brings in a press of b at the kernel's time at.
func (c *chord) press(b *button, at time.Duration) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	other := c.other(b)
	if t, ok := c.waiting[other]; ok && (at-t).Abs() <= c.within {
		delete(c.waiting, other)
		return joined
	}
	_, before := c.waiting[b]
	c.waiting[b] = at
	if before {
		return twice
	}
	return wait
}

// alone tells, after within, whether b's press stayed alone; if so it is taken.
func (c *chord) alone(b *button) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.waiting[b]
	delete(c.waiting, b)
	return ok
}

// lonely is when no other half has come in time. The other button may have it and
// not have got to it yet, on a busy board: it is asked first, and takes the
// edges that are there. One that does not answer is not waited for.
func (b *button) lonely() {
	if b.waits {
		b.single()
		return
	}
	b.waits = true
	b.alone.Reset(chordPatience)
	b.pair.other(b).catchUp(b)
}

// catchUp asks the button to take the edges that are there, and then to let
// the asker decide. It may be called from any goroutine.
func (b *button) catchUp(asker *button) {
	b.mu.Lock()
	b.outside.behind = asker
	b.mu.Unlock()
	b.poke()
}

// caughtUp tells the button that the other one has taken its edges.
func (b *button) caughtUp() {
	b.mu.Lock()
	b.outside.caught = true
	b.mu.Unlock()
	b.poke()
}

// catch takes the edges that are there.
func (b *button) catch() {
	for {
		select {
		case e, ok := <-b.edges:
			if !ok {
				return // serve sees the end, too
			}
			b.edge(e)
		default:
			return
		}
	}
}
