package simulate

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/broker"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// centre is a broker and an ingest, as the program has them.
func centre(t *testing.T, st *store.Store) (*url.URL, note.Verifiers) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Start(brokertest.FreeAddress(t), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	signer, keys := newKey(t)
	in, err := ingest.New(ingest.Config{Broker: b.URL(), Name: "centre", Signer: signer}, st, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	// What is published before the centre's first subscription reaches nobody.
	for deadline := time.Now().Add(3 * time.Minute); !in.Status().Connected; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the centre does not connect")
		}
	}
	return b.URL(), keys
}

func newKey(t *testing.T) (note.Signer, note.Verifiers) {
	t.Helper()
	secret, public, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, err1 := note.NewSigner(secret)
	v, err2 := note.NewVerifier(public)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return signer, note.VerifierList(v)
}

// A fleet of fifty, on both databases: the centre signs for all that needs it,
// holds every record, and misses none.
func TestFleet(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	tests := map[string]func() (*store.Store, error){
		"SQLite":     func() (*store.Store, error) { return store.Open(t.TempDir(), log) },
		"PostgreSQL": func() (*store.Store, error) { return store.OpenPostgres(pgtest.URL(t), "", log) },
	}
	for name, open := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			u, keys := centre(t, st)
			var progress strings.Builder
			r, err := Run(t.Context(), Config{
				Broker: u, Keys: keys, Devices: 50, Streams: 4, Connections: 3, Rate: 4000, For: 2 * time.Second, Settle: 3 * time.Minute,
				Progress: &progress, ProgressEvery: time.Second,
			})
			if err != nil || r.Unsigned != 0 || r.Signed < 50 { // each device's birth; how many more is the machine's affair
				t.Fatalf("%+v (%v), want everything signed for", r, err)
			}
			if !strings.Contains(progress.String(), "signed for") {
				t.Errorf("no progress was told: %q", progress.String())
			}
			want := uint64(r.Records - r.Again)
			var o store.Overview
			for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
				if o, err = st.Overview(t.Context(), time.Time{}); err != nil {
					t.Fatal(err)
				}
				if o.Records == want && o.Offline == 50 || time.Now().After(deadline) {
					break
				}
			}
			if o.Records != want || o.Missing != 0 || o.Conflicts != 0 || o.Devices != 50 || o.Offline != 50 || o.Streams != 200 {
				t.Errorf("the centre has %+v, want %d records of 50 devices with 200 streams, and none missing", o, want)
			}
		})
	}
}

// A receipt that another key signed ends the run: it proves nothing.
func TestReceiptOfAStranger(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	u, _ := centre(t, st)
	_, other := newKey(t)
	_, err := Run(t.Context(), Config{Broker: u, Keys: other, Devices: 2, Streams: 1, Connections: 1, For: time.Minute, Settle: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "is the centre's key the right one?") {
		t.Errorf("run: %v, want that the receipt is not the centre's", err)
	}
}
