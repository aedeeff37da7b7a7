package kiosk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kentongan/agent/report"
)

// States of a complaint that the kiosk knows by itself; the others are the
// centre's word.
const (
	StateSaved     = "saved"                // on this kiosk's disk, the centre does not have it yet
	StateReceived  = report.TicketReceived  // the centre has it
	StateWithdrawn = report.TicketWithdrawn // taken back
	StateUnknown   = "unknown"              // given out before the store was made anew: its number there says nothing here
)

// ErrTicket is a ticket that this kiosk did not give out, or a PIN that is not
// its own. Which of the two it was is not told: tickets can be guessed.
var ErrTicket = errors.New("the ticket and the PIN don't belong together")

// Ask tells how a complaint stands, to who has its PIN. Guesses are for the
// caller to limit.
func (k *Kiosk) Ask(t report.Ticket, pin string) (report.TicketStatus, error) {
	if !k.numbers.pinFits(t, pin) || t.Device != k.cfg.Number || k.cfg.Head == nil {
		return report.TicketStatus{}, ErrTicket
	}
	if s, ok := k.ledger.find(t.String()); ok {
		return s, nil
	}
	head := k.cfg.Head()
	seq, ok := k.numbers.seqOf(t, head.Next)
	if !ok && k.numbers.base == 0 {
		return report.TicketStatus{}, ErrTicket // it can't have been given out
	}
	s := report.TicketStatus{Ticket: t.String(), State: StateReceived}
	switch {
	case !ok:
		s.State = StateUnknown
	case seq >= head.First:
		s.State = StateSaved
	}
	return s, nil
}

// SetTicket keeps what the centre says of a complaint. It returns when that is
// on the disk. What is older than what is known is passed over.
func (k *Kiosk) SetTicket(s report.TicketStatus) error {
	t, err := report.ParseTicket(s.Ticket)
	if err != nil {
		return err
	}
	if t.Device != k.cfg.Number {
		return fmt.Errorf("ticket %s is of kiosk %d, this is %d", t, t.Device, k.cfg.Number)
	}
	if !slices.Contains(report.TicketStates(), s.State) {
		return fmt.Errorf("ticket %s: state %q: there is %v", t, s.State, report.TicketStates())
	}
	s.Ticket = t.String()
	if known, ok := k.ledger.find(s.Ticket); ok && known.At.After(s.At) {
		return nil
	}
	return k.ledger.set(s)
}

// maxLedger is how many complaints the kiosk keeps the centre's word of; the
// oldest go first. Each takes some 200 bytes.
const (
	maxLedger  = 2000
	ledgerFile = "states.json"
)

// ledger is what the centre said of complaints. It is a copy: losing it costs
// the citizen an older answer.
type ledger struct {
	dir  string // "" keeps nothing
	save Save

	mu     sync.Mutex            // guards states
	states []report.TicketStatus // the newest word last
}

func openLedger(dir string, save Save) (*ledger, error) {
	l := &ledger{dir: dir, save: save}
	if dir == "" {
		return l, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, ledgerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l.states)
	}
	if err != nil {
		l.states = nil
		return l, fmt.Errorf("read the states of complaints: %w", err)
	}
	return l, nil
}

func (l *ledger) find(ticket string) (report.TicketStatus, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.states {
		if s.Ticket == ticket {
			return s, true
		}
	}
	return report.TicketStatus{}, false
}

func (l *ledger) set(s report.TicketStatus) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(l.states), func(o report.TicketStatus) bool { return o.Ticket == s.Ticket })
	next = append(next, s)
	next = next[max(0, len(next)-maxLedger):]
	if l.dir != "" {
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		if err := l.save(filepath.Join(l.dir, ledgerFile), text); err != nil {
			return fmt.Errorf("keep the state of complaint %s: %w", s.Ticket, err)
		}
	}
	l.states = next
	return nil
}
