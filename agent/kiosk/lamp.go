package kiosk

import (
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/report"
	"kentongan/hal"
)

// lamp is one output, a lamp or a buzzer; the panel's goroutine owns it.
type lamp struct {
	cfg   *Lamp           // nil for a lamp that is not there
	out   hal.Output      // nil while it can't be opened
	on    bool            // as it should be now
	rest  bool            // as it should be when nothing is played
	loop  []time.Duration // is played again and again; nil is nothing
	steps []time.Duration // of a pattern, what is left: now, then the opposite, ...
	until time.Time       // the end of steps[0]
	state string          // as report.LineState
}

// all makes the lamps: saved, received, fault, alive, and the buzzer.
func (l Lamps) all() [5]lamp {
	return [5]lamp{
		newLamp(l.Saved, "lamp-saved"), newLamp(l.Received, "lamp-received"), newLamp(l.Fault, "lamp-fault"),
		newLamp(l.Alive, "lamp-alive"), newLamp(l.Buzzer, "buzzer"),
	}
}

func newLamp(c *Lamp, name string) lamp {
	if c == nil {
		return lamp{}
	}
	named := *c
	if named.Name == "" {
		named.Name = name
	}
	return lamp{cfg: &named}
}

// openLamps opens the lamps that are not open, as they should be now.
func (p *panel) openLamps() {
	for _, l := range p.all() {
		if l.cfg == nil || l.out != nil {
			continue
		}
		out, err := p.board.OpenOutput(l.cfg.LineConfig)
		if err != nil {
			p.failed(l, err)
			continue
		}
		l.out = out
		p.set(l, l.on)
		if l.out != nil {
			p.note(l, stateOK, "")
			p.fault(l.cfg.Name, false)
		}
	}
}

// play begins a pattern: on for steps[0], off for steps[1], and so on. Then the
// lamp is as its rest says.
func (p *panel) play(l *lamp, steps []time.Duration) {
	l.steps = steps
	l.until = time.Now().Add(steps[0])
	p.set(l, true)
}

// rest ends what is played and says how the lamp is from now on.
func (p *panel) rest(l *lamp, on bool) {
	l.steps, l.rest = nil, on
	if l.loop != nil {
		p.play(l, l.loop)
		return
	}
	p.set(l, on)
}

// sound plays on the buzzer, unless these are hours in which it is silent.
func (p *panel) sound(steps []time.Duration) {
	if !p.quiet.now() {
		p.play(&p.buzzer, steps)
	}
}

// step goes on with the patterns whose step is over.
func (p *panel) step() {
	now := time.Now()
	for _, l := range p.all() {
		for len(l.steps) > 0 && !l.until.After(now) {
			if l.steps = l.steps[1:]; len(l.steps) == 0 {
				p.rest(l, l.rest)
				break
			}
			l.until = l.until.Add(l.steps[0])
			p.set(l, !l.on)
		}
	}
}

// schedule sets the timer for the next step.
func (p *panel) schedule() {
	var next time.Time
	for _, l := range p.all() {
		if len(l.steps) > 0 && (next.IsZero() || l.until.Before(next)) {
			next = l.until
		}
	}
	if next.IsZero() {
		p.due.Stop()
		return
	}
	p.due.Reset(time.Until(next))
}

// set lights a lamp or puts it out. A lamp that does not obey is given back
// and opened again later.
func (p *panel) set(l *lamp, on bool) {
	l.on = on
	if l.out == nil {
		return
	}
	if err := l.out.Out(gpio.Level(on)); err != nil {
		_ = l.out.Halt() // it does not work anyway
		l.out = nil
		p.failed(l, err)
	}
}

// failed notes it. Without the lamp that confirms, the kiosk is out of order.
func (p *panel) failed(l *lamp, err error) {
	if l == &p.saved {
		p.fault(l.cfg.Name, true)
	}
	p.note(l, problemOf(err), err.Error())
	p.reopen.Reset(reopenEvery)
}

// note tells of a lamp's state when it is another one than before; that it is
// fine from the start is no news.
func (p *panel) note(l *lamp, state, detail string) {
	if before := l.state; state != before && (state != stateOK || before != "") {
		p.events.say(report.LineState{Line: l.cfg.Name, State: state, Detail: detail})
	}
	l.state = state
	p.mu.Lock()
	defer p.mu.Unlock()
	p.st[l.cfg.Name] = state
}
