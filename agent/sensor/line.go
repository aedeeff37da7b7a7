package sensor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/hal"
)

const (
	reopenEvery = 30 * time.Second // of a line that could not be opened
	lostEvery   = time.Minute      // between two events of lost edges
)

// States of a line next to hal's problems, as report.LineState has them.
const (
	stateOK   = "ok"
	stateLost = "lost"
)

// line is one contact; run owns all but what mu guards.
type line struct {
	cfg       Line
	condition string // "" is none
	board     hal.Board
	out       Output
	log       *slog.Logger
	now       func() time.Duration
	hold      holder
	pulse     pulse.Pulse

	state   string // as told last; "" before the line was tried
	lost    uint64 // edges since it was opened, as counted last
	untold  uint64 // of these, in no event yet
	toldAt  time.Duration
	toldAny bool

	mu sync.Mutex // guards st
	st LineStatus
}

// LineStatus is what one line says.
type LineStatus struct {
	Name    string
	Kind    string
	State   string // ok, missing, busy, refused; "" before it was tried
	Detail  string
	Known   bool // Active has held
	Active  bool
	Level   bool   // now; Active is what has held
	Changes uint64 // of Level, since the start
	Lost    uint64 // edges, since the start
}

// run watches the line until ctx ends, and opens it again when it is gone.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		in, err := l.board.OpenInput(l.cfg.LineConfig)
		if err == nil {
			l.usable()
			err = l.watch(ctx, in)
			_ = in.Halt() // gone already if it failed
		}
		if ctx.Err() != nil {
			return
		}
		l.broken(err)
		l.rest(ctx)
	}
}

// rest waits before the line is opened again.
func (l *line) rest(ctx context.Context) {
	again := time.NewTimer(reopenEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			return
		case beat := <-l.pulse:
			beat()
		case <-ctx.Done():
			return
		}
	}
}

// watch follows the level until ctx or the line ends.
func (l *line) watch(ctx context.Context, in hal.Input) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if err := l.look(in); err != nil {
		return err
	}
	for {
		timer.Reset(l.next())
		select {
		case e, ok := <-in.Edges():
			if !ok {
				return errors.New("the line is gone: its chip was removed or its driver ended")
			}
			l.hold.see(e.Active, e.At)
			l.saw(e.Active)
			l.countLost(in.Lost())
		case beat := <-l.pulse:
			beat()
		case <-timer.C:
			if err := l.look(in); err != nil { // an edge may have been lost
				return err
			}
			l.countLost(in.Lost())
			if c, ok := l.hold.tell(l.now()); ok {
				l.tell(c)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *line) look(in hal.Input) error {
	active, err := in.Active()
	if err == nil {
		l.hold.see(active, l.now())
		l.saw(active)
	}
	return err
}

// saw notes the level for Status.
func (l *line) saw(active bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if active != l.st.Level {
		l.st.Level = active
		l.st.Changes++
	}
}

// tell says what has held.
func (l *line) tell(c change) {
	l.log.Info("input changed", "line", l.cfg.Name, "kind", l.cfg.Kind, "active", c.active)
	l.mu.Lock()
	l.st.Known, l.st.Active = true, c.active
	l.mu.Unlock()
	ago := l.now() - c.since
	l.out.InputChanged(report.InputState{
		Line: l.cfg.Name, Kind: l.cfg.Kind, Active: c.active, First: c.first,
		AgoMS: ago.Milliseconds(), Changes: c.changes,
	})
	if l.condition != "" {
		l.found(l.condition, c.active, fmt.Sprintf("for %v", ago.Round(time.Millisecond)))
	}
}

// countLost counts edges that the kernel had to drop, and tells of them, once a
// minute at most. The level is read again when it has held, so that what was
// told of it stays true.
func (l *line) countLost(n uint64) {
	l.untold += n - l.lost
	l.mu.Lock()
	l.st.Lost += n - l.lost
	l.mu.Unlock()
	l.lost = n
	if l.untold == 0 || l.lostDue() > l.now() {
		return
	}
	l.fault(stateLost, "the line changed faster than it was read", l.untold)
	l.untold, l.toldAt, l.toldAny = 0, l.now(), true
}

// lostDue is when lost edges may be told of again.
func (l *line) lostDue() time.Duration {
	if !l.toldAny {
		return 0
	}
	return l.toldAt + lostEvery
}

// next is how long the line needs no look.
func (l *line) next() time.Duration {
	wait := time.Hour
	if at, ok := l.hold.due(); ok {
		wait = at - l.now()
	}
	if l.untold > 0 {
		wait = min(wait, l.lostDue()-l.now())
	}
	return max(wait, 0)
}

func (l *line) usable() {
	if l.state != "" && l.state != stateOK {
		l.fault(stateOK, l.state+" is over", 0)
	}
	l.lost = 0
	l.set(stateOK, "")
	l.found(CondLineLost, false, "it is open")
}

func (l *line) broken(err error) {
	problem := hal.Missing
	if e, ok := errors.AsType[*hal.LineError](err); ok {
		problem = e.Problem
	}
	if problem != l.state {
		l.fault(problem, err.Error(), 0)
	}
	l.set(problem, err.Error())
	l.found(CondLineLost, true, err.Error())
}

func (l *line) set(state, detail string) {
	l.state = state
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st.State, l.st.Detail = state, detail
}

func (l *line) fault(state, detail string, count uint64) {
	level := slog.LevelWarn
	if state == stateOK {
		level = slog.LevelInfo
	}
	l.log.Log(context.Background(), level, "line changed", "line", l.cfg.Name, "state", state, "detail", detail, "count", count)
	l.out.InputFault(report.LineState{Line: l.cfg.Name, State: state, Detail: detail, Count: count})
}

func (l *line) found(condition string, present bool, detail string) {
	l.out.SensorFound(Finding{Source: "line/" + l.cfg.Name, Condition: condition, Present: present, Detail: detail})
}

func (l *line) status() LineStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.st
	st.Name, st.Kind = l.cfg.Name, l.cfg.Kind
	return st
}
