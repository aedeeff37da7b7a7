package kiosk

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// hungStore answers when its caller has lost patience, as a disk that is gone.
type hungStore struct{ Store }

func (hungStore) Append(ctx context.Context, _ report.Lane, _ string, _ any) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// What was taken back in the last moment is remembered, for whoever asks after the restart.
func TestReporterRemembersWhatWasTakenBackAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	r := newReporter(hungStore{}, slog.New(slog.DiscardHandler))
	var err error
	if r.ledger, err = openLedger(dir, save); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range uint64(maxWaiters) {
		r.withdrawn(report.NewTicket(7, n).String())
	}
	r.run(ctx)
	again, err := openLedger(dir, save)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(maxWaiters) {
		if s, ok := again.find(report.NewTicket(7, n).String()); !ok || s.State != StateWithdrawn {
			t.Fatalf("ticket %d: %+v, %v", n, s, ok)
		}
	}
}

// A store that hangs does not hold up the end for each event that waits.
func TestReporterEndsBesideAHungStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(hungStore{}, slog.New(slog.DiscardHandler))
		for range maxEvents {
			r.say(report.LineState{Line: "road", State: stateStuck})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.run(ctx)
		}()
		synctest.Wait()
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took > 2*eventTimeout {
			t.Errorf("the end took %v, want at most %v", took, 2*eventTimeout)
		}
	})
}
