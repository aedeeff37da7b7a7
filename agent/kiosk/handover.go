package kiosk

import (
	"context"
	"slices"
	"time"

	"kentongan/hal"
)

// # When another kiosk takes this one's place
//
// A change of the configuration ends a kiosk and begins another. A line that both
// have, opened in the same way, stays open in between: its edges wait in the
// driver's buffer, and the new kiosk takes them with what the old one knew of the
// line. So a press that falls into the change is one press, whenever it began
// and ended.
//
//	Leave ─► Run ends: edges, records ─► Estate ─► Succeed ─► Run
//
// A line that is to be opened otherwise has to be given back first. Of it the new
// kiosk knows the level that it had, so that a press which began meanwhile and
// still lasts counts.

// handOverTimeout is for the last record where another kiosk follows: what the
// disk has not answered yet may be kept or not, and would be lost or doubled.
const handOverTimeout = time.Minute

// edgesFirst is time for edges that wait to come before what a timer would decide.
const edgesFirst = 20 * time.Millisecond

// Estate is what a kiosk leaves to the one that takes its place.
type Estate struct {
	buttons map[string]*left
	newest  string // button that was pressed last; "" is none
	last    Kept
	shown   shown
	panel   panelLeft
}

// left is what one button leaves. Its button writes it while it ends.
type left struct {
	line   hal.LineConfig
	in     hal.Input // open, with the edges that nobody has taken; nil if it was given back
	opened bool      // the line was open, and level is its level
	level  bool
	deb    debouncer
	last   time.Duration // of the newest edge
	lost   uint64        // edges that were known to be lost

	touch   gesture        // that may not be decided yet
	touched time.Time      // when that began, on our clock
	half    *time.Duration // a press that may be half of a combination, by its kernel time

	presses  int         // that the store refused
	taken    *withdrawal // the same of a cancel
	asked    []cancelBy  // cancels that wait for a press to be kept
	accepted confirmed   // the newest press that was kept
}

// Leave tells the kiosk, before Run's ctx ends, that one with this configuration
// will take its place. When living ends it won't have long: the program ends.
func (k *Kiosk) Leave(living context.Context, next Config) {
	k.panel.leaveTo(next.Lamps.lines())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.living, k.heirs = living, slices.Clone(next.Buttons)
	for i := range k.heirs {
		k.heirs[i].Line = named(k.heirs[i])
	}
}

// named is the button's line with a name.
func named(b Button) hal.LineConfig {
	if b.Line.Name == "" {
		b.Line.Name = b.Name
	}
	return b.Line
}

// Estate is what a kiosk that was told to leave has left, once Run has returned;
// nil for one that was not. Lines in it stay open until another kiosk that takes
// it ends, or the board is closed.
func (k *Kiosk) Estate() *Estate {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.heirs == nil {
		return nil
	}
	e := &Estate{buttons: map[string]*left{}, last: k.last, shown: k.shown, panel: k.panel.left}
	if k.newest != nil {
		e.newest = k.newest.cfg.Name
	}
	for _, b := range k.buttons {
		e.buttons[b.cfg.Name] = &b.leaves
	}
	return e
}

// Succeed takes over what another kiosk left, before Run; nil is nothing. A line
// that is in it and not this kiosk's is given back.
func (k *Kiosk) Succeed(e *Estate) {
	if e == nil {
		return
	}
	for name, l := range e.buttons {
		i := slices.IndexFunc(k.buttons, func(b *button) bool { return b.cfg.Name == name })
		if i >= 0 {
			k.buttons[i].from = l
		}
		if l.in != nil && (i < 0 || k.buttons[i].cfg.Line != l.line) {
			_ = l.in.Halt() // as at any end
			l.in = nil
		}
	}
	k.newest = k.find(e.newest)
	k.last = e.last
	k.shown.acked, k.shown.cancelled, k.shown.at = e.shown.acked, e.shown.cancelled, e.shown.at
	k.panel.succeed(e.panel)
}

// limit calls give when the time for a last record is over, unless stop is called.
func (k *Kiosk) limit(give func()) (stop func()) {
	k.mu.Lock()
	living := k.living
	k.mu.Unlock()
	if living == nil {
		t := time.AfterFunc(flushTimeout, give)
		return func() { t.Stop() }
	}
	t := time.AfterFunc(handOverTimeout, give)
	hurry := context.AfterFunc(living, func() { t.Reset(flushTimeout) })
	return func() {
		hurry()
		t.Stop()
	}
}

// holds tells whether there is an open line among what was left.
func (l *left) holds() bool { return l != nil && l.in != nil }

// heir is the button of this name in the kiosk that takes this one's place; ok is
// false if there is none that does the same.
func (b *button) heir() (heir Button, ok bool) {
	b.k.mu.Lock()
	defer b.k.mu.Unlock()
	for _, h := range b.k.heirs {
		if h.Name == b.cfg.Name && h.Cancel == b.cfg.Cancel {
			return h, true
		}
	}
	return Button{}, false
}

// passesOn leaves the line and what is undecided to the next kiosk, and is false
// if that does not have the line as it is.
func (b *button) passesOn(in hal.Input) bool {
	b.leaves.line, b.leaves.opened, b.leaves.level, b.leaves.last = b.cfg.Line, in != nil, b.level, b.last
	heir, ok := b.heir()
	if !ok || in == nil || heir.Line != b.cfg.Line {
		return false
	}
	b.leaves.in, b.leaves.deb, b.leaves.lost = in, b.deb, b.noise.lost
	b.leaves.touch, b.leaves.touched = b.ges, b.began
	if b.pair != nil {
		if at, ok := b.pair.takeBack(b); ok {
			b.leaves.half = &at
		}
	}
	b.edges, b.ges.down, b.waits = nil, false, false
	return true
}

// leavesPresses leaves what the store refused to the next kiosk, and is false if
// that has no such button.
func (b *button) leavesPresses() bool {
	if _, ok := b.heir(); !ok {
		return false
	}
	b.leaves.presses, b.leaves.taken = b.pending, b.taken
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaves.asked, b.asked = b.asked, nil
	return true
}

// openLine opens the button's line, or takes the one that the kiosk before left.
func (b *button) openLine() (hal.Input, error) {
	if l := b.from; l.holds() {
		in := l.in
		b.from, l.in = nil, nil
		b.takesOver(in, l)
		return in, nil
	}
	in, err := b.k.board.OpenInput(b.cfg.Line)
	b.opened(in, err)
	if err == nil {
		b.pressedMeanwhile()
	}
	return in, err
}

// takesOver goes on with a line where the button before it stopped.
func (b *button) takesOver(in hal.Input, l *left) {
	b.deb, b.level, b.last, b.noise.lost = l.deb, l.level, l.last, l.lost
	b.deb.quiet = b.quiet(in)
	b.saw(l.level)
	b.note()
	if b.level {
		b.stuck.Reset(b.k.cfg.StuckAfter)
	}
	if g := l.touch; g.down {
		b.ges.down, b.ges.decided, b.ges.since, b.began = true, g.decided, g.since, l.touched
	}
	switch {
	case !b.ges.down || b.ges.decided:
	case !b.ges.waits(): // a press counts at once from now on
		b.ges.down = false
		b.counts(b.ges.since)
	default:
		b.held.Reset(max(edgesFirst+b.deb.quiet, b.ges.next()-time.Since(l.touched)))
		if !b.level {
			b.settle.Reset(b.deb.quiet)
		}
	}
	if l.half != nil {
		b.counts(*l.half)
	}
}

// pressedMeanwhile counts a press that began while the line was closed for being
// opened otherwise, and still lasts.
func (b *button) pressedMeanwhile() {
	l := b.from
	b.from = nil
	if l == nil || !l.opened || l.level || !b.level {
		return
	}
	if was, now := l.line, b.cfg.Line; was.Chip != now.Chip || was.Line != now.Line || was.ActiveLow != now.ActiveLow || was.Bias != now.Bias {
		return // another wire, or another meaning of its level
	}
	b.ges.down, b.ges.decided = true, true // its end is nothing more
	b.counts(l.last)
}

// begins takes over what needs no line.
func (b *button) begins() {
	l := b.from
	if l == nil {
		return
	}
	b.newest, b.taken = l.accepted, l.taken
	b.pending += l.presses
	b.mu.Lock()
	b.asked = append(l.asked, b.asked...)
	b.mu.Unlock()
	b.next()
}

// takeBack takes a press of b that still waits for the other half.
func (c *chord) takeBack(b *button) (at time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok = c.waiting[b]
	delete(c.waiting, b)
	return at, ok
}
