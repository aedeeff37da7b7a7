package store

import (
	"fmt"
	"testing"
	"time"

	"kentongan/agent/report"
)

func TestPruneTakesMeasurementsOnly(t *testing.T) { onEach(t, testPruneTakesMeasurementsOnly) }

func testPruneTakesMeasurementsOnly(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	stats := func(from, to uint64) (rs []report.Received) {
		for seq := from; seq <= to; seq++ {
			rs = append(rs, rec(t, "k1", report.Telemetry, seq, report.KindStreamStats, report.StreamStats{Name: "gate", FPS: 25}))
		}
		return rs
	}
	at := func(day int, a Arrival) Arrival {
		a.At = t0.Add(time.Duration(day) * 24 * time.Hour)
		return a
	}
	alarm := func(day int, id string, n uint64, state string) Arrival {
		return at(day, batch("k1", report.Event, 1, n+1, rec(t, "k1", report.Event, n, report.KindAlarm, report.Alarm{ID: id, N: n, Source: "stream/gate", Condition: "stream.silent", Severity: report.Major, State: state, Since: t0})))
	}
	commit(t, s,
		at(0, batch("k1", report.Telemetry, 1, 1201, append(stats(1, 1199), stats(1201, 1250)...)...)), // 1200 is a hole
		at(0, batch("k1", report.Complaint, 1, 2, press(t, "k1", 1))),
		alarm(0, "old", 1, report.AlarmRaised), alarm(0, "old", 2, report.AlarmCleared),
		alarm(0, "stands", 3, report.AlarmRaised),
		alarm(9, "new", 4, report.AlarmRaised), alarm(9, "new", 5, report.AlarmCleared),
		at(9, batch("k1", report.Telemetry, 1, 1261, stats(1251, 1260)...)))
	before := account(t, s, "k1", report.Telemetry)
	keep := Retention{Telemetry: 7 * 24 * time.Hour, Alarms: 7 * 24 * time.Hour}
	now := t0.Add(10 * 24 * time.Hour)
	records, alarms, err := s.Prune(t.Context(), keep, now)
	if err != nil || records != 1249 || alarms != 1 {
		t.Fatalf("pruned %d records and %d alarms (%v), want 1249 and 1", records, alarms, err)
	}
	if records, alarms, err = s.Prune(t.Context(), keep, now); err != nil || records != 0 || alarms != 0 {
		t.Errorf("again: %d and %d (%v), want nothing", records, alarms, err)
	}
	if got := account(t, s, "k1", report.Telemetry); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("account %+v, want it as it was: %+v", got, before)
	}
	if e := account(t, s, "k1", report.Event); e.Received != 5 {
		t.Errorf("events %+v, want all 5", e)
	}
	if list, err := s.Complaints(t.Context(), ComplaintFilter{}); err != nil || len(list) != 1 {
		t.Errorf("complaints %+v (%v), want the one", list, err)
	}

	// What comes again was here, and what fills the hole was not.
	done := commit(t, s, at(10, batch("k1", report.Telemetry, 1, 1261, stats(5, 9)...)), at(10, batch("k1", report.Telemetry, 1, 1261, stats(1200, 1200)...)))
	if done.Records != 1 || done.Duplicates != 5 {
		t.Errorf("committed %+v, want 5 doubles and a record", done)
	}
	if got := account(t, s, "k1", report.Telemetry); got.Received != 1260 || got.Explained != 0 || got.Missing+got.Waiting != 0 {
		t.Errorf("account %+v, want 1260 received and nothing else", got)
	}
}
