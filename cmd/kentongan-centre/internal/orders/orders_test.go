package orders_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

func open(t *testing.T, change func(*orders.Config)) (*orders.Desk, *store.Store, note.Verifiers) {
	t.Helper()
	st := storetest.Open(t)
	skey, vkey, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c := orders.Config{Store: st, Signer: signer, Wake: func() {}, Changed: func() {}, Keep: time.Hour, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	return orders.New(c), st, note.VerifierList(v)
}

func TestWhoAndWhyAreRequired(t *testing.T) {
	d, st, _ := open(t, nil)
	ctx := context.Background()
	for _, tt := range []struct {
		who, reason string
		want        error
	}{
		{"", "x", orders.ErrWho}, {" \n\t", "x", orders.ErrWho}, {"\xff", "x", orders.ErrWho}, {"Sari", "", orders.ErrReason}, {"Sari", "  ", orders.ErrReason},
	} {
		if _, err := d.Snapshot(ctx, "cam-1", "gate", tt.who, tt.reason); !errors.Is(err, tt.want) {
			t.Errorf("picture for %q because of %q: %v, want %v", tt.who, tt.reason, err, tt.want)
		}
	}
	if _, err := d.AckAlarm(ctx, "cam-1", "a", "", "", false); !errors.Is(err, orders.ErrWho) {
		t.Errorf("alarm taken by nobody: %v", err)
	}
	if list, err := st.Orders(ctx, store.OrderFilter{Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("orders %+v, %v", list, err)
	}
}

// Whatever people write becomes an order that its device can open.
func FuzzTexts(f *testing.F) {
	f.Add("Sari Wulandari", "laporan warga")
	f.Add("a\x00b\n— x", strings.Repeat("é", 300)+"\xff")
	skey, vkey, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		f.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	v, _ := note.NewVerifier(vkey)
	st, err := store.Open(f.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = st.Close() })
	var mu sync.Mutex
	f.Fuzz(func(t *testing.T, who, reason string) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if _, err := st.Upkeep(t.Context(), now.Add(48*time.Hour), time.Hour); err != nil { // those of before are over
			t.Fatal(err)
		}
		d := orders.New(orders.Config{Store: st, Signer: signer, Wake: func() {}, Changed: func() {}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
		o, err := d.Snapshot(t.Context(), "cam-1", "gate", who, reason)
		if errors.Is(err, orders.ErrWho) || errors.Is(err, orders.ErrReason) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(o.Who) || len(o.Who) > orders.MaxWho || len(o.Reason) > orders.MaxReason || strings.ContainsAny(o.Who+o.Reason, "\n\r") {
			t.Errorf("order %+v", o)
		}
		if _, err := report.OpenOrder(o.Note, "cam-1", report.OrderSnapshot, note.VerifierList(v)); err != nil || len(o.Note) > report.MaxOrderBytes {
			t.Errorf("%q, %q: %v in %q", who, reason, err, o.Note)
		}
	})
}

// Many at once get counters of their own, also when the clock goes back.
func TestCountersOnlyGrow(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	d, st, v := open(t, func(c *orders.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(-time.Hour)
			return now
		}
	})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := d.AckAlarm(context.Background(), "cam-1", "a", "Sari", "", true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := st.Orders(context.Background(), store.OrderFilter{Limit: 100})
	if err != nil || len(list) != 40 {
		t.Fatalf("%d orders, %v", len(list), err)
	}
	seen := map[uint64]bool{}
	for _, o := range list {
		opened, err := report.OpenOrder(o.Note, "cam-1", report.OrderAckAlarm, v)
		if err != nil || opened.Counter != o.Counter || seen[o.Counter] {
			t.Errorf("order %+v: %v", o, err)
		}
		seen[o.Counter] = true
	}
}

// A kiosk that was away for longer than an order lives hears of a complaint once
// it is back, by a new order with the same word; and only until it answers.
func TestTicketStatusOutlivesItsOrder(t *testing.T) {
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	later := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	d, st, keys := open(t, func(c *orders.Config) { c.Now = clock })
	ctx := t.Context()
	ticket := report.NewTicket(7, 2).String()
	state := func(s string) {
		t.Helper()
		if _, err := st.Commit(ctx, []store.Arrival{{Device: "kiosk-7", At: clock(), State: &report.DeviceState{V: 1, State: s, Session: "b." + s, Since: clock()}}}); err != nil {
			t.Fatal(err)
		}
	}
	pass := func() {
		t.Helper()
		if _, err := d.Upkeep(ctx); err != nil {
			t.Fatal(err)
		}
	}
	states := func() string {
		t.Helper()
		list, err := st.Orders(ctx, store.OrderFilter{Subject: ticket, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, o := range list {
			all = append(all, o.State)
		}
		return strings.Join(all, " ")
	}
	state(report.Offline)
	presses(t, st, 2)
	if _, err := d.TicketStatus(ctx, "kiosk-7", ticket, report.TicketAssigned, "Sari", "Dinas PUPR"); err != nil {
		t.Fatal(err)
	}
	said := clock()
	later(48 * time.Hour)
	pass()
	if got := states(); got != "unanswered" {
		t.Fatalf("while the kiosk is away the orders are %q", got)
	}
	state(report.Online)
	pass()
	pass()
	if got := states(); got != "open unanswered" {
		t.Fatalf("when it is back the orders are %q, want one new one", got)
	}
	list, err := st.Orders(ctx, store.OrderFilter{Subject: ticket, Open: true, Limit: 10})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	o, err := report.OpenOrder(list[0].Note, "kiosk-7", report.OrderTicket, keys)
	var args report.TicketStatus
	if err == nil {
		err = json.Unmarshal(o.Arguments, &args)
	}
	if err != nil || args.State != report.TicketAssigned || !args.At.Equal(said) || args.Note.ID != "Dinas PUPR" || list[0].Who != "Sari" {
		t.Errorf("the new order says %+v by %s, %v", args, list[0].Who, err)
	}
	later(91 * 24 * time.Hour)
	pass()
	pass()
	if got := states(); got != "unanswered unanswered" {
		t.Errorf("after three months the orders are %q", got)
	}
}

// More complaints of a kiosk that is away than orders can wait for it: what was
// said of each is kept here, and told later.
func TestTicketStatusBeyondTheOrdersThatCanWait(t *testing.T) {
	d, st, _ := open(t, nil)
	ctx := t.Context()
	online := report.DeviceState{V: 1, State: report.Online, Session: "b.1", Since: time.Now()}
	if _, err := st.Commit(ctx, []store.Arrival{{Device: "kiosk-7", At: time.Now(), State: &online}}); err != nil {
		t.Fatal(err)
	}
	presses(t, st, 103)
	for n := range uint64(103) {
		if _, err := d.TicketStatus(ctx, "kiosk-7", report.NewTicket(7, n+1).String(), report.TicketDone, "Sari", ""); err != nil {
			t.Fatalf("complaint %d: %v", n+1, err)
		}
	}
	untold, err := st.UntoldTickets(ctx, time.Now().Add(-time.Hour), 10)
	if err != nil || len(untold) != 3 {
		t.Errorf("untold are %+v, %v; want the last three", untold, err)
	}
}

// presses makes the first complaints of kiosk-7.
func presses(t *testing.T, st *store.Store, n int) {
	t.Helper()
	k := devicetest.New(t, "kiosk-7", 0xe7, "")
	var all []report.Received
	for range n {
		all = append(all, k.Press())
	}
	if _, err := st.Commit(t.Context(), []store.Arrival{{Device: k.ID, At: time.Now(), Batch: k.Batch(report.Complaint, all...)}}); err != nil {
		t.Fatal(err)
	}
}

// Where somebody opens a complaint again, there is no moment in which its order is
// here and the word is the old one: it would be erased for that one's age.
func TestOpenedAgainStaysFromItsOrderOn(t *testing.T) {
	now := time.Now().Add(time.Hour)
	meanwhile := func() {}
	d, st, _ := open(t, func(c *orders.Config) {
		c.Now = func() time.Time { return now }
		c.Wake = func() { meanwhile() }
	})
	ctx := t.Context()
	presses(t, st, 2)
	ticket := report.NewTicket(7, 2).String()
	say := func(state string) {
		t.Helper()
		if _, err := d.TicketStatus(ctx, "kiosk-7", ticket, state, "Sari", ""); err != nil {
			t.Fatal(err)
		}
	}
	say(report.TicketDone)
	now = now.Add(24 * time.Hour)
	var erased int64
	meanwhile = func() {
		var err error
		erased, _, err = st.EraseOld(ctx, store.Age{Before: now.Add(-time.Hour), Note: func(context.Context, store.Tx, int64) error { return nil }})
		if err != nil {
			t.Error(err)
		}
	}
	say(report.TicketAssigned)
	list, err := st.Complaints(ctx, store.ComplaintFilter{Ticket: ticket})
	if erased != 0 || err != nil || len(list) != 1 || list[0].Status == nil || list[0].Status.State != report.TicketAssigned {
		t.Errorf("erased %d, %+v (%v); want it assigned", erased, list, err)
	}
}

// Of a complaint that was erased while somebody wrote about it, nothing is said: no
// order, and no state.
func TestNothingIsSaidOfAnErasedComplaint(t *testing.T) {
	d, st, _ := open(t, nil)
	ctx := t.Context()
	presses(t, st, 2)
	ticket := report.NewTicket(7, 2).String()
	list, err := st.Complaints(ctx, store.ComplaintFilter{Ticket: ticket})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	device, of, err := st.ComplaintOf(ctx, list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.EraseComplaint(ctx, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.TicketStatus(ctx, device, of, report.TicketDone, "Sari", "rahasia"); !errors.Is(err, store.ErrNoComplaint) {
		t.Errorf("%v, want that there is none", err)
	}
	if list, err := st.Orders(ctx, store.OrderFilter{Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("orders %+v, %v; want none", list, err)
	}
}
