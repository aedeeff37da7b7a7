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
