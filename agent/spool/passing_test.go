package spool

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestOutOfFilesIsNoDamage: a process that can open no file more, or a machine that
// is out of memory, must not take a whole segment for a damaged one: what was called
// lost would be let go, a confirmed press too. Reading says so instead, and goes on
// when it can; the spool does not open until then.
func TestOutOfFilesIsNoDamage(t *testing.T) {
	n := 0
	for _, mirror := range []string{"", "/m"} {
		for _, cause := range passingErrors {
			for _, ops := range []string{"open openrw create", "read", "list"} {
				n++
				t.Run(fmt.Sprint(cause, " on ", ops, " mirror ", mirror), func(t *testing.T) { outOfFiles(t, mirror, cause, ops) })
			}
		}
	}
	t.Attr("injections", fmt.Sprint(n))
}

func outOfFiles(t *testing.T, mirror string, cause syscall.Errno, ops string) {
	disk := memdisk.New()
	o := small(disk)
	o.Mirror = mirror
	s := mustOpen(t, "/s", o)
	const want = 12 // more than one segment
	for i := range want {
		mustAppend(t, s, report.Complaint, i)
		mustAppend(t, s, report.Event, i)
		mustAppend(t, s, report.Telemetry, i)
	}
	events := len(readAllOf(t, s, report.Event))
	(&refuse{err: cause, ops: ops}).on(disk, 1<<40)
	for range 3 {
		for _, lane := range report.Lanes()[:2] {
			if got, err := s.Read(lane, 1, 100, 1<<20); ops != "list" && !errors.Is(err, cause) {
				t.Errorf("lane %s: %d records, %v, want %v", lane, len(got), err, cause)
			}
		}
		_, _ = s.Append(context.Background(), report.Event, "test", "meanwhile")
	}
	(&refuse{}).on(disk, 0)
	check := func(s *Spool) {
		t.Helper()
		if got := readAllOf(t, s, report.Complaint); len(got) != want {
			t.Errorf("%d complaints, want %d", len(got), want)
		}
		if got := len(readAllOf(t, s, report.Event)); got < events {
			t.Errorf("%d events, want at least %d", got, events)
		}
		for _, g := range gaps(t, readAllOf(t, s, report.Event)) {
			if g.Reason == report.GapDamage || g.Lane == report.Complaint {
				t.Errorf("called lost: %+v", g)
			}
		}
		for _, e := range readAllOf(t, s, report.Event) {
			if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
				t.Errorf("called damage: %s", r.Body)
			}
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	(&refuse{err: cause, ops: ops}).on(disk, 1<<40)
	if _, err := Open("/s", o); !errors.Is(err, cause) {
		t.Errorf("opened: %v, want %v", err, cause)
	}
	(&refuse{}).on(disk, 0)
	check(mustOpen(t, "/s", o))
}
