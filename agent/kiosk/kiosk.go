// Package kiosk makes a press of a button into a complaint with a ticket, and
// confirms it to the citizen honestly.
//
//	edge ──► debounce ──► count ──► Store.AppendFunc ──► log ──► lamp Saved ──► (Acked) ──► lamp Received
//
// # What the lamps say
//
// Saved lights only after the store has returned: the press is on the disk. While
// a store takes longer than a tenth of a second it blinks: at work, not saved yet.
// Received flashes twice and lights when the centre has everything that was
// kept here, so it never stands for a press that the centre has not seen. Fault
// is on while a button can't be trusted: its line is missing, busy or stuck, or
// the store does not take the press; it flashes when a press was not kept. It
// is on before and after Run too. After Run the lines of the lamps stay as they
// are until the board is closed, or another kiosk takes them. Alive changes four
// times a second while Fault is off, for a circuit that lights the red lamp when
// the changes stop. The buzzer says the same: one beep, two, a long one; three
// short ones for a press that was taken back.
//
// # Presses that come quickly
//
// The first press of a button is appended at once. Presses of that button in
// the cool-down after it are counted, and when the cool-down is over, one more
// record, with a ticket of its own, says how many there were, and a new
// cool-down begins. So each press is in exactly one record, and a button makes
// at most one record in a cool-down, however fast it is pressed. A press that
// is only counted does not light the lamp: its record does. A button that is
// pressed for a minute without a pause is a fault, and its cool-downs
// grow up to ten minutes, so that it cannot fill the lane.
//
// A record that the store refuses is not forgotten: its presses stay counted
// and the append is tried again every few seconds, until it succeeds.
//
// # What else a press can be
//
// A button can ask to be held for a time to count, or mean another button when
// it is held longer; two that are pressed together can mean a third; a button
// can be touched on the screen. A press can be taken back for a few seconds:
// see cancel.go. All of these end in the same count.
package kiosk

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kentongan/agent/report"
	"kentongan/hal"
)

// Defaults of Config.
const (
	DefaultCooldown   = 3 * time.Second
	DefaultDebounce   = 30 * time.Millisecond // most contacts bounce less than 10 ms, the worst measured 150
	DefaultStuckAfter = 30 * time.Second
)

// Store keeps records; both methods return when the record is durable.
type Store interface {
	AppendFunc(ctx context.Context, lane report.Lane, kind string, body func(seq uint64) any) (uint64, error)
	Append(ctx context.Context, lane report.Lane, kind string, body any) (uint64, error)
}

// Save puts a small file in place of an old one; it returns when the new content
// is on the disk, and until then a power cut leaves the old one.
type Save func(file string, content []byte) error

// Config says what the kiosk has. The zero value of a duration is its default.
type Config struct {
	Number   uint32             // the device part of tickets, up to report.MaxTicketPart
	Dir      string             // what the kiosk keeps: numbers given out, the PINs' key; "" is nothing, and no PINs
	Save     Save               // how it is kept; not nil with Dir
	Epoch    report.Epoch       // of the store
	Head     func() report.Head // of the complaint lane; nil when nobody asks for tickets
	Buttons  []Button
	Pairs    []Pair
	Lamps    Lamps
	OnKept   func(Kept)  // told of each press that was kept; must not block; may be nil
	SelfTest *SelfTest   // nil is none
	Quiet    *QuietHours // of the buzzer; nil is none

	CancelWithin time.Duration // a press can be taken back for so long
	Cooldown     time.Duration
	Debounce     time.Duration // in software, of lines whose driver does not debounce
	StuckAfter   time.Duration // a line that is active longer is a fault
}

// Button is one button and what a press of it means.
type Button struct {
	Name        string         // what records call it
	Line        hal.LineConfig // its Name may be empty; a Debounce is asked of the driver; one without Line has no line of its own
	Cancel      bool           // takes the newest press back, and makes no complaint
	Hold        time.Duration  // must be held for so long to count; 0 counts at once
	Long        string         // button that is meant when it is held for LongAfter; "" is none
	LongAfter   time.Duration
	ServiceCode string
	Category    string
	Label       report.Text
}

// Pair is two buttons that mean a third when they are pressed together.
type Pair struct {
	First, Second, Means string
	Within               time.Duration // between the two presses
}

// Lamps are the signals; nil is a lamp that is not there.
type Lamps struct {
	Saved    *Lamp
	Received *Lamp
	Fault    *Lamp
	Alive    *Lamp
	Buzzer   *Lamp
}

// Lamp is one signal.
type Lamp struct {
	hal.LineConfig                 // its Name may be empty
	Sense          *hal.LineConfig // an input that changes with the lamp's current; nil is none
}

// Kiosk watches buttons. Acked and Status may be called from any goroutine.
type Kiosk struct {
	cfg     Config
	board   hal.Board
	store   Store
	log     *slog.Logger
	buttons []*button
	panel   *panel
	events  *reporter
	numbers *numbers
	ledger  *ledger

	ending sync.WaitGroup // counts the buttons that still take edges

	mu     sync.Mutex // guards what follows
	last   Kept       // the newest press kept
	newest *button    // pressed last
	shown  shown
	heirs  []Button        // of the kiosk that takes this one's place; nil if none is known
	living context.Context // of what both are part of; nil if none is known
}

// New checks the configuration. It opens no line.
func New(cfg Config, board hal.Board, store Store, log *slog.Logger) (*Kiosk, error) {
	if cfg.Cooldown == 0 {
		cfg.Cooldown = DefaultCooldown
	}
	if cfg.Debounce == 0 {
		cfg.Debounce = DefaultDebounce
	}
	if cfg.StuckAfter == 0 {
		cfg.StuckAfter = DefaultStuckAfter
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("kiosk: %w", err)
	}
	log = log.With("part", "kiosk")
	k := &Kiosk{cfg: cfg, board: board, store: store, log: log}
	k.shown.changed = make(chan struct{})
	var next uint64
	if cfg.Head != nil {
		next = cfg.Head().Next
	}
	var err error
	if k.numbers, err = openNumbers(cfg.Dir, cfg.Save, cfg.Number, cfg.Epoch, next); err != nil {
		log.Error("tickets not remembered", "err", err) // no reason to take no presses
	}
	if k.ledger, err = openLedger(cfg.Dir, cfg.Save); err != nil {
		log.Error("states of complaints not remembered", "err", err)
	}
	k.events = newReporter(store, log)
	k.events.numbers, k.events.ledger = k.numbers, k.ledger
	k.panel = newPanel(cfg, board, k.events, log)
	k.panel.changed = k.changed
	for _, b := range cfg.Buttons {
		b.Line = named(b)
		k.buttons = append(k.buttons, newButton(k, b))
	}
	k.join()
	return k, nil
}

// join makes the buttons know each other.
func (k *Kiosk) join() {
	for _, b := range k.buttons {
		b.long = k.find(b.cfg.Long)
	}
	for _, p := range k.cfg.Pairs {
		first, second := k.find(p.First), k.find(p.Second)
		c := newChord(first, second, k.find(p.Means), p.Within)
		first.pair, second.pair = c, c
	}
}

func (c Config) check() error {
	if c.Number > report.MaxTicketPart {
		return fmt.Errorf("number %d: a ticket has room for 0 to %d", c.Number, report.MaxTicketPart)
	}
	if c.Dir != "" && c.Save == nil {
		return fmt.Errorf("directory %s: no way to save a file in it", c.Dir)
	}
	if len(c.Buttons) == 0 {
		return fmt.Errorf("no button")
	}
	for name, d := range map[string]time.Duration{"cooldown": c.Cooldown, "debounce": c.Debounce, "stuck after": c.StuckAfter, "cancel within": c.CancelWithin} {
		if d < 0 {
			return fmt.Errorf("%s %v: must not be negative", name, d)
		}
	}
	seen := map[string]bool{}
	for i, b := range c.Buttons {
		if !report.ValidName(b.Name) {
			return fmt.Errorf("buttons[%d]: name %q: use 1 to 40 of a-z, 0-9, hyphen and underscore", i, b.Name)
		}
		if seen[b.Name] {
			return fmt.Errorf("buttons[%d]: name %q is taken by an earlier button", i, b.Name)
		}
		seen[b.Name] = true
	}
	return c.checkMeanings()
}

// checkMeanings looks at the buttons that others mean.
func (c Config) checkMeanings() error {
	complains := map[string]bool{}
	for _, b := range c.Buttons {
		complains[b.Name] = !b.Cancel
	}
	for i, b := range c.Buttons {
		if b.Hold < 0 || b.LongAfter < 0 || b.Long == "" && b.LongAfter > 0 || b.Long != "" && b.LongAfter <= b.Hold {
			return fmt.Errorf("buttons[%d]: hold %v and long press %q after %v don't go together", i, b.Hold, b.Long, b.LongAfter)
		}
		if b.Long != "" && (!complains[b.Long] || b.Long == b.Name) {
			return fmt.Errorf("buttons[%d]: the long press means %q, which is no other button", i, b.Long)
		}
	}
	paired := map[string]bool{}
	for i, p := range c.Pairs {
		if !complains[p.First] || !complains[p.Second] || !complains[p.Means] || p.First == p.Second || p.Means == p.First || p.Means == p.Second {
			return fmt.Errorf("pairs[%d]: %q and %q mean %q: three different buttons are needed", i, p.First, p.Second, p.Means)
		}
		if p.Within <= 0 {
			return fmt.Errorf("pairs[%d]: within %v: must be positive", i, p.Within)
		}
		if paired[p.First] || paired[p.Second] {
			return fmt.Errorf("pairs[%d]: a button can be in one pair", i)
		}
		paired[p.First], paired[p.Second] = true, true
	}
	return nil
}

// Run watches the buttons until ctx ends. Lines that can't be opened are tried
// again. It returns nil once the presses that were only counted are on the
// disk, or the store would not take them in time.
func (k *Kiosk) Run(ctx context.Context) error {
	// The panel and the events outlive the buttons, to tell of their last presses.
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var tail sync.WaitGroup
	tail.Go(func() { k.panel.run(after) })
	tail.Go(func() { k.events.run(after) })

	k.ending.Add(len(k.buttons))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		k.selfTests(ctx)
		return nil
	})
	for _, b := range k.buttons {
		g.Go(func() error {
			b.run(ctx)
			return nil
		})
	}
	err := g.Wait()
	end()
	tail.Wait()
	return err
}

// Status is what a kiosk does at the moment.
type Status struct {
	Buttons    []ButtonStatus
	Lamps      map[string]string // lamp: ok, missing, busy, refused
	Fault      bool              // the fault lamp is on, or would be
	LastTicket string            // of the newest press kept since the start; "" if none
	LastSeq    uint64
}

// ButtonStatus is what one button does; counts are since the start.
type ButtonStatus struct {
	Name      string
	State     string // as report.LineState; "" before its line was tried
	Detail    string
	Wired     bool   // it has a line of its own
	Active    bool   // the line's level: pressed
	Changes   uint64 // of the level, before debouncing by us
	Presses   uint64 // after debouncing
	Kept      uint64 // of these, in durable records
	Cancelled uint64 // records that were taken back
	Brushes   uint64 // touches that were too short to count
	Refused   uint64 // appends that failed
	Bounces   uint64 // edges that debouncing took away
	Lost      uint64 // edges that the driver lost
}

// Status returns the state of all buttons and lamps.
func (k *Kiosk) Status() Status {
	s := Status{}
	for _, b := range k.buttons {
		s.Buttons = append(s.Buttons, b.status())
	}
	s.Fault, s.Lamps = k.panel.status()
	k.mu.Lock()
	defer k.mu.Unlock()
	s.LastTicket, s.LastSeq = k.last.Ticket, k.last.Seq
	return s
}

// Troubles says in one line what is wrong; "" while nothing is.
func (k *Kiosk) Troubles() string {
	var all []string
	s := k.Status()
	for _, b := range s.Buttons {
		if b.State != stateOK && b.State != "" {
			all = append(all, strings.TrimSpace("button "+b.Name+" "+b.State+": "+b.Detail))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Lamps)) {
		if state := s.Lamps[name]; state != stateOK {
			all = append(all, "lamp "+name+" "+state)
		}
	}
	return strings.Join(all, "; ")
}
