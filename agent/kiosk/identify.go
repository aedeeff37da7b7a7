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
	p.identifies, p.received.loop = true, blinking
	p.loopSaved()
	p.rest(&p.saved, p.saved.rest)
	p.rest(&p.received, p.received.rest)
}

// identified ends it.
func (p *panel) identified() {
	p.identifies, p.received.loop = false, nil
	p.loopSaved()
	p.rest(&p.saved, p.saved.rest)
	p.rest(&p.received, p.received.rest)
}

// loopSaved says what the lamp of a saved press does all the time: a press that the
// store has not taken yet comes before Identify.
func (p *panel) loopSaved() {
	switch {
	case p.waits:
		p.saved.loop = playWorking
	case p.identifies:
		p.saved.loop = blinking
	default:
		p.saved.loop = nil
	}
}
