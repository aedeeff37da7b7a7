package ingest

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

// Devices go on sending while the centre is told to end: each PUBACK brings the
// next delivery. It commits what it had, and does not wait for a quiet moment.
func TestFinishDoesNotWaitForQuiet(t *testing.T) {
	st := storetest.Open(t)
	i := &Ingest{cfg: Config{OnCommit: func(store.Committed) {}}, store: st, log: slog.New(slog.DiscardHandler)}
	s := &session{Ingest: i, in: make(chan message, waiting), over: make(chan struct{}), acks: newReceipts()}
	committed := 0
	m := message{arrival: store.Arrival{Device: "busy", At: time.Now(), State: &report.DeviceState{V: report.Version, State: report.Online}}}
	m.puback = func() {
		if committed++; committed < 100*waiting {
			s.in <- m
		}
	}
	for range waiting {
		s.in <- m
	}
	if err := s.finish(context.Background()); err != nil {
		t.Error(err)
	}
	if committed != waiting {
		t.Errorf("%d messages committed, want the %d that waited", committed, waiting)
	}
}

// A database that takes a question and never answers ends the session, which tells of
// it in the log.
func TestSilentDatabaseEndsTheBeginning(t *testing.T) {
	st := storetest.Open(t)
	read, _ := st.Tables()
	for range max(2, runtime.NumCPU()) { // as many connections as read at a time
		rows, err := read.QueryContext(t.Context(), `SELECT 1`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close() //nolint:errcheck // nothing is read
	}
	s := &session{Ingest: &Ingest{store: st, receiptsWithin: 50 * time.Millisecond}, acks: newReceipts()}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { ended <- s.begin(ctx) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ends with %v, want that its time is over", err)
		}
	case <-time.After(time.Minute):
		cancel()
		<-ended
		t.Error("it waits for good")
	}
}
