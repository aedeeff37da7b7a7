package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// What stands here are the rows of the table in docs/reference/spool-format.md
// that no other test injects.

// TestZeroTail: what was made in advance and never written is nothing; writing
// goes on there, and nothing is said of it.
func TestZeroTail(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	mustAppend(t, s, report.Complaint, 1)
	mustAppend(t, s, report.Event, 1)
	s = mustOpen(t, "/s", small(disk.Clone())) // killed
	for _, lane := range report.Lanes()[:2] {
		mustAppend(t, s, lane, 2)
		checkLines(t, s, lane, readAllOf(t, s, lane))
		if st := s.Status().Lanes[lane]; st.Segments != 1 {
			t.Errorf("lane %s: %d segments for two records", lane, st.Segments)
		}
	}
	for _, g := range gaps(t, readAllOf(t, s, report.Event)) {
		if g.Lane != report.Telemetry { // its reserved numbers are another matter
			t.Errorf("said %+v", g)
		}
	}
}

// TestUnreadablePage: the other records are handed out, the lost one is named
// with the disk's error.
func TestUnreadablePage(t *testing.T) {
	for _, mirror := range []string{"", "/m"} {
		disk := memdisk.New()
		o := small(disk)
		o.Mirror = mirror
		s := mustOpen(t, "/s", o)
		for i := range 3 {
			mustAppend(t, s, report.Complaint, i)
		}
		disk.Mu.Lock()
		disk.Fault = func(op, name string, off int64) error {
			// A read that touches the page of record 2 fails as a whole.
			if op == "read" && name == "/s/complaint/000001.seg" && off <= 2*pageSize {
				return syscall.EIO
			}
			return nil
		}
		disk.Mu.Unlock()
		want := 1
		if mirror != "" {
			want = 3
		}
		if got := readAllOf(t, s, report.Complaint); len(got) != want {
			t.Errorf("mirror %q: %d records, want %d", mirror, len(got), want)
		}
		mustAppend(t, s, report.Event, "behind it")
		var said string
		events := readAllOf(t, s, report.Event)
		for _, e := range events {
			if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
				said = decode[report.Damage](t, r.Body).Detail
			}
		}
		named := explained(gaps(t, events), report.Complaint, 2, report.GapDamage)
		if named == (mirror != "") || mirror == "" && !strings.Contains(said, syscall.EIO.Error()) || said == "" {
			t.Errorf("mirror %q: named %v, said %q", mirror, named, said)
		}
	}
	t.Attr("injections", "2")
}

// TestClockAt1970: the order is that of the numbers, whatever the clock says.
func TestClockAt1970(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	clock := []time.Time{time.Unix(0, 0), time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), {}, time.Unix(1, 0)}
	at := 0
	o.Stamp = func() report.Stamp {
		at++
		return report.Stamp{Time: clock[at%len(clock)], Clock: report.ClockUnset, Boot: "0a1b2c3d"}
	}
	for range 3 {
		s := mustOpen(t, "/s", o)
		for i := range 5 {
			for _, lane := range report.Lanes() {
				mustAppend(t, s, lane, i)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, "/s", o)
	for _, lane := range report.Lanes() {
		got := readAllOf(t, s, lane)
		if len(got) != 15 {
			t.Errorf("lane %s: %d records, want 15", lane, len(got))
		}
		checkLines(t, s, lane, got)
	}
}

// TestDirectoryNotWritable: with a spool in it, what it has allocated goes on
// to be used; without one each append says what is wrong.
func TestDirectoryNotWritable(t *testing.T) {
	for _, ready := range []bool{true, false} {
		t.Run(fmt.Sprint("spool in it ", ready), func(t *testing.T) {
			disk := memdisk.New()
			if ready {
				_ = mustOpen(t, "/s", small(disk)).Close()
			} else {
				for _, dir := range append(report.Lanes(), "") {
					if err := disk.MkdirAll(filepath.Join("/s", string(dir))); err != nil {
						t.Fatal(err)
					}
				}
			}
			(&refuse{err: syscall.EACCES, ops: "create rename remove mkdir"}).on(disk, 1<<40)
			s := mustOpen(t, "/s", small(disk))
			for _, lane := range report.Lanes() {
				switch seq, err := s.Append(context.Background(), lane, "test", 1); {
				case ready && err != nil:
					t.Errorf("lane %s: %v", lane, err)
				case !ready && !errors.Is(err, syscall.EACCES):
					t.Errorf("lane %s: %d, %v, want EACCES", lane, seq, err)
				}
			}
			new(refuse).on(disk, 0)
			for _, lane := range report.Lanes() {
				if ready {
					break // nothing was refused
				}
				mustAppend(t, s, lane, "after")
				mustAppend(t, s, report.Event, "behind it")
				if got := refusalsIn(t, s, string(lane)); len(got) == 0 || !got[len(got)-1].Over || !strings.Contains(got[0].Error, syscall.EACCES.Error()) {
					t.Errorf("lane %s: events tell %+v", lane, got)
				}
			}
		})
	}
}
