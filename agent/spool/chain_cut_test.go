package spool

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestChainOutlivesAcknowledgedSegments: everything is acknowledged, so every
// segment is free; the disk refuses each flush for a while, so that every file is
// tried, and then the power goes. What comes after it is still chained to the
// newest record that was confirmed, whatever of the tries the disk kept.
func TestChainOutlivesAcknowledgedSegments(t *testing.T) {
	for _, lane := range []report.Lane{report.Complaint, report.Event} {
		t.Run(string(lane), func(t *testing.T) {
			disk := memdisk.New()
			o := small(disk)
			o.Log = slog.New(slog.DiscardHandler)
			cut := memdisk.NewCut(disk)
			disk.Trace = cut.Step
			s := mustOpen(t, "/s", o)
			var newest report.Hash
			for i := range 5 {
				seq := mustAppend(t, s, lane, i)
				got, err := s.Read(lane, seq, 1, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				newest = report.HashLine(got[0].Line)
				if err := s.Ack(lane, s.Head(lane).Next-1); err != nil {
					t.Fatal(err)
				}
			}
			(&refuse{err: syscall.EIO, ops: "sync"}).on(disk, 1<<40)
			for range 8 {
				if _, err := s.Append(context.Background(), lane, "test", "while it refuses"); err == nil {
					t.Fatal("a record was confirmed that no flush has taken")
				}
			}
			for n := range 200 {
				disk.Mu.Lock()
				left := cut.Image(rand.New(rand.NewPCG(uint64(n), 1)))
				disk.Mu.Unlock()
				again := small(left)
				again.Log = o.Log
				if err := chained(t, again, lane, newest); err != "" {
					t.Fatalf("image %d: %s", n, err)
				}
			}
			new(refuse).on(disk, 0)
			_ = s.Close()
		})
	}
}

// chained opens a spool, and tells what is wrong with the first record that names
// another one before it.
func chained(t *testing.T, o Options, lane report.Lane, want report.Hash) string {
	t.Helper()
	s := mustOpen(t, "/s", o)
	defer s.Close()
	mustAppend(t, s, lane, "after the cut")
	list, err := s.Read(lane, 1, 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		var rec report.Record
		if err := json.Unmarshal(e.Line, &rec); err != nil {
			t.Fatal(err)
		}
		if report.HashLine(e.Line) == want || strings.Contains(string(rec.Body), "while it refuses") {
			want = report.HashLine(e.Line) // a record that was not confirmed may have reached the disk
			continue
		}
		if rec.Seq > 5 && rec.Prev != nil {
			if *rec.Prev != want {
				return "record " + string(e.Line) + " is not chained to the newest that was confirmed"
			}
			return ""
		}
	}
	return "no record after the cut"
}
