package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

// fleet makes what a fleet sends: of each device batches of 50 records of real
// kinds, most of them measurements, one in fifty an alarm or a press.
type fleet struct {
	b    testing.TB
	next map[string]uint64 // by device and lane
}

const (
	benchDevices = 40
	benchBatch   = 50
)

func (f *fleet) record(dev string, lane report.Lane, kind string, body any) report.Received {
	f.next[dev+string(lane)]++
	return rec(f.b, dev, lane, f.next[dev+string(lane)], kind, body)
}

// group is a batch of each device: one transaction.
func (f *fleet) group(round int) (group []Arrival, lines int) {
	for d := range benchDevices {
		dev := fmt.Sprintf("cam-%d", d)
		first := f.next[dev+string(report.Telemetry)] + 1
		var rs []report.Received
		for n := range benchBatch - 2 {
			var body any = report.StreamStats{Name: fmt.Sprint("gate-", n%4), WindowMS: 10000, FPS: 25, BitsPerS: 2_000_000 + int64(n*7919%90000), Packets: 123456, SinceFrameMS: 40}
			kind := report.KindStreamStats
			if n%5 == 4 {
				kind, body = report.KindDeviceStats, report.DeviceStats{RSSBytes: 21 << 20, Goroutines: 40, DiskFree: 9 << 30, LoadAvg1: 0.4, UplinkUp: true, UplinkSentB: 1 << 20}
			}
			rs = append(rs, f.record(dev, report.Telemetry, kind, body))
		}
		group = append(group, batch(dev, report.Telemetry, first, first+uint64(len(rs)), rs...))
		first = f.next[dev+string(report.Event)] + 1
		id := fmt.Sprint("a", round)
		events := []report.Received{
			f.record(dev, report.Event, report.KindAlarm, report.Alarm{ID: id, N: uint64(2*round + 1), Source: "stream/gate-1", Condition: "stream.silent", Severity: "major", State: report.AlarmRaised, Since: t0}),
			f.record(dev, report.Event, report.KindAlarm, report.Alarm{ID: id, N: uint64(2*round + 2), Source: "stream/gate-1", Condition: "stream.silent", Severity: "major", State: report.AlarmCleared, Since: t0}),
		}
		group = append(group, batch(dev, report.Event, first, first+2, events...))
	}
	return group, benchDevices * benchBatch
}

// BenchmarkCommit is groups of 40 batches of 50 records of 40 devices, each group
// committed before the next begins. The ceiling is the same lines, copied into a
// table without any index by the same server.
func BenchmarkCommit(b *testing.B) {
	for _, db := range backends {
		b.Run(db.name, func(b *testing.B) {
			s := open(b, db.place(b))
			f := &fleet{b, map[string]uint64{}}
			var records, round int
			for b.Loop() {
				b.StopTimer()
				group, _ := f.group(round)
				round++
				b.StartTimer()
				records += commit(b, s, group...).Records
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("plain COPY", func(b *testing.B) {
		c, err := pgx.Connect(b.Context(), pgtest.URL(b))
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close(b.Context()) //nolint:errcheck // the server ends next
		if _, err := c.Exec(b.Context(), `CREATE TABLE plain (lane_id BIGINT, seq BIGINT, received_at BIGINT, kind TEXT, line BYTEA)`); err != nil {
			b.Fatal(err)
		}
		f := &fleet{b, map[string]uint64{}}
		var records, round int
		for b.Loop() {
			b.StopTimer()
			group, _ := f.group(round)
			round++
			var rows [][]any
			for _, a := range group {
				for _, r := range a.Batch.Records {
					rows = append(rows, []any{int64(1), int64(r.Seq), time.Now().UnixMilli(), r.Kind, r.Line})
				}
			}
			b.StartTimer()
			n, err := c.CopyFrom(b.Context(), pgx.Identifier{"plain"}, []string{"lane_id", "seq", "received_at", "kind", "line"}, pgx.CopyFromRows(rows))
			if err != nil {
				b.Fatal(err)
			}
			records += int(n)
		}
		b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	})
}
