package store

import (
	"testing"
	"time"

	"kentongan/agent/report"
)

// History of a boot whose clock was not set gets its time once the device has told
// when that boot began, whichever comes first: complaints, events, and looks at
// applications, which count for the day on which they were made.
func TestHistoryIsCorrectedForClocks(t *testing.T) { onEach(t, testHistoryIsCorrectedForClocks) }

func testHistoryIsCorrectedForClocks(t *testing.T, place func(testing.TB) string) {
	unset := func(lane report.Lane, seq uint64, kind string, body any) report.Received {
		r, err := report.NewRecord("k1", lane, testEpoch, seq, report.Hash{}, report.Stamp{Time: time.Unix(90, 0), Clock: report.ClockUnset, Boot: "b1", Uptime: 90 * time.Second}, kind, body)
		if err != nil {
			t.Fatal(err)
		}
		line, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return report.Received{Record: r, Line: line}
	}
	came := t0.Add(3 * 24 * time.Hour) // three days later, out of the backlog
	history := []Arrival{
		{Device: "k1", At: came, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Apps: []string{"e-lpse"}}},
		batch("k1", report.Complaint, 1, 2, unset(report.Complaint, 1, report.KindPress, report.Press{Presses: 1})),
		batch("k1", report.Event, 1, 3, unset(report.Event, 1, report.KindStream, report.StreamState{Name: "gate", State: "playing"})),
		batch("k1", report.Telemetry, 1, 4,
			unset(report.Telemetry, 1, report.KindAppStats, report.AppStats{Name: "e-lpse"}),
			unset(report.Telemetry, 2, report.KindAppStats, report.AppStats{Name: "e-bansos", Class: "timeout"}),
			unset(report.Telemetry, 3, report.KindStreamStats, report.StreamStats{Name: "gate", FPS: 25})),
	}
	for i := range history {
		history[i].At, history[i].Backlog = came, true
	}
	clock := batch("k1", report.Event, 1, 3, rec(t, "k1", report.Event, 2, report.KindClock, report.ClockSet{Boot: "b1", BootedAt: t0, Clock: report.ClockSynced}))
	clock.At = came
	for name, order := range map[string][][]Arrival{
		"history first":    {history, {clock}},
		"the offset first": {{clock}, history},
		"in one group":     {append(append([]Arrival{}, history...), clock)},
	} {
		s := open(t, place(t))
		for _, group := range order {
			commit(t, s, group...)
		}
		want := t0.Add(90 * time.Second)
		if list, err := s.Complaints(t.Context(), ComplaintFilter{}); err != nil || len(list) != 1 || !list[0].Time.Equal(want) || list[0].Clock != Corrected {
			t.Errorf("%s: complaints %+v (%v), want one of %s, corrected", name, list, err, want)
		}
		list, err := s.Happenings(t.Context(), "k1", 10)
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: events %+v (%v), want two", name, list, err)
		}
		for _, h := range list {
			if h.Kind == report.KindStream && (!h.Time.Equal(want) || h.Clock != Corrected) {
				t.Errorf("%s: the event is of %s (%s), want %s, corrected", name, h.Time, h.Clock, want)
			}
		}
		if h, err := s.StreamHistory(t.Context(), "k1", t0); err != nil || len(h["gate"]) != 1 || !h["gate"][0].At.Equal(want) {
			t.Errorf("%s: measurements %+v (%v), want one of %s", name, h, err, want)
		}
		days, err := s.AppDays(t.Context(), t0.Add(-24*time.Hour))
		day := time.Unix(DayOf(want)*86400, 0).UTC().Format(time.DateOnly)
		if err != nil || len(days) != 2 || days[0] != (AppDay{"e-bansos", day, 1, 0, 1}) || days[1] != (AppDay{"e-lpse", day, 1, 1, 1}) {
			t.Errorf("%s: days %+v (%v), want a look at each application on %s", name, days, err, day)
		}
	}
}

// Until the offset is known a look counts for the day on which it came.
func TestLookOfAnUnsetClock(t *testing.T) { onEach(t, testLookOfAnUnsetClock) }

func testLookOfAnUnsetClock(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	r, err := report.NewRecord("k1", report.Telemetry, testEpoch, 1, report.Hash{}, report.Stamp{Time: time.Unix(90, 0), Clock: report.ClockUnset, Boot: "b1", Uptime: 90 * time.Second}, report.KindAppStats, report.AppStats{Name: "e-lpse"})
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, batch("k1", report.Telemetry, 1, 2, report.Received{Record: r, Line: line}))
	days, err := s.AppDays(t.Context(), t0.Add(-24*time.Hour))
	if err != nil || len(days) != 1 || days[0].Day != time.Unix(DayOf(t0)*86400, 0).UTC().Format(time.DateOnly) {
		t.Errorf("days %+v (%v), want the day on which it came", days, err)
	}
}
