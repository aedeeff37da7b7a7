package stream

import (
	"strings"
	"time"
)

// rule judges one condition by what was measured. A condition becomes present
// when it was bad for raise without a break, and absent when it was good for
// clear.
type rule struct {
	condition    string
	raise, clear time.Duration
	judge        func(*sample) view
}

// sample is what a rule looks at.
type sample struct {
	m          *Measure
	expect     *Expect
	starved    bool // this board was short of processor time
	clockKnown bool // this board's own clock is set
	tcp        bool
	overflowed uint64 // datagrams that this board's sockets had no room for, within 10 s
}

// view is what a rule sees. Neither bad nor good is the band in between, in
// which nothing changes.
type view struct {
	known      bool // can be judged at all
	bad, good  bool
	confidence float64
	cause      string
	detail     string
}

// hold is one condition with its hysteresis.
type hold struct {
	rule
	known, present bool          // known after the first decision
	cause          string        // that was told
	pending        bool          // the newest views say otherwise, since:
	since          time.Duration // by the finder's clock
}

// see takes a view and tells whether there is something to tell.
func (h *hold) see(at time.Duration, v view) bool {
	if !v.known {
		h.pending = false
		return false
	}
	turn, lasts := v.bad, h.raise
	if h.known && h.present || !h.known && v.good {
		turn, lasts = v.good, h.clear
	}
	switch {
	case !turn:
		h.pending = false
	case !h.pending:
		h.pending, h.since = true, at
	}
	if h.pending && at-h.since >= lasts {
		h.known, h.present, h.pending, h.cause = true, v.bad, false, v.cause
		return true
	}
	// What is present may turn out to have another cause.
	if h.present && v.bad && v.cause != h.cause {
		h.cause = v.cause
		return true
	}
	return false
}

// finder turns measurements and states into findings. It outlives sessions:
// what a session that ended can't say any more stays as it was.
//
// Used by the watcher's goroutine only.
type finder struct {
	found  func(Finding)
	expect Expect
	holds  []hold

	down, silent told
}

// told is what was last said of a condition that has no hysteresis here.
type told struct {
	known bool
	f     Finding
}

func newFinder(e Expect, found func(Finding)) *finder {
	f := &finder{found: found, expect: e}
	for _, rules := range [][]rule{contractRules, healthRules} {
		for _, r := range rules {
			f.holds = append(f.holds, hold{rule: r})
		}
	}
	return f
}

// measured judges what was measured at a time of the finder's own clock.
func (f *finder) measured(at time.Duration, s sample) {
	s.expect = &f.expect
	for i := range f.holds {
		h := &f.holds[i]
		v := h.judge(&s)
		if !h.see(at, v) {
			continue
		}
		out := Finding{Condition: h.condition, Present: h.present, Confidence: v.confidence, Detail: v.detail}
		if h.present {
			out.Cause = v.cause
		}
		f.found(out)
	}
}

// state tells what a state means: down and silent are present or not. A camera
// that fell silent and then can't be reached any more is both until it plays.
func (f *finder) state(state, class, detail string, b blame) {
	wrong := Finding{
		Present: true, Confidence: b.confidence, Cause: b.cause,
		Detail: joinDetail(class+": "+detail, b.why),
	}
	right := Finding{Confidence: 1}
	switch state {
	case StateFailed:
		f.tell(CondDown, wrong)
	case StateSilent:
		f.tell(CondSilent, wrong)
		f.tell(CondDown, right)
	case StatePlaying:
		f.tell(CondDown, right)
		f.tell(CondSilent, right)
	}
}

// tell says a finding unless it was said already.
func (f *finder) tell(condition string, n Finding) {
	n.Condition = condition
	last := &f.down
	if condition == CondSilent {
		last = &f.silent
	}
	if last.known && last.f.Present == n.Present && last.f.Cause == n.Cause && classIn(last.f.Detail) == classIn(n.Detail) {
		return
	}
	*last = told{true, n}
	f.found(n)
}

// classIn is what a detail begins with.
func classIn(detail string) string {
	class, _, _ := strings.Cut(detail, ":")
	return class
}
