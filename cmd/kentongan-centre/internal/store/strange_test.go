package store

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
)

// PostgreSQL has no text with a NUL in it. A device that says one must not stop
// the ingest: its records are kept as they are, and what is shown of them holds
// another character instead.
func TestStrangeTexts(t *testing.T) { onEach(t, testStrangeTexts) }

func testStrangeTexts(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	const nul = "a\x00b"
	text := report.Text{ID: nul, EN: nul}
	events := []report.Received{
		rec(t, "k1", report.Event, 1, report.KindAlarm, report.Alarm{ID: nul, N: 1, Source: nul, Condition: nul, Severity: nul, State: nul, Detail: nul, Label: nul}),
		rec(t, "k1", report.Event, 2, report.KindLine, report.LineState{Line: nul, State: nul, Detail: nul}),
		rec(t, "k1", report.Event, 3, report.KindCommand, report.CommandResult{ID: nul, Name: nul, State: report.CommandFailed, Reason: nul, Detail: nul}),
		rec(t, "k1", report.Event, 4, nul, map[string]string{nul: nul}),
		rec(t, "k1", report.Event, 5, report.KindGap, report.Gap{Lane: report.Telemetry, Epoch: testEpoch, From: 1, To: 2, Count: 2, Reason: nul}),
		rec(t, "k1", report.Event, 6, report.KindClock, report.ClockSet{Boot: nul, BootedAt: t0, Clock: nul}),
	}
	complaint := rec(t, "k1", report.Complaint, 1, report.KindPress, report.Press{Ticket: nul, Category: nul, ServiceCode: nul, Label: text, Line: nul, Presses: 1})
	done := commit(t, s,
		Arrival{Device: "k1", At: t0, State: &report.DeviceState{V: 1, State: report.Online, Session: nul, Site: nul, Version: nul, Boot: nul}},
		Arrival{Device: "k1", At: t0, Stream: &report.StreamState{Name: "gate", State: nul, Class: nul, Detail: nul, URL: nul}},
		Arrival{Device: "k1", At: t0, App: &report.AppState{Name: "e-lpse", State: nul, Class: nul, Detail: nul, Label: text}},
		Arrival{Device: "k1", At: t0, Alarms: &report.AlarmSet{V: 1, Ledger: nul, N: 2, Count: 1, Alarms: []report.AlarmLine{{ID: nul, N: 2, Source: nul, Condition: nul, Severity: nul, State: nul}}}},
		batch("k1", report.Event, 1, 7, events...), batch("k1", report.Complaint, 1, 2, complaint))
	if done.Records != 7 {
		t.Errorf("committed %+v, want 7 records", done)
	}
	again := commit(t, s, batch("k1", report.Event, 1, 7, events...), batch("k1", report.Complaint, 1, 2, complaint))
	if again.Duplicates != 7 || again.Conflicts != 0 {
		t.Errorf("the same again: %+v, want 7 doubles", again)
	}
	ctx := context.Background()
	if list, err := s.Complaints(ctx, ComplaintFilter{}); err != nil || len(list) != 1 {
		t.Errorf("complaints %+v (%v), want one", list, err)
	}
	if list, err := s.Problems(ctx, time.Now(), 10); err != nil || len(list) != 2 {
		t.Errorf("problems %+v (%v), want the alarm and the line", list, err)
	}
	if list, err := s.Happenings(ctx, "k1", 10); err != nil || len(list) != 6 {
		t.Errorf("%d events (%v), want 6", len(list), err)
	}
}
