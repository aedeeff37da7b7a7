package spool

import (
	"context"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestMovedAndAcknowledgedIsNotMovedAgain: the disk refused in the middle of an
// old segment, the centre has meanwhile taken what had moved, and the device
// starts again. What the centre has must not get a second place.
func TestMovedAndAcknowledgedIsNotMovedAgain(t *testing.T) {
	const presses = 9
	for _, cut := range []bool{false, true} { // the power goes too, before the centre has it
		partly := 0
		for writes := range int64(20) {
			disk := memdisk.New()
			s := mustOpen(t, "/s", small(disk))
			for i := range presses {
				mustAppend(t, s, report.Complaint, fmt.Sprint(i, strings.Repeat("x", 3780))) // three in a segment, and two when they say where they were
			}
			old := s.Epoch()
			if err := s.Renew(map[report.Lane]uint64{report.Complaint: 50}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, "/s", failAfter(disk, "/s/complaint/", writes))
			if cut {
				disk = disk.Clone()
				s = mustOpen(t, "/s", failAfter(disk, "/s/complaint/", 0))
			}
			first := bodies(t, s, report.Complaint, old)
			if n := len(first); n > 0 && n%3 != 0 {
				partly++
			}
			if err := s.Ack(report.Complaint, s.Head(report.Complaint).Next-1); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, "/s", failAfter(disk, "none", 0))
			then := bodies(t, s, report.Complaint, old)
			for seq := range then {
				if _, twice := first[seq]; twice {
					t.Errorf("cut %v: %d was moved, acknowledged and moved again", cut, seq)
				}
			}
			if len(first)+len(then) < presses {
				t.Errorf("cut %v: %d and %d of %d have moved", cut, len(first), len(then), presses)
			}
			_ = s.Close()
		}
		if partly == 0 {
			t.Error("no try left a segment half moved")
		}
	}
}

// failAfter makes a disk refuse all writes to files of a path after the first n.
func failAfter(disk *memdisk.Disk, part string, n int64) Options {
	r := refuse{err: syscall.EIO, ops: "write", part: part}
	r.on(disk, math.MaxInt64)
	disk.Mu.Lock()
	defer disk.Mu.Unlock()
	disk.Fault = func(op, name string, off int64) error {
		if op == "write" && strings.Contains(name, part) && n > 0 {
			n--
			return nil
		}
		return r.fault(op, name, off)
	}
	return small(disk)
}

// TestRecordThatCantMoveHoldsUpNoOther: a longer number makes the longest record
// too long. It is set aside and named, and those behind it move.
func TestRecordThatCantMoveHoldsUpNoOther(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	o.Segment[report.Complaint] = 32 << 10
	s := mustOpen(t, "/s", o)
	mustAppend(t, s, report.Complaint, "before")
	size := report.MaxRecordBytes
	for s.Head(report.Complaint).Next == 2 { // the longest that is taken
		_, _ = s.Append(context.Background(), report.Complaint, "test", strings.Repeat("x", size))
		size--
	}
	mustAppend(t, s, report.Complaint, "behind")
	old := s.Epoch()
	if err := s.Renew(map[report.Lane]uint64{report.Complaint: 50}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, "/s", o)
	got := bodies(t, s, report.Complaint, old)
	if got[1] != "before" || got[3] != "behind" || s.renewal != nil {
		t.Errorf("moved %d records; waits: %s", len(got), s.waitsToMove())
	}
	for _, e := range readAllOf(t, s, report.Event) {
		if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
			d := decode[report.Damage](t, r.Body)
			f, err := disk.Open("/s/"+d.Saved, false)
			if err != nil {
				t.Fatalf("%+v: %v", d, err)
			}
			if n, _ := f.Size(); d.Lane != report.Complaint || n != report.MaxRecordBytes {
				t.Errorf("%+v, %d bytes set aside", d, n)
			}
			return
		}
	}
	t.Error("nothing is said of the record that could not move")
}
