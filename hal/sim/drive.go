package sim

import (
	"fmt"
	"time"

	"kentongan/hal"
)

// MaxPulse is the longest press that Pulse makes.
const MaxPulse = time.Hour

// Change is a new level of a line, as watchers see it.
type Change struct {
	Line   string `json:"line"`
	Active bool   `json:"active"`
	Out    bool   `json:"out"` // the agent drives it
}

// Set presses or releases: it makes an input active or inactive, whatever its
// polarity. A line that is not open yet keeps it until it is.
func (b *Board) Set(name string, active bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.inputLocked(name)
	if err != nil {
		return err
	}
	b.setLocked(l, active)
	return nil
}

// Drive puts a level on the wire of an input: high, whatever that means there.
func (b *Board) Drive(name string, high bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.inputLocked(name)
	if err != nil {
		return err
	}
	b.setLocked(l, high != l.cfg.ActiveLow)
	return nil
}

// Pulse presses now and releases after d, and returns at once. A second pulse
// before the end of the first makes it longer.
func (b *Board) Pulse(name string, d time.Duration) error {
	if d <= 0 || d > MaxPulse {
		return fmt.Errorf("pulse of %v: must be longer than 0 and no longer than %v", d, MaxPulse)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.inputLocked(name)
	if err != nil {
		return err
	}
	b.setLocked(l, true)
	if l.pulse != nil {
		l.pulse.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if l.pulse == t && l.out == nil { // else a later pulse has taken over
			b.setLocked(l, false)
		}
	})
	l.pulse = t
	return nil
}

// Level reads the logical level of any line.
func (b *Board) Level(name string) (active bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.find(name, false)
	if l == nil {
		return false, b.unknownLocked(name)
	}
	return l.active, nil
}

// Lines tells of all lines, in the order of their offsets.
func (b *Board) Lines() []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.linesLocked()
}

func (b *Board) linesLocked() []Change {
	all := make([]Change, len(b.lines))
	for i, l := range b.lines {
		all[i] = l.change()
	}
	return all
}

func (l *line) change() Change { return Change{Line: l.name, Active: l.active, Out: l.out != nil} }

// Watch delivers each change of any line until stop is called or the board is
// closed; lines is the state before the first of them. A watcher that has not
// read the last 256 changes is let go: its channel closes.
func (b *Board) Watch() (changes <-chan Change, lines []Change, stop func()) {
	c := make(chan Change, 256)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[c] = true
	return c, b.linesLocked(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.unwatchLocked(c)
	}
}

func (b *Board) unwatchLocked(c chan Change) {
	if b.watchers[c] {
		delete(b.watchers, c)
		close(c)
	}
}

func (b *Board) inputLocked(name string) (*line, error) {
	l := b.find(name, false)
	switch {
	case l == nil:
		return nil, b.unknownLocked(name)
	case l.led:
		return nil, fmt.Errorf("%q is an LED; only inputs can be set", name)
	case l.out != nil:
		return nil, fmt.Errorf("line %q is an output of the agent (%s); only inputs can be set", name, l.cfg.Name)
	}
	return l, nil
}

func (b *Board) unknownLocked(name string) error {
	return fmt.Errorf("no line %q; there are %s", name, b.describeLocked(false))
}

// setLocked is the only place where a level changes.
func (b *Board) setLocked(l *line, active bool) {
	if l.active == active || b.closed {
		return
	}
	l.active = active
	if l.in != nil {
		l.seq++
		l.in.pushLocked(hal.Edge{Line: l.cfg.Name, Active: active, At: b.now(), Seq: l.seq})
	}
	for c := range b.watchers {
		select {
		case c <- l.change():
		default:
			b.unwatchLocked(c)
		}
	}
}
