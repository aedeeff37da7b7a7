package kiosk

import (
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
)

// sampleAfter is when, in the second that a lamp is lit for a test, its sense line
// is read: a relay and a filter have settled by then.
const sampleAfter = lampLit / 2

// What a check of a lamp says.
const (
	onlyLine = "only its line was tested: without a sense line a burnt lamp or a cut wire is not seen"
	atWork   = "it shows something at the moment, so only its line was tested"
)

// sensing is a self-test of the lamps that is under way.
type sensing struct {
	answer chan<- []report.SelfTestCheck
	checks []report.SelfTestCheck
	lit    []sensed
}

// sensed is a lamp whose sense line is looked at.
type sensed struct {
	lamp  *lamp
	check int // of checks
	in    hal.Input
	dark  bool // what the line said before the lamp was lit
}

// test shows every lamp and sounds the buzzer. What a press shows meanwhile goes
// first: a lamp that plays is left alone. The answer comes once the sense lines
// were read.
func (p *panel) test(t lampTest) {
	p.tested.end() // of an asker that has gone
	p.tested = &sensing{answer: t.answer}
	for _, l := range p.all() {
		if l.cfg != nil {
			p.testLamp(l)
		}
	}
	if len(p.tested.lit) > 0 {
		p.sampled.Reset(sampleAfter)
		return
	}
	p.sample()
}

// testLamp lights one lamp.
func (p *panel) testLamp(l *lamp) {
	t := p.tested
	c := report.SelfTestCheck{Name: "lamp " + l.cfg.Name, OK: l.out != nil}
	idle := len(l.steps) == 0
	switch {
	case l.out == nil:
		c.Detail = "its line is " + l.state
	case l == &p.buzzer:
		if idle {
			p.sound(soundSaved)
		}
	case l.cfg.Sense == nil:
		c.Detail = onlyLine
	case !idle || l.on:
		c.Detail = atWork
	default:
		s := sensed{lamp: l, check: len(t.checks)}
		var err error
		if s.in, s.dark, err = p.openSense(l); err != nil {
			c.OK, c.Detail = false, err.Error()
			break
		}
		t.lit = append(t.lit, s)
	}
	t.checks = append(t.checks, c)
	if l.out != nil && idle && l != &p.buzzer {
		p.play(l, []time.Duration{lampLit})
	}
}

// openSense opens a lamp's sense line and reads it.
func (p *panel) openSense(l *lamp) (in hal.Input, active bool, err error) {
	cfg := *l.cfg.Sense
	cfg.Name = l.cfg.Name + " sense"
	if in, err = p.board.OpenInput(cfg); err != nil {
		return nil, false, fmt.Errorf("its sense line: %w", err)
	}
	if active, err = in.Active(); err != nil {
		_ = in.Halt()
		return nil, false, fmt.Errorf("read its sense line: %w", err)
	}
	return in, active, nil
}

// sample reads the sense lines of the lamps that are lit, and answers. A line that
// says the same as before has seen no current: which level means current does
// not matter.
func (p *panel) sample() {
	t := p.tested
	if t == nil {
		return
	}
	for _, s := range t.lit {
		c := &t.checks[s.check]
		switch lit, err := s.in.Active(); {
		case err != nil:
			c.OK, c.Detail = false, fmt.Sprintf("read its sense line: %v", err)
		case !s.lamp.on:
			c.Detail = atWork // a press has come between
		case lit == s.dark:
			c.OK, c.Detail = false, "its sense line saw no current when it was lit: the lamp is burnt, or a wire is cut"
		default:
			c.Detail = "its sense line saw it light"
		}
	}
	t.answer <- t.checks
	t.end()
	p.tested = nil
}

// end gives the sense lines back.
func (t *sensing) end() {
	if t == nil {
		return
	}
	for _, s := range t.lit {
		_ = s.in.Halt() // gone already if it failed
	}
	t.lit = nil
}
