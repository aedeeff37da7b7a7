package uplink

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// The same over the real spool: measurements wait on the disk, and a press that
// is appended to it while they leave reaches the centre in less than two round
// trips more than on an empty spool. KENTONGAN_SOAK makes it a million.
func TestPressOvertakesASpoolOfTelemetry(t *testing.T) {
	n := 50000
	if os.Getenv("KENTONGAN_SOAK") != "" {
		n = 1000000
	}
	const delay, rate = 150 * time.Millisecond, 8 << 10 // one way; bytes a second
	onto := func(s *spool.Spool) *way {
		return newWay(t, delay, rate, s, func() uint64 {
			seq, err := s.Append(t.Context(), report.Complaint, report.KindPress, report.Press{Line: "road", Presses: 1})
			if err != nil {
				t.Fatal(err)
			}
			return seq
		})
	}
	s := openSpool(t)
	full, idle := onto(s), onto(openSpool(t))
	u := full.u
	pressTimes(t, 5, full, idle) // both know their link
	began := time.Now()
	for i := range n {
		if _, err := s.Append(t.Context(), report.Telemetry, report.KindStreamStats, report.StreamStats{
			Name: "gate", WindowMS: 10000, FPS: 24.9, BitsPerS: int64(1900000 + i*7919%100000), Packets: uint64(i) * 371,
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d records appended in %v", n, time.Since(began).Round(time.Millisecond))
	waitFor(t, 20*time.Second, "the link is full", func() bool { return u.Status().Lanes[report.Telemetry].Brokered > 700 })
	more := extra(t, full, idle, 2*2*delay)
	left := s.Head(report.Telemetry).Backlog()
	t.Logf("%d records still wait", left)
	if left < 2000 { // more than the window holds
		t.Error("the backlog was gone: the test tests nothing")
	}
	if more >= 2*2*delay {
		t.Errorf("a press took %v more than on an empty spool, want under two round trips, %v", more, 4*delay)
	}
	u.stop()
	idle.u.stop()
}

// openSpool opens a real spool that closes with the test.
func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	began := time.Now()
	s, err := spool.Open(t.TempDir(), spool.Options{
		Device: testDevice,
		Epoch:  func() (report.Epoch, error) { return testEpoch, nil },
		Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "0badcafe", Uptime: time.Since(began)}
		},
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 256 << 20},
		Log:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
