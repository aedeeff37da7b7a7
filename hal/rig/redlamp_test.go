package rig

import (
	"fmt"
	"strings"
	"time"
)

// The lamp behind docs/images/red-lamp.svg, as the wires have it: circuit A is
// lit unless the chip drives the line fault low, circuit B when the line alive
// has not risen for as long as its relay holds. (A fall only empties the pump.)
const (
	faultLine, aliveLine = 6, 7
	relayHolds           = 3 * time.Second
	watchdogTimeout      = 10 * time.Second
)

// sight is what somebody in front of the kiosk sees at one time.
type sight struct {
	driven bool // the chip drives the line fault
	a, b   bool // the red lamp is lit, by circuit A and by B
}

// watcher looks at the red lamp.
type watcher struct {
	r       *running
	level   bool      // of alive
	risen   time.Time // last
	changes int
}

func (r *running) watch() *watcher { return &watcher{r: r} }

func (w *watcher) look() sight {
	w.r.t.Helper()
	level, err := w.r.Level(aliveLine)
	if err != nil {
		w.r.t.Fatal(err)
	}
	if level != w.level {
		w.level = level
		w.changes++
		if level {
			w.risen = time.Now()
		}
	}
	fault, err := w.r.Level(faultLine)
	if err != nil {
		w.r.t.Fatal(err)
	}
	driven, err := w.r.Driven(faultLine)
	if err != nil {
		w.r.t.Fatal(err)
	}
	return sight{driven, !driven || fault, time.Since(w.risen) > relayHolds}
}

// until looks until it is so, and tells how long that took.
func (w *watcher) until(what string, most time.Duration, is func(sight) bool) time.Duration {
	w.r.t.Helper()
	began := time.Now()
	for end := began.Add(most); ; time.Sleep(20 * time.Millisecond) {
		if s := w.look(); is(s) {
			return time.Since(began)
		} else if time.Now().After(end) {
			w.r.t.Fatalf("not in %v: %s (%+v, %d changes of the line alive)", most, what, s, w.changes)
		}
		check(w.r.t, what)
	}
}

// well waits until both circuits have the lamp dark.
func (w *watcher) well() {
	w.r.t.Helper()
	w.until("the red lamp is dark by both circuits", slow, func(s sight) bool { return !s.a && !s.b })
	w.changes = 0
	began := time.Now()
	w.until("the line alive changes", quick, func(sight) bool { return w.changes >= 8 })
	w.r.t.Logf("the line alive changed 8 times in %v", time.Since(began).Round(10*time.Millisecond))
}

// dead follows the lamp from the agent's end, which order brings, to the reset
// by the watchdog and to the agent's next start.
func (w *watcher) dead(order, how string) {
	r := w.r
	r.t.Helper()
	w.well()
	boots := strings.Count(r.text(), "INIT agent begun")
	done := func() int { return strings.Count(r.text(), fmt.Sprintf("INIT order %q: done", order)) }
	before := done()
	if err := r.Type(order); err != nil {
		r.t.Fatal(err)
	}
	// A board that stands still before it does the order lets the relay go, too, and
	// its agent lives on.
	r.until("the board has done the order", quick, func() bool { w.look(); return done() > before })
	began := time.Now()
	w.until("the relay lets go and the red lamp lights", quick, func(s sight) bool { return s.b })
	lit := time.Since(began)
	after := w.look()
	r.t.Logf("%s: red lit by circuit B %v later; the chip then drives the line fault: %v, so red by circuit A: %v", how, lit.Round(10*time.Millisecond), after.driven, after.a)
	w.until("the watchdog resets the board, which drives no line", slow, func(s sight) bool {
		if !s.b {
			r.t.Error("the relay was held again by a dead agent")
		}
		return s.a && !s.driven
	})
	reset := time.Since(began)
	if !after.driven { // the kernel gave the line back already: only the next start tells of the reset
		r.until("the board starts again", slow, func() bool { return strings.Count(r.text(), "INIT agent begun") > boots })
		reset = time.Since(began)
	}
	if reset > watchdogTimeout+quick {
		r.t.Errorf("the watchdog of %v took %v", watchdogTimeout, reset)
	}
	r.until("the agent runs again", slow, func() bool { return strings.Count(r.text(), "INIT agent begun") > boots })
	w.well()
	r.t.Logf("%s: board reset after %v, red dark again after %v", how, reset.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	figures.add(r.board.Name, how+" to red lit by the relay; to the watchdog's reset; to red dark again", "%.1f s; %.1f s; %.1f s", lit.Seconds(), reset.Seconds(), time.Since(began).Seconds())
}

// killedAgent kills the agent's process.
func (r *running) killedAgent() {
	r.t.Helper()
	r.says("watchdog runs", quick)
	r.watch().dead("kill", "agent killed (SIGKILL)")
	r.says("caused_boot", quick)
}

// hungAgent stops the agent, as if it hung.
func (r *running) hungAgent() {
	r.t.Helper()
	runs := strings.Count(r.text(), "watchdog runs")
	if runs < 2 {
		r.until("the watchdog runs again", quick, func() bool { return strings.Count(r.text(), "watchdog runs") > 1 })
	}
	r.watch().dead("stop", "agent hung (SIGSTOP)")
}
