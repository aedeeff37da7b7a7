package kiosk

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
)

// asking is a kiosk that keeps what citizens may ask for.
func asking(t *testing.T, head *report.Head) *Kiosk {
	t.Helper()
	cfg := config()
	cfg.Dir, cfg.Save, cfg.Epoch = t.TempDir(), save, 1
	cfg.Head = func() report.Head { return *head }
	return newKiosk(t, cfg)
}

func newKiosk(t *testing.T, cfg Config) *Kiosk {
	t.Helper()
	k, err := New(cfg, nil, &memory{}, discard)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAsk(t *testing.T) {
	head := report.Head{First: 5, Next: 10} // 5 to 9 wait
	k := asking(t, &head)
	ticket := func(seq uint64) report.Ticket { return k.numbers.ticket(seq) }
	pin := func(seq uint64) string { return k.numbers.pinOf(ticket(seq)) }
	if err := k.SetTicket(report.TicketStatus{Ticket: ticket(3).String(), State: report.TicketDone, At: time.Unix(1, 0), Note: report.Text{ID: "Selesai"}}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ticket report.Ticket
		pin    string
		want   string // "" is an error
	}{
		"waits":            {ticket(9), pin(9), StateSaved},
		"the first":        {ticket(5), pin(5), StateSaved},
		"received":         {ticket(4), pin(4), StateReceived},
		"the centre's":     {ticket(3), pin(3), report.TicketDone},
		"another's PIN":    {ticket(3), pin(4), ""},
		"no PIN":           {ticket(3), "", ""},
		"not given out":    {ticket(10), pin(10), ""},
		"of another kiosk": {report.NewTicket(8, 3), pin(3), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := k.Ask(tt.ticket, tt.pin)
			if (tt.want == "") != errors.Is(err, ErrTicket) || got.State != tt.want {
				t.Errorf("%+v, %v; want %q", got, err, tt.want)
			}
		})
	}
	again := newKiosk(t, k.cfg)
	if got, err := again.Ask(ticket(3), pin(3)); err != nil || got.State != report.TicketDone || got.Note.ID != "Selesai" {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
}

// A ticket of before the store was made anew is still one of ours; but whether
// the centre has it, nobody here knows.
func TestAskAfterTheStoreWasMadeAnew(t *testing.T) {
	head := report.Head{First: 1, Next: 10}
	k := asking(t, &head)
	before := k.numbers.ticket(9)
	cfg := k.cfg
	cfg.Epoch, head = 2, report.Head{First: 1, Next: 1}
	again := newKiosk(t, cfg)
	got, err := again.Ask(before, again.numbers.pinOf(before))
	if err != nil || got.State != StateUnknown {
		t.Errorf("%+v, %v; want unknown", got, err)
	}
	head.Next = 2
	if now := again.numbers.ticket(1); now == before {
		t.Errorf("ticket %v is given out again", now)
	} else if got, err := again.Ask(now, again.numbers.pinOf(now)); err != nil || got.State != StateSaved {
		t.Errorf("%+v, %v; want saved", got, err)
	}
}

func TestSetTicketRefuses(t *testing.T) {
	k := asking(t, &report.Head{First: 1, Next: 2})
	for name, s := range map[string]report.TicketStatus{
		"no ticket":     {Ticket: "0007-0001-0", State: report.TicketDone},
		"another kiosk": {Ticket: report.NewTicket(8, 1).String(), State: report.TicketDone},
		"unknown state": {Ticket: report.NewTicket(7, 1).String(), State: "lost"},
		"not its word":  {Ticket: report.NewTicket(7, 1).String(), State: StateSaved},
	} {
		if err := k.SetTicket(s); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := &ledger{}
	for n := range uint64(maxLedger + 10) {
		if err := l.set(report.TicketStatus{Ticket: report.NewTicket(7, n).String(), State: report.TicketDone}); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.states) != maxLedger {
		t.Errorf("%d states, want %d", len(l.states), maxLedger)
	}
	if _, ok := l.find(report.NewTicket(7, maxLedger+9).String()); !ok {
		t.Error("the newest is not there")
	}
}

func TestLedgerSurvivesABadFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ledgerFile), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLedger(dir, save)
	if err == nil {
		t.Error("a bad file is no error")
	}
	if err := l.set(report.TicketStatus{Ticket: "a"}); err != nil {
		t.Error(err)
	}
}

// Who asks for a complaint that was taken back is told so.
func TestAskForOneTakenBack(t *testing.T) {
	cfg := cancellable()
	cfg.Dir, cfg.Save = t.TempDir(), save
	var next atomic.Uint64
	next.Store(1)
	cfg.Head = func() report.Head { return report.Head{First: 1, Next: next.Load()} }
	in(t, cfg, func(b *booth) {
		b.press("GPIO17")
		b.press("GPIO19")
		next.Store(3)
		ticket := b.kiosk.numbers.ticket(1)
		if got, err := b.kiosk.Ask(ticket, b.kiosk.numbers.pinOf(ticket)); err != nil || got.State != StateWithdrawn {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
