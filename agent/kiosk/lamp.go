package kiosk

import (
	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/report"
	"kentongan/hal"
)

// lamp is one output; the panel's goroutine owns it.
type lamp struct {
	cfg   *hal.LineConfig // nil for a lamp that is not there
	out   hal.Output      // nil while it can't be opened
	on    bool            // as it should be
	state string          // as report.LineState
}

func newLamp(c *hal.LineConfig, name string) lamp {
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
	for _, l := range []*lamp{&p.saved, &p.received, &p.broken} {
		if l.cfg == nil || l.out != nil {
			continue
		}
		out, err := p.board.OpenOutput(*l.cfg)
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
