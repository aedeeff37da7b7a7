package store

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
)

// BenchmarkErase is one complaint erased of a kiosk that has had many, while the
// ingest goes on: how long it takes, and how long the slowest Commit meanwhile. With
// KENTONGAN_RECORDS the kiosk has so many, without it a few thousand.
func BenchmarkErase(b *testing.B) {
	records, err := strconv.ParseUint(cmp.Or(os.Getenv("KENTONGAN_RECORDS"), "4000"), 10, 32)
	if err != nil {
		b.Fatal(err)
	}
	for _, db := range backends {
		b.Run(db.name, func(b *testing.B) {
			s := open(b, db.place(b))
			const group = 2000
			for from := uint64(1); from <= records; from += group {
				var rs []report.Received
				for seq := from; seq < from+group && seq <= records; seq++ {
					rs = append(rs, press(b, "k1", seq))
				}
				commit(b, s, batch("k1", report.Complaint, 1, rs[len(rs)-1].Seq+1, rs...))
			}
			ctx, end := context.WithCancel(b.Context())
			var slowest time.Duration
			var ingest sync.WaitGroup
			ingest.Go(func() {
				for seq := uint64(1); ctx.Err() == nil; seq++ {
					began := time.Now()
					commit(b, s, batch("k2", report.Complaint, 1, seq+1, press(b, "k2", seq)), batch("k1", report.Complaint, 1, records+seq+1, press(b, "k1", records+seq)))
					slowest = max(slowest, time.Since(began))
				}
			})
			seq := records
			for b.Loop() {
				if _, err := s.EraseComplaint(b.Context(), idAt(b, s, seq)); err != nil {
					b.Fatal(err)
				}
				seq--
			}
			end()
			ingest.Wait()
			b.ReportMetric(float64(slowest.Microseconds())/1e3, "slowest-commit-ms")
		})
	}
}

// idAt is the complaint of a number of the kiosk k1.
func idAt(b *testing.B, s *Store, seq uint64) (id int64) {
	b.Helper()
	if err := s.read.QueryRowContext(b.Context(), `SELECT id FROM complaint WHERE device = 'k1' AND seq = ?`, int64(seq)).Scan(&id); err != nil {
		b.Fatal(err)
	}
	return id
}
