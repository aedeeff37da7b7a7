package spool

import (
	"testing"

	"kentongan/agent/report"
)

// What is signed is the last record on the disk, also after a restart and after
// all of it was acknowledged.
func TestNewestIsTheLastDurableRecord(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small(nil))
	if _, seq, hash := s.Newest(report.Event); seq != 0 || hash != (report.Hash{}) {
		t.Errorf("of an empty lane %d %s, want none", seq, hash)
	}
	for n := range 40 { // more than a segment
		seq := mustAppend(t, s, report.Event, map[string]any{"n": n, "fill": make([]byte, 600)})
		mustAppend(t, s, report.Telemetry, n)
		list, err := s.Read(report.Event, seq, 1, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d entries (%v), want one", len(list), err)
		}
		epoch, got, hash := s.Newest(report.Event)
		if epoch != s.Epoch() || got != seq || hash != report.HashLine(list[0].Line) {
			t.Fatalf("newest is %s/%d %s, want %s/%d %s", epoch, got, hash, s.Epoch(), seq, report.HashLine(list[0].Line))
		}
	}
	_, seq, hash := s.Newest(report.Event)
	if err := s.Ack(report.Event, seq); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, small(nil))
	if _, again, h := s.Newest(report.Event); again != seq || h != hash {
		t.Errorf("after a restart %d %s, want %d %s", again, h, seq, hash)
	}
	if _, seq, _ := s.Newest(report.Telemetry); seq != 0 {
		t.Errorf("of telemetry %d, want none: it is not chained", seq)
	}
}
