package kiosk

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/hal"
)

const (
	savedFor    = 5 * time.Second // at least; longer than the cool-down in any case
	receivedFor = 10 * time.Second
)

// What the lamps and the buzzer play: on, off, on, ... in turn. They differ in
// pattern and not only in colour, and none flashes more than three times a
// second (WCAG 2.2, 2.3.1).
var (
	playReceived = []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, receivedFor - 800*time.Millisecond}
	playUnkept   = flashes(10, 200*time.Millisecond)
	playTaken    = flashes(3, 200*time.Millisecond)
	playWorking  = flashes(1, 200*time.Millisecond) // again and again
	beat         = flashes(1, 250*time.Millisecond) // of the lamp Alive, again and again

	soundSaved    = []time.Duration{150 * time.Millisecond}
	soundReceived = []time.Duration{80 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond}
	soundUnkept   = []time.Duration{time.Second}
	soundTaken    = []time.Duration{80 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond}
	soundBrush    = []time.Duration{30 * time.Millisecond}
)

func flashes(n int, each time.Duration) (p []time.Duration) {
	for range n {
		p = append(p, each, each)
	}
	return p
}

// panel owns the lamps and the buzzer. Others tell it what happened and never
// wait for it.
type panel struct {
	board    hal.Board
	events   *reporter
	log      *slog.Logger
	buttons  []string
	saved    lamp
	received lamp
	broken   lamp
	alive    lamp
	buzzer   lamp
	reopen   *time.Timer // running while a lamp can't be opened
	due      *time.Timer // running while a pattern is played
	blinked  *time.Timer // running while somebody looks for this kiosk
	sampled  *time.Timer // running while the self-test waits to look at the lamps
	tested   *sensing    // of that self-test
	quiet    *QuietHours // may be nil
	savedFor time.Duration
	wake     chan struct{} // holds one
	tests    chan lampTest
	blink    chan time.Duration // holds one
	pulse    pulse.Pulse
	changed  func()    // told when the faults are others; may be nil
	left     panelLeft // by the kiosk before; at the end, for the next

	waits, identifies bool // a press for the store, and Identify: what the saved lamp shows; the panel's goroutine's

	mu sync.Mutex // guards what follows
	s  signals
	st map[string]string // lamp: state

	heirs map[hal.LineConfig]bool // lines of the next kiosk's lamps; nil if none is known
}

// signals is what the panel has been told. The counts only grow.
type signals struct {
	kept    uint64          // newest number that was kept
	keeps   uint64          // how many were
	acked   uint64          // the centre has all up to this
	refuses uint64          // presses that the store would not take
	takes   uint64          // presses that were taken back
	brushes uint64          // touches that counted for nothing
	working map[string]bool // buttons whose press the store has not taken yet
	running bool
	faults  map[string]bool
}

func newPanel(cfg Config, board hal.Board, events *reporter, log *slog.Logger) *panel {
	p := &panel{
		board: board, events: events, log: log, wake: make(chan struct{}, 1), tests: make(chan lampTest), blink: make(chan time.Duration, 1), pulse: pulse.New(),
		// Through the cool-down, or a person whose second press is only counted stands in the dark.
		savedFor: max(savedFor, cfg.Cooldown+2*time.Second),
		quiet:    cfg.Quiet,
		s:        signals{faults: map[string]bool{}, working: map[string]bool{}},
		st:       map[string]string{},
	}
	for _, b := range cfg.Buttons {
		if b.Cancel {
			continue
		}
		p.s.faults[b.Name] = true // until its line is open
		p.buttons = append(p.buttons, b.Name)
	}
	lamps := cfg.Lamps.all()
	p.saved, p.received, p.broken, p.alive, p.buzzer = lamps[0], lamps[1], lamps[2], lamps[3], lamps[4]
	return p
}

func (p *panel) all() []*lamp {
	return []*lamp{&p.saved, &p.received, &p.broken, &p.alive, &p.buzzer}
}

// kept tells that a press of that button is durable.
func (p *panel) kept(button string, seq uint64) {
	p.tell(func(s *signals) { s.kept = max(s.kept, seq); s.keeps++; delete(s.working, button) })
}

// acked tells that the centre has all up to seq; it may come before kept.
func (p *panel) acked(seq uint64) {
	p.tell(func(s *signals) { s.acked = max(s.acked, seq) })
}

// refused tells that a press was not kept.
func (p *panel) refused() { p.tell(func(s *signals) { s.refuses++ }) }

// taken tells that a press was taken back, by the record seq.
func (p *panel) taken(seq uint64) {
	p.tell(func(s *signals) { s.kept = max(s.kept, seq); s.takes++ })
}

// works tells that the store is slow to take a press of that button, or that it
// has taken or refused it.
func (p *panel) works(name string, on bool) {
	other := false
	p.tell(func(s *signals) {
		if other = s.working[name] != on; on {
			s.working[name] = true
		} else {
			delete(s.working, name)
		}
	})
	if other && p.changed != nil {
		p.changed()
	}
}

// brushed tells that somebody touched a button and nothing came of it.
func (p *panel) brushed() { p.tell(func(s *signals) { s.brushes++ }) }

// fault begins or ends a fault by that name.
func (p *panel) fault(name string, on bool) {
	other := false
	p.tell(func(s *signals) {
		other = s.faults[name] != on
		if on {
			s.faults[name] = true
		} else {
			delete(s.faults, name)
		}
	})
	if other && p.changed != nil {
		p.changed()
	}
}

func (p *panel) runs(yes bool) {
	p.tell(func(s *signals) { s.running = yes })
	if p.changed != nil {
		p.changed()
	}
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
	p.reopen, p.due, p.sampled, p.blinked = idle(), idle(), idle(), idle()
	defer p.blinked.Stop()
	defer p.reopen.Stop()
	defer p.due.Stop()
	defer p.sampled.Stop()
	p.broken.rest = true // until the first look
	p.broken.on = true
	shown, green := p.goOn()
	p.runs(true)
	for {
		select {
		case <-p.wake:
			shown, green = p.show(p.look(), shown, green)
		case <-p.due.C:
			p.step()
		case beat := <-p.pulse:
			beat()
		case t := <-p.tests:
			p.test(t)
		case d := <-p.blink:
			p.identify(d)
		case <-p.blinked.C:
			p.identified()
		case <-p.sampled.C:
			p.sample()
		case <-p.reopen.C:
			p.openLamps()
		case <-ctx.Done():
			p.leave(shown, green)
			for _, l := range p.all() {
				l.loop = nil
				p.rest(l, l == &p.broken)
			}
			p.tested.end()
			p.leaveLines()
			p.runs(false)
			return
		}
		p.schedule()
	}
}

// show plays what is new since shown. green is how it was when the centre had
// all last.
func (p *panel) show(now, shown, green signals) (signals, signals) {
	fault := len(now.faults) > 0
	if fault != p.broken.rest {
		p.rest(&p.broken, fault)
	}
	if beats := !fault; beats != (p.alive.loop != nil) {
		p.alive.loop = nil
		if beats {
			p.alive.loop = beat
		}
		p.rest(&p.alive, false)
	}
	if works := len(now.working) > 0; works != p.waits {
		p.waits = works
		p.loopSaved()
		if works || now.keeps == shown.keeps { // else it is lit without a break
			p.rest(&p.saved, false)
		}
	}
	if now.keeps != shown.keeps {
		p.rest(&p.received, false) // the centre does not have this one yet
		p.play(&p.saved, []time.Duration{p.savedFor})
		p.sound(soundSaved)
	}
	if now.takes != shown.takes {
		p.rest(&p.received, false)
		p.play(&p.saved, playTaken)
		p.sound(soundTaken)
		green = now // of a press that was taken back there is nothing more to say
	}
	if now.keeps != green.keeps && now.acked >= now.kept {
		p.play(&p.received, playReceived)
		p.sound(soundReceived)
		green = now
	}
	if now.refuses != shown.refuses {
		p.play(&p.broken, playUnkept)
		p.play(&p.buzzer, soundUnkept) // at night, too: somebody relies on it
	}
	if now.brushes != shown.brushes {
		p.sound(soundBrush)
	}
	return now, green
}

func (p *panel) look() signals {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.s
	s.faults, s.working = maps.Clone(s.faults), maps.Clone(s.working)
	return s
}

func (p *panel) status() (fault bool, lamps map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.s.running || len(p.s.faults) > 0, maps.Clone(p.st)
}

// out fills in whether the kiosk is out of service, wholly or which of its
// buttons, whether a press waits that the store would not take, and whether it
// takes one at the moment.
func (p *panel) out(s *Show) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.s.faults {
		s.Unkept = s.Unkept || strings.HasSuffix(name, storeSuffix)
	}
	for _, name := range p.buttons {
		if p.s.faults[name] {
			s.Dead = append(s.Dead, name)
		}
	}
	n := len(p.s.faults)
	s.Out = !p.s.running || n > len(s.Dead) || n > 0 && len(s.Dead) == len(p.buttons)
	s.Working = len(p.s.working) > 0
}
