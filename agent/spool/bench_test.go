package spool

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

var body300 = fmt.Sprintf("%0100d", 7) // a record of some 300 bytes

// BenchmarkAppend is a durable append to the complaint lane, beside the least
// that any store can do: one page written to a file that has its blocks, and
// fdatasync.
func BenchmarkAppend(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		f, err := allocate(osFS{}, b.TempDir(), filepath.Join(b.TempDir(), "raw"), 1<<20, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, pageSize)
		for i := 0; b.Loop(); i++ {
			page[0]++
			if _, err := f.WriteAt(page, int64(i%256)*pageSize); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("paired", benchmarkPaired)
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := mustOpen(b, b.TempDir(), options(nil))
			before := s.Status()
			b.ResetTimer()
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						seq, err := s.Append(context.Background(), report.Complaint, "test", body300)
						if err == nil && seq%64 == 0 {
							err = s.Ack(report.Complaint, seq-32)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			after := s.Status()
			b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(b.N), "disk-B/op")
			b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "syncs/op")
		})
	}
}

// benchmarkPaired takes turns between the raw write and the spool, so that what
// else the machine does meets both: the ratio is the figure.
func benchmarkPaired(b *testing.B) {
	dir := b.TempDir()
	f, err := allocate(osFS{}, dir, filepath.Join(dir, "raw"), 1<<20, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	s := mustOpen(b, filepath.Join(dir, "spool"), options(nil))
	page, raw, ours := make([]byte, pageSize), time.Duration(0), time.Duration(0)
	for i := 0; b.Loop(); i++ {
		page[0]++
		t0 := time.Now()
		_, err := f.WriteAt(page, int64(i%256)*pageSize)
		if err == nil {
			err = f.Sync()
		}
		t1 := time.Now()
		seq := mustAppend(b, s, report.Complaint, body300)
		t2 := time.Now()
		if err == nil {
			err = s.Ack(report.Complaint, seq)
		}
		if err != nil {
			b.Fatal(err)
		}
		raw, ours = raw+t1.Sub(t0), ours+t2.Sub(t1)
	}
	b.ReportMetric(float64(ours)/float64(raw), "times-raw")
}

// BenchmarkOpen opens a spool with few and with many records.
func BenchmarkOpen(b *testing.B) {
	for _, records := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			dir := b.TempDir()
			o := options(nil)
			o.Quota = map[report.Lane]int64{report.Telemetry: 1 << 30}
			s := mustOpen(b, dir, o)
			for i := range records {
				mustAppend(b, s, report.Telemetry, body300+fmt.Sprint(i))
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for b.Loop() {
				s, err := Open(dir, o)
				if err != nil {
					b.Fatal(err)
				}
				mustAppend(b, s, report.Complaint, "first press")
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRead reads a lane from its start in batches of 50.
func BenchmarkRead(b *testing.B) {
	for _, lane := range []report.Lane{report.Event, report.Telemetry} {
		b.Run(string(lane), func(b *testing.B) {
			disk := memdisk.New()
			s := mustOpen(b, "/s", options(disk))
			const records = 20_000
			for i := range records {
				mustAppend(b, s, lane, body300+fmt.Sprint(i))
			}
			b.ResetTimer()
			from, bytes := uint64(1), 0
			for b.Loop() {
				got, err := s.Read(lane, from, 50, 16<<10)
				if err != nil {
					b.Fatal(err)
				}
				if len(got) == 0 {
					from = 1
					continue
				}
				for _, e := range got {
					bytes += len(e.Line)
				}
				from = got[len(got)-1].Seq + 1
			}
			b.SetBytes(int64(bytes / b.N))
		})
	}
}
