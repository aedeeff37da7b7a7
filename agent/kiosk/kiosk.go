// Package kiosk makes a press of a button into a complaint with a ticket, and
// confirms it to the citizen honestly.
//
//	edge ──► debounce ──► count ──► Store.AppendFunc ──► log ──► lamp Saved ──► (Acked) ──► lamp Received
//
// # What the lamps say
//
// Saved lights only after the store has returned: the press is on the disk.
// Received lights when the centre has everything that was kept here, so it
// never stands for a press that the centre has not seen. Fault is on while a
// button can't be trusted: its line is missing, busy or stuck, or the store
// does not take the press; and before and after Run. After Run the lines of
// the lamps stay as they are until the board is closed.
//
// # Presses that come quickly
//
// The first press of a button is appended at once. Presses of that button in
// the cool-down after it are counted, and when the cool-down is over, one more
// record, with a ticket of its own, says how many there were, and a new
// cool-down begins. So each press is in exactly one record, and a button makes
// at most one record in a cool-down, however fast it is pressed. A press that
// is only counted does not light the lamp: its record does.
//
// A record that the store refuses is not forgotten: its presses stay counted
// and the append is tried again every few seconds, until it succeeds.
package kiosk

import (
	"context"
	"fmt"
	"log/slog"
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

// Config says what the kiosk has. The zero value of a duration is its default.
type Config struct {
	Number     uint32 // the device part of tickets, up to report.MaxTicketPart
	Buttons    []Button
	Lamps      Lamps
	Cooldown   time.Duration
	Debounce   time.Duration // in software, of lines whose driver does not debounce
	StuckAfter time.Duration // a line that is active longer is a fault
}

// Button is one button and what a press of it means.
type Button struct {
	Name        string         // what records call it
	Line        hal.LineConfig // its Name may be empty; a Debounce is asked of the driver
	ServiceCode string
	Category    string
	Label       report.Text
}

// Lamps are the signals; nil is a lamp that is not there.
type Lamps struct {
	Saved    *hal.LineConfig
	Received *hal.LineConfig
	Fault    *hal.LineConfig
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

	mu      sync.Mutex // guards what follows
	last    string     // ticket of the newest kept press
	lastSeq uint64
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
	k.events = newReporter(store, log)
	k.panel = newPanel(cfg, board, k.events, log)
	for _, b := range cfg.Buttons {
		if b.Line.Name == "" {
			b.Line.Name = b.Name
		}
		k.buttons = append(k.buttons, newButton(k, b))
	}
	return k, nil
}

func (c Config) check() error {
	if c.Number > report.MaxTicketPart {
		return fmt.Errorf("number %d: a ticket has room for 0 to %d", c.Number, report.MaxTicketPart)
	}
	if len(c.Buttons) == 0 {
		return fmt.Errorf("no button")
	}
	for name, d := range map[string]time.Duration{"cooldown": c.Cooldown, "debounce": c.Debounce, "stuck after": c.StuckAfter} {
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

	g, ctx := errgroup.WithContext(ctx)
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

// Acked tells that the centre has all complaints up to seq. It does not block.
func (k *Kiosk) Acked(seq uint64) { k.panel.acked(seq) }

// kept notes and confirms a press that is durable. The log line comes first:
// who sees the lamp finds the ticket there.
func (k *Kiosk) kept(p report.Press, seq uint64, took time.Duration) {
	k.mu.Lock()
	if seq > k.lastSeq {
		k.last, k.lastSeq = p.Ticket, seq
	}
	k.mu.Unlock()
	k.log.Info("press kept", "line", p.Line, "ticket", p.Ticket, "seq", seq, "presses", p.Presses, "took", took)
	k.panel.kept(seq)
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
	Name    string
	State   string // as report.LineState; "" before its line was tried
	Detail  string
	Presses uint64 // after debouncing
	Kept    uint64 // of these, in durable records
	Refused uint64 // appends that failed
	Bounces uint64 // edges that debouncing took away
	Lost    uint64 // edges that the driver lost
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
	s.LastTicket, s.LastSeq = k.last, k.lastSeq
	return s
}
