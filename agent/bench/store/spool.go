package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// Ours are our spool's lanes that are durable when Append returns. records is
// for how many the complaint lane's space is made, when each is written alone.
func Ours(records int) []Kind {
	quota := map[report.Lane]int64{report.Complaint: max(32<<20, int64(records)*6<<10)}
	open := func(lane report.Lane, mirror bool) func(string) (Store, error) {
		return func(dir string) (Store, error) { return openSpool(dir, lane, mirror, quota) }
	}
	return []Kind{
		{Name: "Kentongan, complaint lane", Durable: true, How: "fdatasync; page never rewritten", Ordered: true, Open: open(report.Complaint, false)},
		{Name: "Kentongan, complaint lane and mirror", Durable: true, How: "fdatasync, then the mirror's", Ordered: true, Open: open(report.Complaint, true)},
		{Name: "Kentongan, event lane", Durable: true, How: "fdatasync", Ordered: true, Open: open(report.Event, false)},
	}
}

// all is every contestant.
func all(rawBytes int64, records int) []Kind { return append(Ours(records), Peers(rawBytes)...) }

// spoolStore is our spool, by its public interface.
type spoolStore struct {
	s    *spool.Spool
	lane report.Lane
}

// OpenSpool opens our spool with a telemetry lane of so many bytes.
func OpenSpool(dir string, telemetry int64) (*spool.Spool, error) {
	return spool.Open(filepath.Join(dir, "spool"), options(map[report.Lane]int64{report.Telemetry: max(telemetry, 256<<20)}))
}

func options(quota map[report.Lane]int64) spool.Options {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return spool.Options{Device: device, Stamp: stamps(), Quota: quota, Log: log}
}

func openSpool(dir string, lane report.Lane, mirror bool, quota map[report.Lane]int64) (Store, error) {
	o := options(quota)
	if mirror {
		o.Mirror = filepath.Join(dir, "mirror")
		if err := os.MkdirAll(o.Mirror, 0o700); err != nil {
			return nil, err
		}
	}
	s, err := spool.Open(filepath.Join(dir, "spool"), o)
	if err != nil {
		return nil, err
	}
	return &spoolStore{s, lane}, nil
}

// Write appends from atATime goroutines, each of which waits for its own
// records one by one, as the device's parts do.
func (s *spoolStore) Write(recs []Record, atATime int) error {
	errs := make([]error, atATime)
	var wg sync.WaitGroup
	for w := range atATime {
		wg.Go(func() {
			for i := w; i < len(recs) && errs[w] == nil; i += atATime {
				errs[w] = s.append(recs[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *spoolStore) append(r Record) error {
	_, err := s.s.Append(context.Background(), s.lane, report.KindPress, r.Body)
	return err
}

func (s *spoolStore) Read(limit int) ([][]byte, error) {
	var out [][]byte
	for from := uint64(1); len(out) < limit; {
		entries, err := s.s.Read(s.lane, from, limit-len(out), 64<<10)
		if err != nil || len(entries) == 0 {
			return out, err
		}
		for _, e := range entries {
			out = append(out, e.Line)
			from = e.Seq + 1
		}
	}
	return out, nil
}

func (s *spoolStore) Close() error { return s.s.Close() }

// FillTelemetry gives a spool n records of telemetry and closes it, so that all
// stand on the disk.
func FillTelemetry(dir string, n int) error {
	s, err := OpenSpool(dir, TelemetryBytes(n))
	if err != nil {
		return err
	}
	const some = 10000 // records in our own memory at a time
	for at := 0; at < n && err == nil; at += some {
		err = appendTelemetry(s, at, min(some, n-at))
	}
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("fill the telemetry lane: %w", err)
	}
	return nil
}

// TelemetryBytes is the quota in which n records stay.
func TelemetryBytes(n int) int64 { return int64(n) * 2 * LineBytes }

func appendTelemetry(s *spool.Spool, first, n int) error {
	recs, err := Records(first, n, report.Telemetry)
	if err != nil {
		return err
	}
	for _, r := range recs {
		if _, err := s.Append(context.Background(), report.Telemetry, report.KindStreamStats, r.Body); err != nil {
			return err
		}
	}
	return nil
}

// TelemetryFor appends n records of telemetry, one each interval, and closes
// the spool. It is for a bubble of testing/synctest, where an hour takes no hour.
func TelemetryFor(dir string, n int, each time.Duration) error {
	recs, err := Records(1, n, report.Telemetry)
	if err != nil {
		return err
	}
	s, err := OpenSpool(dir, 0)
	if err != nil {
		return err
	}
	for _, r := range recs {
		time.Sleep(each)
		if _, err := s.Append(context.Background(), report.Telemetry, report.KindStreamStats, r.Body); err != nil {
			return err
		}
	}
	return s.Close()
}
