package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// restored are a spool whose older copy was put back after the centre had
// acknowledged up to held, and has counted on since.
func restored(t *testing.T, o Options) (s *Spool, disk *memdisk.Disk, held map[report.Lane]uint64) {
	disk = memdisk.New()
	o.FS = disk
	s = mustOpen(t, "/s", o)
	for i := range 9 {
		for _, lane := range report.Lanes() {
			mustAppend(t, s, lane, fmt.Sprint("common ", i))
		}
	}
	for _, lane := range report.Lanes() {
		if err := s.Ack(lane, 5); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	held = map[report.Lane]uint64{report.Complaint: 100, report.Event: 200}
	s = mustOpen(t, "/s", o)
	for i := range 9 {
		for _, lane := range report.Lanes() {
			mustAppend(t, s, lane, fmt.Sprint("forked ", i))
		}
	}
	return s, disk, held
}

// bodies are what stands in a lane, by the place where it stood first.
func bodies(t *testing.T, s *Spool, lane report.Lane, old report.Epoch) map[uint64]string {
	out := map[uint64]string{}
	for _, e := range readAllOf(t, s, lane) {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		if r.Epoch != s.Epoch() || r.Seq != e.Seq {
			t.Fatalf("%s/%d says of itself %s/%d", lane, e.Seq, r.Epoch, r.Seq)
		}
		if r.Was == nil || r.Was.Epoch != old {
			continue
		}
		var body string
		if r.Kind == "test" && json.Unmarshal(r.Body, &body) != nil {
			t.Fatalf("%s", r.Body)
		}
		if _, twice := out[r.Was.Seq]; twice {
			t.Errorf("%s/%d came twice", lane, r.Was.Seq)
		}
		out[r.Was.Seq] = body
	}
	return out
}

func TestNewEpochKeepsWhatWasNotAcknowledged(t *testing.T) {
	for _, mirror := range []string{"", "/m"} {
		o := small(nil)
		o.Mirror = mirror
		s, disk, held := restored(t, o)
		o.FS = disk
		old, next := s.Epoch(), s.Head(report.Complaint).Next
		if err := s.Renew(held); err != nil {
			t.Fatal(err)
		}
		if seq := mustAppend(t, s, report.Complaint, "pressed meanwhile"); seq <= held[report.Complaint] {
			t.Errorf("a press got number %d, and the centre has up to %d", seq, held[report.Complaint])
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, "/s", o)
		if s.Epoch() == old {
			t.Fatal("the epoch is the old one")
		}
		for _, lane := range report.Lanes()[:2] {
			got := bodies(t, s, lane, old)
			for seq := uint64(6); seq < next; seq++ {
				if lane == report.Complaint && got[seq] == "" {
					t.Errorf("mirror %q: %s/%d has no place in the new epoch", mirror, lane, seq)
				}
			}
			if head := s.Head(lane); head.First <= held[lane]+1 {
				t.Errorf("%s begins with %d, the centre had up to %d", lane, head.First, held[lane])
			}
			checkLines(t, s, lane, readAllOf(t, s, lane))
		}
		var said *report.NewEpoch
		for _, e := range readAllOf(t, s, report.Event) {
			if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindEpoch {
				n := decode[report.NewEpoch](t, r.Body)
				said = &n
			}
			if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
				t.Errorf("said to be damage: %s", r.Body)
			}
		}
		if said == nil || said.Was != old || said.Epoch != s.Epoch() || said.Moved[report.Complaint] != 14 || said.Held[report.Event] != 200 || said.Gone[report.Telemetry] == 0 {
			t.Errorf("event %+v", said)
		}
		seq := mustAppend(t, s, report.Complaint, "after")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		epoch := s.Epoch()
		v, err := openView(disk, "/s")
		if err != nil {
			t.Fatal(err)
		}
		if faults := v.Verify(); len(faults) > 0 {
			t.Errorf("faults %v", faults)
		}
		s = mustOpen(t, "/s", o)
		if s.Epoch() != epoch || s.Head(report.Complaint).Next != seq+1 || s.renewal != nil {
			t.Errorf("after another start: epoch %s, want %s; head %+v after %d; %s", s.Epoch(), epoch, s.Head(report.Complaint), seq, s.waitsToMove())
		}
		if n := len(bodies(t, s, report.Complaint, old)); n != 14 {
			t.Errorf("%d moved complaints after another start, want 14", n)
		}
		for _, e := range readAllOf(t, s, report.Event) {
			if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
				t.Errorf("said to be damage: %s", r.Body)
			}
		}
		_ = s.Close()
	}
}

// TestNewEpochOfAFullLane: no file is free for the records that move, and the
// disk is full of others' data.
func TestNewEpochOfAFullLane(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	n := 0
	for ; ; n++ {
		if _, err := s.Append(context.Background(), report.Complaint, "test", fmt.Sprint(n)); err != nil {
			break
		}
	}
	for i := range 100 {
		mustAppend(t, s, report.Event, i)
		mustAppend(t, s, report.Telemetry, i)
	}
	if err := s.Renew(map[report.Lane]uint64{report.Complaint: 500}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := s.Epoch()
	for _, room := range []int64{0, 64 << 10} {
		disk.Mu.Lock()
		disk.Free = room
		disk.Mu.Unlock()
		s = mustOpen(t, "/s", small(disk))
		_ = s.Close()
	}
	disk.Mu.Lock()
	disk.Free = -1
	disk.Mu.Unlock()
	s = mustOpen(t, "/s", small(disk))
	got := bodies(t, s, report.Complaint, old)
	for seq := 1; seq <= n; seq++ {
		if got[uint64(seq)] != fmt.Sprint(seq-1) {
			t.Errorf("complaint %d is lost or another: %q", seq, got[uint64(seq)])
		}
	}
}

// TestNewEpochWhileTheDiskRefuses goes on when it takes again.
func TestNewEpochWhileTheDiskRefuses(t *testing.T) {
	s, disk, held := restored(t, small(nil))
	old := s.Epoch()
	r := refuse{err: syscall.EIO, ops: "write sync", part: "cursor"}
	r.on(disk, math.MaxInt64)
	if err := s.Renew(held); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Renew: %v, want EIO", err)
	}
	r.on(disk, 0)
	if err := s.Renew(held); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for _, part := range []string{"cursor", "/s/event/", "/s/complaint/"} {
		r.part = part
		r.on(disk, math.MaxInt64)
		_ = mustOpen(t, "/s", small(disk)).Close()
		r.on(disk, 0)
	}
	s = mustOpen(t, "/s", small(disk))
	if n := len(bodies(t, s, report.Complaint, old)); s.Epoch() == old || n != 13 {
		t.Errorf("epoch %s, %d complaints moved, want 13", s.Epoch(), n)
	}
}
