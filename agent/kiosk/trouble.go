package kiosk

import (
	"kentongan/agent/report"
	"kentongan/hal"
)

// States of a line, as report.LineState has them, next to hal's Missing, Busy
// and Refused.
const (
	stateOK      = "ok"
	stateUnkept  = "unkept" // the store refuses its presses, or takes too long for one
	stateStuck   = "stuck"
	stateFlood   = "flood" // pressed without a pause for a long time
	stateLost    = "lost"
	stateChatter = "chatter"
)

// severity orders the states, worst first.
var severity = []string{hal.Missing, hal.Busy, hal.Refused, stateUnkept, stateStuck, stateFlood, stateLost, stateChatter}

// troubles are the faults that a line has at the moment; one goroutine owns
// them. Each beginning and each end is an event.
type troubles struct {
	line   string
	events *reporter
	now    map[string]string // state: detail
}

// raise begins a fault; while it lasts, raising it again changes nothing.
func (t *troubles) raise(state, detail string, count uint64) {
	if _, ok := t.now[state]; ok {
		return
	}
	if t.now == nil {
		t.now = map[string]string{}
	}
	t.now[state] = detail
	t.events.say(report.LineState{Line: t.line, State: state, Detail: detail, Count: count})
}

func (t *troubles) has(state string) bool {
	_, ok := t.now[state]
	return ok
}

// clear ends a fault, if it is there. The event's state is the worst fault
// that remains.
func (t *troubles) clear(state string, count uint64) {
	if _, ok := t.now[state]; !ok {
		return
	}
	delete(t.now, state)
	worst, _ := t.worst()
	t.events.say(report.LineState{Line: t.line, State: worst, Detail: state + " is over", Count: count})
}

func (t *troubles) worst() (state, detail string) {
	for _, s := range severity {
		if d, ok := t.now[s]; ok {
			return s, d
		}
	}
	return stateOK, ""
}

// untrusted tells whether a press of this button might go unnoticed. Chatter
// and lost edges leave the first press of a person intact.
func (t *troubles) untrusted() bool {
	for s := range t.now {
		if s != stateLost && s != stateChatter {
			return true
		}
	}
	return false
}
