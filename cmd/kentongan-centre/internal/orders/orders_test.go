package orders_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func open(t *testing.T, change func(*orders.Config)) (*orders.Desk, *store.Store, note.Verifiers) {
	t.Helper()
	st, err := store.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
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
