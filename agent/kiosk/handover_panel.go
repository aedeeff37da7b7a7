package kiosk

import (
	"time"

	"kentongan/hal"
)

// The lamps' half of a hand-over: see handover.go.

// panelLeft is what the lamps have shown, so that the next kiosk's go on.
type panelLeft struct {
	s            signals
	shown, green signals
	savedUntil   time.Time // the lamp was lit for a press that was kept
	received     lamp      // what it still plays for one that the centre has
	outs         map[hal.LineConfig]hal.Output
}

// lines are those of all lamps, as they are opened.
func (l Lamps) lines() (all []hal.LineConfig) {
	for _, lamp := range l.all() {
		if lamp.cfg != nil {
			all = append(all, lamp.cfg.LineConfig)
		}
	}
	return all
}

// leaveTo tells which lines the next kiosk wants.
func (p *panel) leaveTo(lines []hal.LineConfig) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heirs = map[hal.LineConfig]bool{}
	for _, l := range lines {
		p.heirs[l] = true
	}
}

// leave notes what the next kiosk is to know; the panel's goroutine, at its end.
func (p *panel) leave(shown, green signals) {
	p.left = panelLeft{s: p.look(), shown: shown, green: green, outs: map[hal.LineConfig]hal.Output{}}
	if len(p.saved.steps) == 1 && p.saved.on {
		p.left.savedUntil = p.saved.until
	}
	p.left.received = p.received
}

// leaveLines leaves the lines of the lamps to the next kiosk, or gives them back
// where it has no such line. Where none follows, they stay as they are.
func (p *panel) leaveLines() {
	p.mu.Lock()
	heirs := p.heirs
	p.mu.Unlock()
	if heirs == nil {
		return
	}
	for _, l := range p.all() {
		switch {
		case l.out == nil:
		case heirs[l.cfg.LineConfig]:
			p.left.outs[l.cfg.LineConfig] = l.out
		default:
			_ = l.out.Halt() // as at any end
		}
		l.out = nil
	}
}

// succeed takes over what the panel before left; before run.
func (p *panel) succeed(l panelLeft) {
	p.mu.Lock()
	faults, working := p.s.faults, p.s.working
	p.s = l.s
	p.s.faults, p.s.working, p.s.running = faults, working, false
	p.mu.Unlock()
	for _, lamp := range p.all() {
		if lamp.cfg != nil {
			lamp.out = l.outs[lamp.cfg.LineConfig]
			delete(l.outs, lamp.cfg.LineConfig)
		}
	}
	for _, out := range l.outs {
		_ = out.Halt() // as at any end
	}
	p.left = l
}

// goOn lights the lamps as they should be, that of a press of before, too; the
// panel's goroutine, when it begins.
func (p *panel) goOn() (shown, green signals) {
	for _, l := range p.all() {
		if l.out != nil {
			p.set(l, l.on)
			p.note(l, stateOK, "")
		}
	}
	p.openLamps()
	if d := time.Until(p.left.savedUntil); d > 0 {
		p.play(&p.saved, []time.Duration{d})
	}
	if l := p.left.received; len(l.steps) > 0 {
		p.received.steps, p.received.until = l.steps, l.until // step goes on where that has passed
		p.set(&p.received, l.on)
	}
	return p.left.shown, p.left.green
}
