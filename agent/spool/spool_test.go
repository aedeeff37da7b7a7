package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// stamp is the time of all test records: a board without a clock.
func stamp() report.Stamp {
	return report.Stamp{Time: time.Unix(12, 0), Clock: report.ClockUnset, Boot: "0a1b2c3d", Uptime: 12 * time.Second}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func options(fsys FS) Options {
	return Options{Device: "kiosk-7", Stamp: stamp, Log: quiet, FS: fsys}
}

// small are options of a spool whose lanes turn after a few records.
func small(fsys FS) Options {
	o := options(fsys)
	o.Quota = map[report.Lane]int64{report.Complaint: 6 * 16 << 10, report.Event: 5 * 16 << 10, report.Telemetry: 4 * 16 << 10}
	o.Segment = map[report.Lane]int64{report.Complaint: 16 << 10, report.Event: 16 << 10, report.Telemetry: 16 << 10}
	o.Epoch = func() (report.Epoch, error) { return 0x1122334455667788, nil }
	return o
}

func mustOpen(t testing.TB, dir string, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustAppend(t testing.TB, s *Spool, lane report.Lane, body any) uint64 {
	t.Helper()
	seq, err := s.Append(context.Background(), lane, "test", body)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func readAllOf(t testing.TB, s *Spool, lane report.Lane) []report.Entry {
	t.Helper()
	var all []report.Entry
	from := s.Head(lane).First
	for {
		got, err := s.Read(lane, from, 7, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		from = got[len(got)-1].Seq + 1
	}
}

func TestAppendedRecordsAreReadBackAfterReopening(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		s := mustOpen(t, dir, options(nil))
		for _, lane := range report.Lanes() {
			for i := range 50 {
				mustAppend(t, s, lane, fmt.Sprint(round, i))
			}
			got := readAllOf(t, s, lane)
			if len(got) != 50*(round+1) {
				t.Fatalf("round %d, lane %s: %d records, want %d", round, lane, len(got), 50*(round+1))
			}
			checkLines(t, s, lane, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkLines looks at numbers, epoch and chain.
func checkLines(t testing.TB, s *Spool, lane report.Lane, entries []report.Entry) {
	t.Helper()
	var prev []byte
	for i, e := range entries {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		if r.Seq != e.Seq || r.Lane != lane || r.Epoch != s.Epoch() {
			t.Fatalf("record %s/%s/%d where %s/%s/%d was expected", r.Lane, r.Epoch, r.Seq, lane, s.Epoch(), e.Seq)
		}
		if i > 0 && e.Seq != entries[i-1].Seq+1 {
			t.Fatalf("lane %s: %d after %d", lane, e.Seq, entries[i-1].Seq)
		}
		if prev != nil && r.Prev != nil && *r.Prev != report.HashLine(prev) {
			t.Fatalf("lane %s: record %d is not chained to the one before", lane, e.Seq)
		}
		prev = e.Line
	}
}

func TestCleanIsTrueOnlyAfterClose(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	if !s.Status().Clean {
		t.Error("a new spool is not clean")
	}
	mustAppend(t, s, report.Event, 1)
	cut := disk.Clone()
	_ = s.Close()
	if s := mustOpen(t, "/s", small(cut)); s.Status().Clean {
		t.Error("clean after a power cut")
	}
	if s := mustOpen(t, "/s", small(disk.Clone())); !s.Status().Clean {
		t.Error("not clean after Close")
	}
}

func TestAcknowledgedSegmentsAreUsedAgain(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	for _, lane := range report.Lanes() {
		for i := range 300 {
			seq := mustAppend(t, s, lane, i)
			got, err := s.Read(lane, seq, 1, 1)
			if err != nil || len(got) != 1 || got[0].Seq != seq {
				t.Fatalf("read %s/%d: %v, %v", lane, seq, got, err)
			}
			if err := s.Ack(lane, seq); err != nil {
				t.Fatal(err)
			}
		}
		if st := s.Status().Lanes[lane]; st.Files > st.Quota || st.Dropped+st.Damaged != 0 || st.Records != 0 {
			t.Errorf("lane %s: %+v", lane, st)
		}
	}
	if got := readAllOf(t, s, report.Event); len(got) != 0 {
		t.Errorf("%d events nobody made", len(got))
	}
	next := s.Head(report.Complaint).Next
	if err := s.Ack(report.Complaint, next); err == nil {
		t.Error("acknowledged a number that was not given")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, "/s", small(disk))
	for _, lane := range report.Lanes() {
		if h := s.Head(lane); h.First != 301 || h.Next != 301 {
			t.Errorf("lane %s after reopening: %+v", lane, h)
		}
	}
	if got := readAllOf(t, s, report.Event); len(got) != 0 {
		t.Errorf("%d events nobody made", len(got))
	}
}

func TestFullComplaintLaneRefusesAndLosesNothing(t *testing.T) {
	s := mustOpen(t, "/s", small(memdisk.New()))
	var n uint64
	for {
		seq, err := s.Append(context.Background(), report.Complaint, "test", n)
		if err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
		n = seq
	}
	if n != 6*3 { // six segments of three pages behind their headers
		t.Errorf("%d presses fitted, want 18", n)
	}
	if got := readAllOf(t, s, report.Complaint); len(got) != int(n) {
		t.Errorf("%d of %d readable", len(got), n)
	}
	if err := s.Ack(report.Complaint, 3); err != nil {
		t.Fatal(err)
	}
	if seq := mustAppend(t, s, report.Complaint, "after"); seq != n+1 {
		t.Errorf("number %d after room was made, want %d", seq, n+1)
	}
}

func TestFullEventLaneDropsTheOldestAndSaysWhich(t *testing.T) {
	s := mustOpen(t, "/s", small(memdisk.New()))
	for i := range 600 {
		mustAppend(t, s, report.Event, i)
	}
	h := s.Head(report.Event)
	if h.First == 1 {
		t.Fatal("nothing was dropped")
	}
	holes := gaps(t, readAllOf(t, s, report.Event))
	for seq := range h.First - 1 {
		if seq+1 > 300 && !explained(holes, report.Event, seq+1, report.GapFull) {
			t.Fatalf("event %d is gone without a word; gaps %v", seq+1, holes)
		}
	}
}

func TestFullTelemetryLaneDropsTheOldest(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	noise := bytes.Repeat([]byte("x"), 100)
	for i := range 6000 {
		mustAppend(t, s, report.Telemetry, fmt.Sprintf("%s%x", noise, report.HashLine(fmt.Append(nil, i))))
	}
	first := s.Head(report.Telemetry).First
	if first == 1 {
		t.Fatal("nothing was dropped")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, "/s", small(disk))
	got := readAllOf(t, s, report.Telemetry)
	checkLines(t, s, report.Telemetry, got)
	if last := got[len(got)-1].Seq; last != 6000 {
		t.Errorf("newest is %d", last)
	}
	holes := gaps(t, readAllOf(t, s, report.Event))
	for seq := uint64(1); seq < got[0].Seq; seq++ {
		if !explained(holes, report.Telemetry, seq, report.GapFull) {
			t.Fatalf("%d is gone without a word; gaps %v", seq, holes)
		}
	}
}

// gaps returns the gap records among the entries.
func gaps(t testing.TB, entries []report.Entry) (out []report.Gap) {
	t.Helper()
	for _, e := range entries {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == report.KindGap {
			out = append(out, decode[report.Gap](t, r.Body))
		}
	}
	return out
}

func explained(holes []report.Gap, lane report.Lane, seq uint64, reasons ...string) bool {
	for _, g := range holes {
		if g.Lane == lane && g.From <= seq && seq <= g.To {
			for _, r := range reasons {
				if g.Reason == r {
					return true
				}
			}
			if len(reasons) == 0 {
				return true
			}
		}
	}
	return false
}

func TestSixteenWritersShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		disk.SyncTime = time.Millisecond
		s := mustOpen(t, "/s", options(disk))
		before := s.Status().Syncs
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := range 20 {
					if _, err := s.Append(context.Background(), report.Complaint, "test", fmt.Sprint(w, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := s.Status().Syncs - before; n > 320/4 {
			t.Errorf("%d syncs for 320 records of 16 writers", n)
		}
		got := readAllOf(t, s, report.Complaint)
		if len(got) != 320 {
			t.Errorf("%d records", len(got))
		}
		checkLines(t, s, report.Complaint, got)
	})
}

// TestTelemetryWearsNoFlash: ten records a second for an hour cost less than a
// twentieth of a page each, and those that the broker has before they are due
// cost nothing.
func TestTelemetryWearsNoFlash(t *testing.T) {
	for _, online := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := mustOpen(t, "/s", options(memdisk.New()))
			before := s.Status()
			const records = 36_000
			for i := range records {
				seq := mustAppend(t, s, report.Telemetry, report.StreamStats{
					Name: fmt.Sprintf("cam-%d", i%12), WindowMS: 10_000, FPS: 24.9 + float64(i%7)/100,
					BitsPerS: 2_000_000 + int64(i*7919%100_000), Packets: uint64(i * 211), SinceFrameMS: int64(i % 41),
				})
				if online {
					if err := s.Ack(report.Telemetry, seq); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
			after := s.Status()
			each := float64(after.Bytes-before.Bytes) / records
			t.Logf("online %v: %.1f bytes and %.4f syncs a record", online, each, float64(after.Syncs-before.Syncs)/records)
			if each > pageSize/20 {
				t.Errorf("%.1f bytes a record, want less than a 20th of a page", each)
			}
		})
	}
}

// TestTelemetryIsDurableAfterItsDelay: a power cut takes what is younger.
func TestTelemetryIsDurableAfterItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		old := mustAppend(t, s, report.Telemetry, "old")
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		young := mustAppend(t, s, report.Telemetry, "young")
		s = mustOpen(t, "/s", small(disk.Clone()))
		got := readAllOf(t, s, report.Telemetry)
		if len(got) != 1 || got[0].Seq != old {
			t.Errorf("%d records after the cut, want the old one", len(got))
		}
		if next := s.Head(report.Telemetry).Next; next <= young {
			t.Errorf("next number is %d, but %d may have been sent", next, young)
		}
		if holes := gaps(t, readAllOf(t, s, report.Event)); !explained(holes, report.Telemetry, young, report.GapTorn) {
			t.Errorf("%d is not explained: %v", young, holes)
		}
	})
}

// TestTelemetryRidesOnOtherCommits: telemetry that is half as old as it may
// become goes to the disk with a record that is durable at once, and younger
// one waits.
func TestTelemetryRidesOnOtherCommits(t *testing.T) {
	for _, lane := range report.Lanes()[:2] {
		synctest.Test(t, func(t *testing.T) {
			disk := memdisk.New()
			s := mustOpen(t, "/s", small(disk))
			durable := func() int {
				return len(readAllOf(t, mustOpen(t, "/s", small(disk.Clone())), report.Telemetry))
			}
			mustAppend(t, s, report.Telemetry, 1)
			time.Sleep(4 * time.Second)
			mustAppend(t, s, lane, "too early")
			synctest.Wait()
			if n := durable(); n != 0 {
				t.Errorf("%s: %d measurements after 4 s, want none", lane, n)
			}
			time.Sleep(2 * time.Second)
			mustAppend(t, s, report.Telemetry, 2)
			mustAppend(t, s, lane, "the disk is awake")
			synctest.Wait()
			if n := durable(); n != 2 {
				t.Errorf("%s: %d measurements after 6 s, want both", lane, n)
			}
		})
	}
}
