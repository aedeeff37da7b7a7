package spool

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// flushNow puts the telemetry in memory on the disk.
func flushNow(t *testing.T, s *Spool) {
	t.Helper()
	s.pen <- struct{}{}
	defer func() { <-s.pen }()
	if err := s.lanes[2].flush(false); err != nil {
		t.Fatal(err)
	}
}

// noise is a body that does not compress.
func noise() any {
	b := make([]byte, 3000)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return b
}

// TestTelemetryInMemoryWaitsForWhatCannotBeReadNow: the process could open no file,
// and Read went on with the records in memory behind a segment that it had not read.
// Who reads takes that for a hole, and lets the segment go.
func TestTelemetryInMemoryWaitsForWhatCannotBeReadNow(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	o.TelemetryDelay = time.Hour
	s := mustOpen(t, "/s", o)
	for len(s.lanes[2].segs) < 2 {
		mustAppend(t, s, report.Telemetry, noise())
		flushNow(t, s)
	}
	last := mustAppend(t, s, report.Telemetry, "in memory")
	second := s.lanes[2].path(s.lanes[2].segs[1].slot)
	(&refuse{err: syscall.EMFILE, ops: "open openrw", part: second}).on(disk, 1<<40)
	want := uint64(1)
	for range 2 {
		got, err := s.Read(report.Telemetry, want, 100, 1<<20)
		for _, e := range got {
			if e.Seq != want {
				t.Fatalf("record %d follows %d (%v)", e.Seq, want-1, err)
			}
			want++
		}
	}
	(&refuse{}).on(disk, 0)
	if got := readAllOf(t, s, report.Telemetry); uint64(len(got)) != last {
		t.Errorf("%d records, want %d", len(got), last)
	}
}

// TestTelemetryThatLeavesTheMemoryMeanwhileIsNotSkipped: between a look at the disk
// and one at the memory a flush moved records from here to there, and Read went on
// with those that came after them.
func TestTelemetryThatLeavesTheMemoryMeanwhileIsNotSkipped(t *testing.T) {
	o := small(memdisk.New())
	o.TelemetryDelay = time.Hour
	s := mustOpen(t, "/s", o)
	first := mustAppend(t, s, report.Telemetry, 1)
	l, r := s.lanes[2], &reader{from: first, records: 10, bytes: 1 << 20}
	if err := l.readSegments(r); err != nil || len(r.out) > 0 {
		t.Fatalf("%d records on the disk, %v", len(r.out), err)
	}
	flushNow(t, s)
	mustAppend(t, s, report.Telemetry, 2)
	if l.readBuffer(r) {
		t.Errorf("%d records of the memory, and %d on the disk was not looked at", len(r.out), first)
	}
	if err := l.read(r); err != nil || len(r.out) != 2 || r.out[0].Seq != first {
		t.Errorf("%d records, %v; want 2 from %d on", len(r.out), err, first)
	}
}
