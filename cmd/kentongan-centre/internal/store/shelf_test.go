package store

import (
	"errors"
	"testing"
	"time"

	"kentongan/agent/report"
)

func TestShelfHidesUntilItsTime(t *testing.T) { onEach(t, testShelfHidesUntilItsTime) }

func testShelfHidesUntilItsTime(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ctx := t.Context()
	now := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	if err := s.PutAgency(ctx, Agency{ID: "dishub", Name: report.Text{ID: "Dishub", EN: "Dishub"}}); err != nil {
		t.Fatal(err)
	}
	commit(t, s, Arrival{Device: "cam-1", At: now, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1"}})
	a := report.Alarm{ID: "0000000000000001", N: 1, Source: "stream/gate", Condition: "black", Severity: report.Major, State: report.AlarmRaised, Since: now}
	commit(t, s, batch("cam-1", report.Event, 1, 2, rec(t, "cam-1", report.Event, 1, report.KindAlarm, a)))
	red := func(at time.Time) int {
		t.Helper()
		problems, err := s.Problems(ctx, at, 10)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Alarms(ctx, AlarmFilter{Now: at, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != len(problems) {
			t.Errorf("%d alarms and %d problems", len(list), len(problems))
		}
		return len(problems)
	}
	if red(now) != 1 {
		t.Fatal("the alarm is not red")
	}
	var bad *InputError
	if err := s.Shelve(ctx, Shelf{Device: "cam-1", Source: a.Source, Condition: a.Condition, At: now, Until: now.Add(25 * time.Hour)}); !errors.As(err, &bad) {
		t.Errorf("for 25 hours: %v", err)
	}
	if err := s.Shelve(ctx, Shelf{Device: "cam-1", Source: a.Source, Condition: a.Condition, At: now, Until: now.Add(time.Hour), Who: "Sari", Reason: "technician"}); err != nil {
		t.Fatal(err)
	}
	if red(now.Add(59*time.Minute)) != 0 || red(now.Add(time.Hour)) != 1 {
		t.Error("it is not put aside for an hour")
	}
	list, err := s.Shelved(ctx, now)
	if err != nil || len(list) != 1 || !list[0].Stands || list[0].Who != "Sari" {
		t.Errorf("shelf %+v, %v", list, err)
	}
	if err := s.For(OfAgency("dishub")).Unshelve(ctx, "cam-1", a.Source, a.Condition); err != nil || red(now) != 0 {
		t.Errorf("another agency brought it back: %v", err)
	}
	if err := s.Unshelve(ctx, "cam-1", a.Source, a.Condition); err != nil || red(now) != 1 {
		t.Errorf("it was not brought back: %v", err)
	}
}

func TestLooksAreCountedByDay(t *testing.T) { onEach(t, testLooksAreCountedByDay) }

func testLooksAreCountedByDay(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	look := func(dev string, seq uint64, at time.Time, class string) report.Received {
		r, err := report.NewRecord(dev, report.Telemetry, 1, seq, report.Hash{}, report.Stamp{Time: at, Clock: report.ClockSynced, Boot: "b"}, report.KindAppStats, report.AppStats{Name: "e-lpse", Class: class})
		if err != nil {
			t.Fatal(err)
		}
		line, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return report.Received{Record: r, Line: line}
	}
	// 23:59 and 00:01 in WIB are two days, and the same in UTC.
	midnight := time.Date(2026, 11, 25, 17, 0, 0, 0, time.UTC)
	late, early := midnight.Add(-time.Minute), midnight.Add(time.Minute)
	first := batch("cam-1", report.Telemetry, 1, 5, look("cam-1", 1, late, ""), look("cam-1", 2, late, "timeout"), look("cam-1", 3, early, "slow"), look("cam-1", 4, early, "dns"))
	commit(t, s, first)
	commit(t, s, first) // a double counts once
	commit(t, s, batch("cam-2", report.Telemetry, 1, 2, look("cam-2", 1, early, "")))
	days, err := s.AppDays(t.Context(), late)
	want := []AppDay{{"e-lpse", "2026-11-25", 2, 1, 1}, {"e-lpse", "2026-11-26", 3, 2, 2}}
	if err != nil || len(days) != 2 || days[0] != want[0] || days[1] != want[1] {
		t.Errorf("%+v, %v; want %+v", days, err, want)
	}
	if got := DayStart(DayOf(early)); !got.Equal(midnight) {
		t.Errorf("the day begins at %s", got)
	}
}
