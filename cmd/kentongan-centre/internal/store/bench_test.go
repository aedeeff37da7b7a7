package store

import (
	"fmt"
	"os"
	"syscall"
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

// ownCPU is the processor time of this process so far, which other jobs of the
// machine do not lengthen as they do the clock's.
func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is that of the PostgreSQL process with this id; 0 for id 0, which
// stands for SQLite.
func serverCPU(b *testing.B, pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var ns int64
	if _, err := fmt.Sscan(string(text), &ns); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ns)
}

// committerPID is the PostgreSQL process behind Commit's connection.
func committerPID(s *Store) int {
	if p, ok := s.conn.(*postgresConn); ok {
		return int(p.c.PgConn().PID())
	}
	return 0
}

// BenchmarkCommit is groups of 40 batches of 50 records of 40 devices, each group
// committed before the next begins. The ceiling is the same lines, copied into a
// table without any index by the same server. Beside the rate, which falls with
// whatever else the machine does, it tells the processor time of a record: this
// process's, and that of the PostgreSQL process.
func BenchmarkCommit(b *testing.B) {
	for _, db := range backends {
		b.Run(db.name, func(b *testing.B) {
			s := open(b, db.place(b))
			f := &fleet{b, map[string]uint64{}}
			var records, round int
			var here, there time.Duration
			server := committerPID(s)
			for b.Loop() {
				b.StopTimer()
				group, _ := f.group(round)
				round++
				h, t := ownCPU(b), serverCPU(b, server)
				b.StartTimer()
				records += commit(b, s, group...).Records
				b.StopTimer()
				here, there = here+ownCPU(b)-h, there+serverCPU(b, server)-t
				b.StartTimer()
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(here.Nanoseconds())/1e3/float64(records), "cpu-µs/record")
			b.ReportMetric(float64(there.Nanoseconds())/1e3/float64(records), "server-µs/record")
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
