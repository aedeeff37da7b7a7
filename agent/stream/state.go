package stream

import (
	"fmt"
	"sync"
	"time"

	"kentongan/agent/report"
)

// States of a stream. The first four are steps on the way to playing, the last
// three are where a stream stays.
const (
	StateResolving      = "resolving"
	StateConnecting     = "connecting"
	StateAuthenticating = "authenticating"
	StateNegotiating    = "negotiating"
	StatePlaying        = "playing"
	StateSilent         = "silent" // connected, but no picture comes
	StateFailed         = "failed"
)

// Limits of what is reported of a stream that flaps: twelve changes at once,
// then one in 15 s. What is held back is joined into the next report.
const (
	reportBurst = 12
	reportEvery = 15 * time.Second
)

// board holds what a stream does and decides which changes are reported.
//
// A camera that is down goes through all the steps with each try; then it
// stays failed, and only its number of tries changes.
type board struct {
	name string
	out  Output
	now  func() time.Time // wall clock

	mu   sync.Mutex // guards what follows; Status is asked from any goroutine
	cur  report.StreamState
	step string // how far the present try is

	say    sync.Mutex // guards what follows: the watcher and the look at the picture report, one at a time
	sent   report.StreamState
	tokens int
	filled time.Time // monotonic: when the newest token was added
	held   int       // changes that were not reported yet
}

func newBoard(name, url string, out Output, now func() time.Time) *board {
	return &board{
		name: name, out: out, now: now, tokens: reportBurst, filled: time.Now(),
		cur: report.StreamState{Name: name, URL: url},
	}
}

// trying says how far a try is. What stays, stays: a camera that failed is
// failed until it plays.
func (b *board) trying(step string) {
	b.mu.Lock()
	b.step = step
	stays := b.cur.State == StateFailed || b.cur.State == StateSilent
	b.mu.Unlock()
	if !stays {
		b.set(func(s *report.StreamState) { s.State, s.Class, s.Detail = step, "", "" })
	}
}

// set changes the state and reports it when it is another one.
func (b *board) set(change func(*report.StreamState)) {
	b.say.Lock()
	defer b.say.Unlock()
	b.mu.Lock()
	before := b.cur
	change(&b.cur)
	if b.cur.State != before.State || b.cur.Class != before.Class {
		b.cur.Since = b.now().UTC()
	}
	if isStay(b.cur.State) {
		b.step = b.cur.State
	}
	changed := worthReporting(before) != worthReporting(b.cur)
	b.mu.Unlock()
	if changed {
		b.held++
		b.flushLocked()
	}
}

// measured passes a measurement on.
func (b *board) measured(s report.StreamStats) {
	b.say.Lock()
	defer b.say.Unlock()
	b.out.StreamMeasured(s)
}

// found passes a finding on.
func (b *board) found(f Finding) {
	b.say.Lock()
	defer b.say.Unlock()
	b.out.StreamFound(b.name, f)
}

func isStay(state string) bool {
	return state == StatePlaying || state == StateSilent || state == StateFailed
}

// worth is what makes another state of a state.
type worth struct {
	state   report.StreamState
	picture string
}

func worthReporting(s report.StreamState) worth {
	var picture string
	if s.State == StatePlaying { // else it is not checked, which the state says as well
		picture = pictureKey(s.Picture)
	}
	s.Since, s.Detail, s.Attempts, s.Quirks, s.Picture = time.Time{}, "", 0, "", nil
	return worth{s, picture}
}

// flush reports the state if it is not reported yet and may be.
func (b *board) flush() {
	b.say.Lock()
	defer b.say.Unlock()
	b.flushLocked()
}

func (b *board) flushLocked() {
	if b.held == 0 {
		return
	}
	if n := int(time.Since(b.filled) / reportEvery); n > 0 {
		b.tokens = min(b.tokens+n, reportBurst)
		b.filled = b.filled.Add(time.Duration(n) * reportEvery)
	}
	if b.tokens == 0 {
		return
	}
	b.mu.Lock()
	s := b.cur
	b.mu.Unlock()
	held := b.held - 1
	b.held = 0
	if held == 0 || worthReporting(s) != worthReporting(b.sent) {
		b.tokens--
		b.sent = s
		s.Picture = shown(s)
		if held > 0 {
			s.Detail = joinDetail(s.Detail, fmt.Sprintf("flapping: %d changes before this one are not reported", held))
		}
		b.out.StreamChanged(s)
	}
}

func joinDetail(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// read returns the state and how far the present try is.
func (b *board) read() (report.StreamState, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cur, b.step
}
