package spool

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// heard keeps what was logged at Warn or above.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *heard) WithGroup(string) slog.Handler                { return h }

func (h *heard) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	h.lines = append(h.lines, line)
	return nil
}

// about returns the lines that hold a word.
func (h *heard) about(word string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(slices.DeleteFunc(slices.Clone(h.lines), func(l string) bool { return !strings.Contains(l, word) }), "; ")
}

// TestTelemetryLostWithMemoryIsNoDamage: a device was killed before it wrote
// any telemetry, and called the 4096 numbers that it had reserved damaged.
func TestTelemetryLostWithMemoryIsNoDamage(t *testing.T) {
	for name, flushed := range map[string]int{"first run": 0, "after some were written": 3} {
		t.Run(name, func(t *testing.T) {
			disk := memdisk.New()
			s := mustOpen(t, "/s", small(disk))
			for i := range flushed {
				mustAppend(t, s, report.Telemetry, i)
			}
			if flushed > 0 { // Close writes them, and the next life goes on
				_ = s.Close()
				s = mustOpen(t, "/s", small(disk))
			}
			young := mustAppend(t, s, report.Telemetry, "in memory")
			log := &heard{}
			o := small(disk.Clone())
			o.Log = slog.New(log)
			for range 3 { // a restart changes nothing
				o.FS = o.FS.(*memdisk.Disk).Clone()
				s = mustOpen(t, "/s", o)
			}
			holes := gaps(t, readAllOf(t, s, report.Event))
			if len(holes) != 3 || !explained(holes, report.Telemetry, young, report.GapTorn) {
				t.Errorf("%+v, want one torn gap for each restart", holes)
			}
			if len(log.lines) > 0 || s.Status().Lanes[report.Telemetry].Damaged > 0 {
				t.Errorf("said %q", log.lines)
			}
		})
	}
}

// TestAckWhileASegmentBegins: telemetry that was acknowledged from memory on
// its way to a new segment took the rest of its block along.
func TestAckWhileASegmentBegins(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	for i := range 10 {
		mustAppend(t, s, report.Telemetry, i)
	}
	disk.Mu.Lock()
	disk.Fault = func(op, name string, _ int64) error {
		if op == "openrw" && strings.Contains(name, "/telemetry/") {
			return s.Ack(report.Telemetry, 6)
		}
		return nil
	}
	disk.Mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Fault = nil
	s = mustOpen(t, "/s", small(disk))
	if got := readAllOf(t, s, report.Telemetry); len(got) != 4 || got[0].Seq != 7 {
		t.Errorf("%d records after reopening, want 7 to 10", len(got))
	}
	if got := readAllOf(t, s, report.Event); len(got) != 0 {
		t.Errorf("an event nobody made: %s", got[0].Line)
	}
}

// TestCloseThatCannotWriteTelemetryGivesNoNumberTwice: the numbers of records
// that were in memory may have been sent.
func TestCloseThatCannotWriteTelemetryGivesNoNumberTwice(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	young := mustAppend(t, s, report.Telemetry, "in memory")
	r := refuse{err: syscall.EIO, ops: "write", part: "/telemetry/"}
	r.on(disk, math.MaxInt64)
	if err := s.Close(); err == nil {
		t.Error("Close said nothing")
	}
	r.on(disk, 0)
	s = mustOpen(t, "/s", small(disk))
	if next := s.Head(report.Telemetry).Next; next <= young || s.Status().Clean {
		t.Errorf("next is %d after %d was given, clean %v", next, young, s.Status().Clean)
	}
	if holes := gaps(t, readAllOf(t, s, report.Event)); !explained(holes, report.Telemetry, young, report.GapTorn) {
		t.Errorf("%d is not explained: %v", young, holes)
	}
}

// TestGapRecordOutlivesAnAcknowledgement: numbers are found damaged while the
// event lane can't be written, the centre acknowledges beyond them, and the
// power goes before the gap record is durable.
func TestGapRecordOutlivesAnAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		for i := range 9 {
			mustAppend(t, s, report.Complaint, i)
		}
		disk.Dirs["/s/complaint"]["000001.seg"].Pages[2] = nil // record 2
		r := refuse{err: syscall.EIO, ops: "write sync", part: "/event/"}
		r.on(disk, math.MaxInt64)
		if got := readAllOf(t, s, report.Complaint); len(got) != 8 {
			t.Fatalf("%d records, want all but one", len(got))
		}
		synctest.Wait()
		if err := s.Ack(report.Complaint, 9); err != nil {
			t.Fatal(err)
		}
		for i := range 12 { // the damaged segment gets a new life
			mustAppend(t, s, report.Complaint, i)
		}
		r.on(disk, 0)
		s2 := mustOpen(t, "/s", small(disk.Clone()))
		holes := gaps(t, readAllOf(t, s2, report.Event))
		for seq := uint64(1); seq < 10; seq++ {
			if got := explained(holes, report.Complaint, seq); got != (seq == 2) {
				t.Errorf("complaint %d is in a gap: %v; %+v", seq, got, holes)
			}
		}
		if h := s2.Head(report.Complaint); h.First != 10 {
			t.Errorf("%+v, want 10 to be the first", h)
		}
	})
}

// TestCursorOfManyHolesFitsItsPage: a cursor that does not would stop the
// telemetry lane.
func TestCursorOfManyHolesFitsItsPage(t *testing.T) {
	c := cursors{Version: formatVersion, Epoch: 7, Lanes: map[report.Lane]*laneCursor{}}
	for _, lane := range report.Lanes() {
		l := &laneCursor{First: 1, Next: math.MaxUint64}
		for i := range uint64(maxKnown) {
			l.Known = append(l.Known, report.Range{From: math.MaxUint64 - 1000 + 2*i, To: math.MaxUint64 - 1000 + 2*i})
		}
		for range maxPending {
			l.Pending = append(l.Pending, hole{Range: l.Known[0], Reason: report.GapDamage})
		}
		c.Lanes[lane] = l
	}
	page, err := encodeSlot(1, c)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := decodeSlot(page)
	if err != nil || len(got.Lanes[report.Event].Pending) != maxPending {
		t.Errorf("%+v, %v", got, err)
	}
	page[600] = 0 // the power went between two sectors
	if _, _, err := decodeSlot(page); err == nil || !tearable(page) {
		t.Error("a torn slot is taken, or called damaged")
	}
}
