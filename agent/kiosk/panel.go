package kiosk

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"kentongan/hal"
)

const (
	savedFor    = 5 * time.Second // at least; longer than the cool-down in any case
	receivedFor = 10 * time.Second
)

// panel owns the lamps. Others tell it what happened and never wait for it.
type panel struct {
	board    hal.Board
	events   *reporter
	log      *slog.Logger
	saved    lamp
	received lamp
	broken   lamp
	reopen   *time.Timer // running while a lamp can't be opened
	savedFor time.Duration
	wake     chan struct{} // holds one

	mu sync.Mutex // guards what follows
	s  signals
	st map[string]string // lamp: state
}

// signals is what the panel has been told.
type signals struct {
	kept    uint64 // newest number that was kept
	keeps   uint64 // how many were
	acked   uint64 // the centre has all up to this
	running bool
	faults  map[string]bool
}

func newPanel(cfg Config, board hal.Board, events *reporter, log *slog.Logger) *panel {
	p := &panel{
		board: board, events: events, log: log, wake: make(chan struct{}, 1),
		// Through the cool-down, or a person whose second press is only counted stands in the dark.
		savedFor: max(savedFor, cfg.Cooldown+2*time.Second),
		s:        signals{faults: map[string]bool{}},
		st:       map[string]string{},
	}
	for _, b := range cfg.Buttons {
		p.s.faults[b.Name] = true // until its line is open
	}
	p.saved = newLamp(cfg.Lamps.Saved, "lamp-saved")
	p.received = newLamp(cfg.Lamps.Received, "lamp-received")
	p.broken = newLamp(cfg.Lamps.Fault, "lamp-fault")
	return p
}

// kept tells that a press is durable.
func (p *panel) kept(seq uint64) {
	p.tell(func(s *signals) { s.kept = max(s.kept, seq); s.keeps++ })
}

// acked tells that the centre has all up to seq; it may come before kept.
func (p *panel) acked(seq uint64) {
	p.tell(func(s *signals) { s.acked = max(s.acked, seq) })
}

// fault begins or ends a fault by that name.
func (p *panel) fault(name string, on bool) {
	p.tell(func(s *signals) {
		if on {
			s.faults[name] = true
		} else {
			delete(s.faults, name)
		}
	})
}

func (p *panel) tell(f func(*signals)) {
	p.mu.Lock()
	f(&p.s)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run shows what it is told until ctx ends. Then the fault lamp alone is on:
// nobody takes a press any more.
func (p *panel) run(ctx context.Context) {
	savedEnd, receivedEnd := idle(), idle()
	p.reopen = idle()
	defer savedEnd.Stop()
	defer receivedEnd.Stop()
	defer p.reopen.Stop()
	p.broken.on = true // until the first look
	p.openLamps()
	p.tell(func(s *signals) { s.running = true })
	var shown, green signals
	for {
		select {
		case <-p.wake:
			now := p.look()
			if now.keeps != shown.keeps {
				p.set(&p.received, false) // the centre does not have this one yet
				receivedEnd.Stop()
				p.set(&p.saved, true)
				savedEnd.Reset(p.savedFor)
			}
			if now.keeps != green.keeps && now.acked >= now.kept {
				p.set(&p.received, true)
				receivedEnd.Reset(receivedFor)
				green = now
			}
			if fault := len(now.faults) > 0; fault != p.broken.on {
				p.set(&p.broken, fault)
			}
			shown = now
		case <-savedEnd.C:
			p.set(&p.saved, false)
		case <-receivedEnd.C:
			p.set(&p.received, false)
		case <-p.reopen.C:
			p.openLamps()
		case <-ctx.Done():
			p.set(&p.saved, false)
			p.set(&p.received, false)
			p.set(&p.broken, true)
			p.tell(func(s *signals) { s.running = false })
			return
		}
	}
}

func (p *panel) look() signals {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.s
	s.faults = maps.Clone(s.faults)
	return s
}

func (p *panel) status() (fault bool, lamps map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.s.running || len(p.s.faults) > 0, maps.Clone(p.st)
}
