package kiosk

import "time"

// blinking is the lamps of Identify: two flashes a second (see play…).
var blinking = flashes(1, 250*time.Millisecond)

// Identify lets the two lamps of a press blink for d, so that somebody before the
// kiosks of one hall sees which one this is. The fault lamp goes on to tell the
// truth. It returns false when there is no such lamp. It does not block.
func (k *Kiosk) Identify(d time.Duration) bool {
	if k.cfg.Lamps.Saved == nil && k.cfg.Lamps.Received == nil {
		return false
	}
	select {
	case k.panel.blink <- d:
	default: // it is asked already
	}
	return true
}

// identify begins to blink; the panel's goroutine.
func (p *panel) identify(d time.Duration) {
	p.blinked.Reset(d)
	for _, l := range []*lamp{&p.saved, &p.received} {
		l.loop = blinking
		p.rest(l, l.rest)
	}
}

// identified ends it.
func (p *panel) identified() {
	for _, l := range []*lamp{&p.saved, &p.received} {
		l.loop = nil
		p.rest(l, l.rest)
	}
}
