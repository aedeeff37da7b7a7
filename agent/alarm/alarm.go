// Package alarm makes alarms of findings: it waits until a condition stays,
// tells it once, and lets one cause hide its consequences.
//
//	Found ──► track (one condition of one source) ──► raise, hide, clear ──► Output
//	              ▲ group (one cause of many)               │
//	Act (an operator's word) ───────────────────────────────┘
//
// A track is raised when its condition has been present for the catalogue's
// raise delay, and cleared when it has been absent for the clear delay; both
// stand in catalogue.go with the severity and the texts. One that changes more
// than flapChanges times in flapWithin is told once more, as flapping, and then
// stays until it has been quiet as long.
//
// # One cause
//
// Streams behind one address, one switch or one site fail together. When enough
// of a group fail within togetherWithin, one alarm of the group stands for all;
// see group.go. On one source a worse condition hides what follows from it: a
// camera that is down is not black as well.
//
// # Our own board
//
// When this program was not run for a while, the cameras look dead though it was
// the board that slept. A late tick holds every verdict for stallRound and is an
// alarm of the device.
//
// # Memory
//
// What is raised is saved at each change, so that a restart neither forgets an
// alarm nor raises it twice. Config.Save is called before the change is told;
// what may not have been told when the power went is told again, with the same
// id.
//
// # Concurrency
//
// Run's goroutine owns all state. Found, Kept, Act and Status may be called from
// any goroutine; Found and Kept return at once.
package alarm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Finding is what somebody found about a source.
type Finding struct {
	Source     string // stream/NAME, app/NAME, device
	Condition  string
	Present    bool
	Confidence float64 // 0 to 1
	Cause      string  // "" is not known
	Detail     string  // English
}

// Output takes what changes. It is called by Run's goroutine and must not block.
type Output interface {
	// AlarmChanged gets each change; what it does with it is durable when it
	// has called Kept.
	AlarmChanged(report.Alarm)
	// AlarmsNow gets the whole set after changes.
	AlarmsNow(report.AlarmSet)
}

// Config is what the engine watches over.
type Config struct {
	Sources []string // all that may be found about; findings of others are dropped
	Groups  []Group
	Saved   []byte             // what Save was given last; nil for nothing
	Save    func([]byte) error // keeps the memory, whole or not at all
	NewID   func() string      // nil is 8 random bytes
}

// Times that are not of one condition.
const (
	tickEvery = 500 * time.Millisecond
	saveEvery = time.Hour // the watched time; everything else is saved when it changes

	flapChanges = 3 // more raises and clears than this in flapWithin are flapping
	flapWithin  = 10 * time.Minute

	// stallAfter is six ticks: a busy board of one core is late by one or two.
	stallAfter = 3 * time.Second
	// stallRound is longer than a watcher needs to take the packets that came
	// meanwhile and to look again (0.5 s).
	stallRound = 5 * time.Second
	stallQuiet = time.Minute

	// falseFor is how long an operator's word that there is nothing holds against
	// a condition that stays.
	falseFor = 24 * time.Hour
	// restoredFor is how long an alarm of before a restart waits to be found
	// again; the slowest verdict takes 12 minutes.
	restoredFor = 20 * time.Minute
)

// Engine is made by New. Run may be called once.
type Engine struct {
	cfg  Config
	out  Output
	log  *slog.Logger
	acts chan act
	wake chan struct{} // capacity 1

	changes chan change

	pulse pulse.Pulse

	mu     sync.Mutex         // guards what follows, until the next blank line, and the book's sources
	inbox  map[key]Finding    // the newest of each; bounded by sources and catalogue
	kept   map[string]uint64  // by alarm id: the newest change that is durable
	strays map[string]bool    // sources and conditions that were named in the log
	counts report.AlarmCounts // for Status
	bySev  map[string]int     // for Status
	now    []report.Alarm     // for Active; not changed once it is here

	b *book // Run's goroutine only
}

// New makes an engine. Saved memory that can't be read is left, with a warning:
// a board with a damaged file is better off with alarms told twice than without.
func New(cfg Config, out Output, log *slog.Logger) *Engine {
	if cfg.Save == nil {
		cfg.Save = func([]byte) error { return nil }
	}
	if cfg.NewID == nil {
		cfg.NewID = randomID
	}
	e := &Engine{
		cfg: cfg, out: out, log: log.With("part", "alarm"), acts: make(chan act), changes: make(chan change), wake: make(chan struct{}, 1), pulse: pulse.New(),
		inbox: map[key]Finding{}, kept: map[string]uint64{}, strays: map[string]bool{}, bySev: map[string]int{},
	}
	e.b = newBook(cfg, e.changed, e.log)
	return e
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// maxStrays bounds what is remembered of findings that nobody expects.
const maxStrays = 32

// Found takes a finding. The newest of a source and condition counts.
func (e *Engine) Found(f Finding) {
	k := key{f.Source, f.Condition}
	e.mu.Lock()
	if !e.b.knows(k) {
		told := e.strays[f.Source+":"+f.Condition]
		if !told && len(e.strays) < maxStrays {
			e.strays[f.Source+":"+f.Condition] = true
			e.log.Warn("finding of nothing known", "source", f.Source, "condition", f.Condition)
		}
		e.mu.Unlock()
		return
	}
	e.inbox[k] = f
	e.mu.Unlock()
	e.poke()
}

// Kept says that a change that Output was told is durable.
func (e *Engine) Kept(id string, n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept[id] = max(e.kept[id], n)
}

func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *Engine) take() (found map[key]Finding, kept map[string]uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, kept = e.inbox, e.kept
	e.inbox, e.kept = map[key]Finding{}, map[string]uint64{}
	return found, kept
}

// Status is the account and the number of active alarms by severity.
func (e *Engine) Status() (report.AlarmCounts, map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	by := make(map[string]int, len(e.bySev))
	for s, n := range e.bySev {
		by[s] = n
	}
	return e.counts, by
}

// Active are the alarms that stand now and that no other one explains, the worst
// first. It is not to be changed.
func (e *Engine) Active() []report.Alarm {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// changed is the book's way out: it is called for each change, after the memory
// was saved.
func (e *Engine) changed(a report.Alarm) {
	e.log.Info("alarm "+a.State, "id", a.ID, "source", a.Source, "condition", a.Condition, "severity", a.Severity, "detail", a.Detail)
	e.out.AlarmChanged(a)
}

// Pulse asks Run's loop whether it lives.
func (e *Engine) Pulse() pulse.Pulse { return e.pulse }

// Run works until ctx ends, then saves and returns nil.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	e.b.start(time.Now())
	e.show(true)
	for {
		select {
		case <-ctx.Done():
			_, kept := e.take()
			e.b.keptUp(kept)
			e.b.save()
			return nil
		case <-tick.C:
		case <-e.wake:
		case beat := <-e.pulse:
			beat()
			continue
		case a := <-e.acts:
			a.answer <- e.b.act(time.Now(), a.Action)
		case c := <-e.changes:
			e.reconfigure(time.Now(), c.Change)
			close(c.done)
		}
		now := time.Now()
		e.b.look(now) // before any finding: it may be the stall's own
		found, kept := e.take()
		e.b.keptUp(kept)
		e.b.take(now, found)
		e.show(false)
		e.b.looked = time.Now() // a slow disk in between was no stall
	}
}

// show says the set when it has changed, and the account.
func (e *Engine) show(always bool) {
	counts, by := e.b.account()
	e.mu.Lock()
	e.counts, e.bySev = counts, by
	e.mu.Unlock()
	if set, changed := e.b.set(); changed || always {
		now := e.b.active()
		e.mu.Lock()
		e.now = now
		e.mu.Unlock()
		e.out.AlarmsNow(set)
	}
}

// Action is an operator's word about an alarm.
type Action struct {
	ID    string
	By    string
	Note  string
	False bool // there was nothing
}

type act struct {
	Action
	answer chan error
}

// UnknownError is an alarm that is not in the device's memory.
type UnknownError struct{ ID string }

func (e UnknownError) Error() string { return fmt.Sprintf("no alarm %q here", e.ID) }

// Act does what an operator ordered, and returns when it is done.
func (e *Engine) Act(ctx context.Context, a Action) error {
	answer := make(chan error, 1)
	select {
	case e.acts <- act{a, answer}:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}
