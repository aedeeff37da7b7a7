package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// laneBytes is the space of the lanes that we append to durably: small, so that
// the warm-up uses each segment once and what is measured is a lane that has
// been in use, not a new one.
const laneBytes = 8 << 20

// Ours are our spool's lanes that are durable when Append returns.
func Ours() []Kind {
	open := func(lane report.Lane, mirror bool) func(string) (Store, error) {
		return func(dir string) (Store, error) { return openSpool(dir, lane, mirror) }
	}
	return []Kind{
		{Name: "Kentongan, complaint lane", Durable: true, How: "fdatasync; page never rewritten", Ordered: true, Open: open(report.Complaint, false)},
		{Name: "Kentongan, complaint lane and mirror", Durable: true, How: "fdatasync, then the mirror's", Ordered: true, Open: open(report.Complaint, true)},
		{Name: "Kentongan, event lane", Durable: true, How: "fdatasync", Ordered: true, Open: open(report.Event, false)},
	}
}

// all is every contestant.
func all(rawBytes int64) []Kind { return append(Ours(), Peers(rawBytes)...) }

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

func openSpool(dir string, lane report.Lane, mirror bool) (Store, error) {
	o := options(map[report.Lane]int64{report.Complaint: laneBytes, report.Event: laneBytes})
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
	st := &spoolStore{s, lane}
	if s.Head(lane).Next > 1 {
		return st, nil
	}
	if err := st.warm(); err != nil {
		return nil, errors.Join(fmt.Errorf("warm up: %w", err), s.Close())
	}
	return st, nil
}

// warm writes one and a half times what the lane holds: a page for each record
// in the complaint lane, and else about the record itself.
func (s *spoolStore) warm() error {
	each, atATime := 4096, 1
	if s.lane == report.Event {
		each, atATime = LineBytes, 64
	}
	const some = 500 // records between two acknowledgements
	for done := 0; done*each < laneBytes*3/2; done += some {
		recs, err := Records(1, some, s.lane)
		if err == nil {
			err = s.Write(recs, atATime)
		}
		if err == nil {
			err = s.Trim()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Trim lets go what is there, as the centre's acknowledgement does. The peers
// have no such turn: deleting would cost them more.
func (s *spoolStore) Trim() error { return s.s.Ack(s.lane, s.s.Head(s.lane).Next-1) }

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
	for from := s.s.Head(s.lane).First; len(out) < limit; {
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
