package store

import (
	"testing"
	"time"

	"kentongan/agent/report"
)

// A start says anew what is wrong with the lines: a button that was mended while
// the device was off must not stay red. What comes late does not bring it back.
func TestStartClearsLines(t *testing.T) { onEach(t, testStartClearsLines) }

func testStartClearsLines(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	const dev = "kiosk-7"
	birth(t, s, dev)
	bad := func(seq uint64, line string) report.Received {
		return rec(t, dev, report.Event, seq, report.KindLine, report.LineState{Line: line, State: "missing"})
	}
	boot := rec(t, dev, report.Event, 3, report.KindBoot, report.Boot{Version: "1"})
	commit(t, s, batch(dev, report.Event, 1, 3, bad(1, "road"), bad(2, "water")))
	if got := redLines(t, s); len(got) != 2 {
		t.Fatalf("red lines %v, want two", got)
	}
	commit(t, s, batch(dev, report.Event, 1, 5, boot, bad(4, "water")))
	if got := redLines(t, s); len(got) != 1 || got[0] != "water" {
		t.Errorf("after the start red lines are %v, want water", got)
	}
}

func redLines(t *testing.T, s *Store) (names []string) {
	t.Helper()
	problems, err := s.Problems(t.Context(), time.Now(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.What == "line" {
			names = append(names, p.Name)
		}
	}
	return names
}

func birth(t *testing.T, s *Store, dev string) {
	t.Helper()
	commit(t, s, Arrival{Device: dev, At: t0, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Since: t0}})
}
