// Package printer prints a kiosk's slips on an ESC/POS printer, on USB
// (/dev/usb/lp0) or a serial line.
//
//	Print ──► queue ──► Run: ask, write ──► paper
//	                      └──► OnState
//
// A press never waits for it: Print returns at once, Run's goroutine alone has
// the device, and each thing that it does there has a limit. What can't be
// printed while its citizen stands there is not printed at all, or the next
// one would take another's ticket: a slip is given up after 15 s.
//
// The state comes from DLE EOT 1 to 4, asked every ten seconds and before each
// slip. A printer that does not answer is printed on all the same.
package printer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

const (
	pollEvery  = 10 * time.Second
	slipExpiry = 15 * time.Second // the citizen has gone
	maxSlips   = 4                // that wait

	// A driver that does not come back for so long hangs. That is long, for no
	// press needs the printer: a reset that might mend it must be rare.
	hangsAfter = 10 * time.Minute
)

// Config says which printer and what slips look like.
type Config struct {
	Device  string
	Baud    int    // of a serial line; 0 leaves it as it is
	Width   int    // characters of a line: 32 on paper of 58 mm, 48 on 80 mm
	Title   string // first line; "" is none
	URL     string // of the QR code, with {ticket} and {pin}; "" is both as text
	Log     *slog.Logger
	OnState func(report.PrinterState) // told of each change; must not block; may be nil
}

// Printer is one printer. Print and Status may be called from any goroutine.
type Printer struct {
	cfg    Config
	layout layout
	log    *slog.Logger
	slips  chan waiting
	poll   time.Duration
	pulse  pulse.Pulse

	dev *device // of Run

	mu      sync.Mutex // guards what follows
	state   report.PrinterState
	dropped uint64 // slips, since the state changed
}

type waiting struct {
	slip  Slip
	since time.Time
}

// New makes a printer. It opens nothing.
func New(cfg Config) *Printer {
	return &Printer{
		cfg: cfg, layout: layout{width: cfg.Width, title: cfg.Title, url: cfg.URL},
		log: cfg.Log.With("part", "printer"), slips: make(chan waiting, maxSlips), poll: pollEvery, pulse: pulse.New(),
	}
}

// Print prints a slip as soon as can be, and returns at once. A slip that finds
// no room is given up.
func (p *Printer) Print(s Slip) {
	select {
	case p.slips <- waiting{s, time.Now()}:
	default:
		p.givenUp()
	}
}

func (p *Printer) givenUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped++
}

// Status is the printer's state; its State is "" before it was looked at.
func (p *Printer) Status() report.PrinterState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Pulses ask the loop of Run. A printer that is slow or gone does not keep it from
// answering.
func (p *Printer) Pulses() []pulse.Named { return []pulse.Named{{Name: "printer", Pulse: p.pulse}} }

// Run looks after the printer until ctx ends.
func (p *Printer) Run(ctx context.Context) error {
	tick := time.NewTicker(p.poll)
	defer tick.Stop()
	defer p.close()
	p.pulse.While(hangsAfter, p.look)
	for {
		select {
		case beat := <-p.pulse:
			beat()
		case w := <-p.slips:
			p.pulse.While(hangsAfter, func() { p.print(w) })
		case <-tick.C:
			p.pulse.While(hangsAfter, p.look)
		case <-ctx.Done():
			return nil
		}
	}
}

// Try prints one slip now, for a Printer that Run was not called of, and gives
// the device back. The state is of after it; an error says why nothing came out.
func (p *Printer) Try(s Slip) (report.PrinterState, error) {
	defer p.close()
	p.look()
	st := p.Status()
	if p.dev == nil || !Prints(st.State) {
		return st, fmt.Errorf("printer %s: %s %s", p.cfg.Device, st.State, st.Detail)
	}
	if err := p.dev.write(p.layout.encode(s), writeLimit); err != nil {
		return failure(err), fmt.Errorf("printer %s: %w", p.cfg.Device, err)
	}
	p.look()
	return p.Status(), nil
}

// look asks the printer how it does.
func (p *Printer) look() {
	if p.dev == nil {
		var err error
		if p.dev, err = openDevice(p.cfg.Device, p.cfg.Baud); err != nil {
			p.now(failure(err))
			return
		}
	}
	a, err := p.dev.ask()
	if err != nil {
		p.close()
		p.now(failure(err))
		return
	}
	s := a.state()
	if s.State == Silent && p.Status().State == Hung {
		return // until it prints or answers
	}
	p.now(s)
}

// print prints a slip, or gives it up.
func (p *Printer) print(w waiting) {
	p.look()
	state := p.Status().State
	switch {
	case time.Since(w.since) > slipExpiry, p.dev == nil, !Prints(state) && state != Hung:
		p.drop(w)
		return
	}
	if err := p.dev.write(p.layout.encode(w.slip), writeLimit); err != nil {
		p.close() // what it has half of is forgotten with the device's buffer, or cut off by the next slip's ESC @
		p.drop(w)
		p.now(failure(err))
		return
	}
	if state == Hung {
		p.now(report.PrinterState{State: Silent, Detail: "prints again"})
	}
}

func (p *Printer) drop(w waiting) {
	p.givenUp()
	p.log.Warn("slip not printed", "ticket", w.slip.Ticket, "state", p.Status().State)
}

func (p *Printer) close() {
	if p.dev != nil {
		p.dev.close()
		p.dev = nil
	}
}

// failure is the state that an error of the device means.
func failure(err error) report.PrinterState {
	state := Missing
	if errors.Is(err, os.ErrDeadlineExceeded) {
		state = Hung
	}
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, fs.ErrPermission) {
		state = Error
	}
	return report.PrinterState{State: state, Detail: err.Error()}
}

// now tells of the state when it is another one than before; that it is well from
// the start is no news.
func (p *Printer) now(s report.PrinterState) {
	p.mu.Lock()
	before := p.state.State
	p.state = s
	if s.State != before {
		s.Dropped, p.dropped = p.dropped, 0
	}
	p.mu.Unlock()
	if s.State == before {
		return
	}
	p.log.Log(context.Background(), level(s.State), "printer changed", "state", s.State, "detail", s.Detail, "dropped", s.Dropped)
	if p.cfg.OnState != nil && (before != "" || !Prints(s.State)) {
		p.cfg.OnState(s)
	}
}

func level(state string) slog.Level {
	if Prints(state) {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
