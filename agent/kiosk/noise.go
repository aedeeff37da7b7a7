package kiosk

import (
	"fmt"
	"time"

	"kentongan/hal"
)

const (
	noiseWindow = time.Second
	chatterFrom = 100 // bounces in a window: a worn contact makes some 20 a press
	calmWindows = 10  // without noise, and the fault is over
)

// noiseWatch counts bounces and lost edges, a window at a time. Its timer runs
// only while there is something to count.
type noiseWatch struct {
	timer   *time.Timer
	running bool
	edges   int    // in this window
	bounces uint64 // in this window
	lost    uint64 // by the driver, up to the end of the last window
	chatter spell
	losing  spell
}

// spell is a time of noise: it begins with a noisy window and ends after some
// calm ones.
type spell struct {
	on    bool
	calm  int
	total uint64
}

// window takes the count of one window and tells whether the spell began or
// ended with it.
func (s *spell) window(n uint64, noisy bool) (began, ended bool) {
	if !s.on && !noisy {
		return false, false
	}
	s.total += n
	began, s.on = !s.on, true
	if noisy {
		s.calm = 0
		return began, false
	}
	s.calm++
	return false, s.calm >= calmWindows
}

func (w *noiseWatch) opened(in hal.Input) {
	w.lost = in.Lost()
}

func (w *noiseWatch) edge(bounce bool) {
	w.edges++
	if bounce {
		w.bounces++
	}
	if !w.running {
		w.running = true
		w.timer.Reset(noiseWindow)
	}
}

// listen ends a window of noise and says what changed with it.
func (b *button) listen(in hal.Input) {
	w := &b.noise
	var lost uint64
	if in != nil {
		lost = in.Lost() - w.lost
		w.lost += lost
	}
	b.mu.Lock()
	b.st.Lost += lost
	b.mu.Unlock()

	b.spell(&w.losing, stateLost, lost, lost > 0, "the agent was too slow for the edges of this line")
	b.spell(&w.chatter, stateChatter, w.bounces, w.bounces >= chatterFrom, fmt.Sprintf("%d edges a second are no presses", w.bounces))

	busy := w.edges > 0 || w.losing.on || w.chatter.on
	w.edges, w.bounces = 0, 0
	if w.running = busy; busy {
		w.timer.Reset(noiseWindow)
	}
}

func (b *button) spell(s *spell, state string, n uint64, noisy bool, detail string) {
	began, ended := s.window(n, noisy)
	if began {
		b.raise(state, detail, s.total)
	}
	if ended {
		b.clear(state, s.total)
		*s = spell{}
	}
}
