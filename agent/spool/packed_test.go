package spool

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"kentongan/agent/report"
)

// What ReadPacked gives is, unpacked, exactly what Read gives for the same
// numbers, and it never gives a record outside what was asked for.
func TestReadPackedIsRead(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, options(osFS{}))
	for i := range 2000 {
		if _, err := s.Append(context.Background(), report.Telemetry, "stats", fmt.Sprintf("%d %d", i, i*i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, options(osFS{}))
	next := s.Head(report.Telemetry).Next
	blocks := 0
	for from := uint64(1); from < next; {
		got, err := s.ReadPacked(report.Telemetry, from, next-1, 12<<10)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		for _, b := range got {
			blocks++
			want, err := s.Read(report.Telemetry, b.From, int(b.To-b.From+1), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := unpack(b.Gzip, uint32(b.To-b.From+1))
			if err != nil || b.From != from || len(lines) != len(want) {
				t.Fatalf("block %d to %d after %d: %d lines, %d records, %v", b.From, b.To, from-1, len(lines), len(want), err)
			}
			for i := range want {
				if !bytes.Equal(lines[i], want[i].Line) {
					t.Fatalf("record %d: packed %q, read %q", want[i].Seq, lines[i], want[i].Line)
				}
			}
			from = b.To + 1
		}
	}
	if blocks < 3 {
		t.Fatalf("%d blocks, want several", blocks)
	}
	if got, err := s.ReadPacked(report.Telemetry, 2, next-1, 1<<20); err != nil || len(got) != 0 {
		t.Errorf("from the middle of a block: %d blocks, %v; want none", len(got), err)
	}
	if got, err := s.ReadPacked(report.Telemetry, 1, 5, 1<<20); err != nil || len(got) != 0 {
		t.Errorf("to the middle of a block: %d blocks, %v; want none", len(got), err)
	}
	if got, err := s.ReadPacked(report.Event, 1, 5, 1<<20); err != nil || len(got) != 0 {
		t.Errorf("of a lane without blocks: %d blocks, %v; want none", len(got), err)
	}
}
