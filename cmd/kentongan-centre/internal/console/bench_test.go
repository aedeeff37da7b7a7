package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// BenchmarkPages is a province: 10,000 devices, 40,000 streams, 30,000 lanes.
func BenchmarkPages(b *testing.B) {
	st, err := store.Open(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // nothing to keep
	var group []store.Arrival
	for d := range 10_000 {
		id := fmt.Sprintf("cam-%05d", d)
		names := []string{"a", "b", "c", "d"}
		group = append(group, store.Arrival{Device: id, At: noon, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Site: "Site", Streams: names}})
		for _, name := range names {
			group = append(group, store.Arrival{Device: id, At: noon, Stream: &report.StreamState{Name: name, State: "playing"}})
		}
		for _, lane := range report.Lanes() {
			group = append(group, store.Arrival{Device: id, At: noon, Batch: &report.Batch{Head: report.Head{Lane: lane, Epoch: seedEpoch, First: 1, Next: 1}}})
		}
	}
	if _, err := st.Commit(context.Background(), group); err != nil {
		b.Fatal(err)
	}
	room, token := openRoom(b, st, func() time.Time { return noon })
	c, err := console.New(console.Config{Store: st, Access: room, Ingest: func() ingest.Status { return ingest.Status{} }, BrokerClients: func() int { return -1 }, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	h := c.Handler()
	for _, path := range []string{"/", "/devices", "/gaps", "/devices/cam-00500", "/metrics", "/api/v1/lanes"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				r := httptest.NewRequest("GET", path, nil)
				r.Host = "localhost"
				r.Header.Set("Authorization", "Bearer "+token)
				h.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
				_, _ = io.Copy(io.Discard, w.Body)
			}
		})
	}
}
