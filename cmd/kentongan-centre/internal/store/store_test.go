package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

const testEpoch report.Epoch = 0xe1

var t0 = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func rec(t testing.TB, dev string, lane report.Lane, seq uint64, kind string, body any) report.Received {
	t.Helper()
	r, err := report.NewRecord(dev, lane, testEpoch, seq, report.Hash{}, report.Stamp{Time: t0, Clock: report.ClockSynced, Boot: "b1", Uptime: time.Duration(seq) * time.Second}, kind, body)
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return report.Received{Record: r, Line: line}
}

func press(t testing.TB, dev string, seq uint64) report.Received {
	return rec(t, dev, report.Complaint, seq, report.KindPress, report.Press{Ticket: report.NewTicket(7, seq).String(), Category: "x", Presses: 1})
}

func batch(dev string, lane report.Lane, first, next uint64, rs ...report.Received) Arrival {
	return Arrival{Device: dev, At: t0, Batch: &report.Batch{Head: report.Head{Lane: lane, Epoch: testEpoch, First: first, Next: next}, Records: rs}}
}

func commit(t testing.TB, s *Store, as ...Arrival) Committed {
	t.Helper()
	done, err := s.Commit(context.Background(), as)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func account(t *testing.T, s *Store, dev string, lane report.Lane) Lane {
	t.Helper()
	list, err := s.Lanes(context.Background(), dev)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if l.Lane == string(lane) {
			return l
		}
	}
	t.Fatalf("no lane %s of %s", lane, dev)
	return Lane{}
}

func TestCommitKeepsEachRecordOnce(t *testing.T) { onEach(t, testCommitKeepsEachRecordOnce) }

func testCommitKeepsEachRecordOnce(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	done := commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), press(t, "k1", 3), press(t, "k1", 2), press(t, "k1", 2)))
	if done.Records != 3 || done.Duplicates != 1 || len(done.Complaints) != 3 {
		t.Errorf("committed %+v, want 3 records, 1 double, 3 complaints", done)
	}
	if len(done.Receipts) != 1 || done.Receipts[0].Seq != 3 {
		t.Errorf("receipts %+v, want one for 3", done.Receipts)
	}
	if want := report.HashLine(press(t, "k1", 3).Line); done.Receipts[0].Hash == nil || *done.Receipts[0].Hash != want {
		t.Errorf("hash %v, want that of record 3, %v", done.Receipts[0].Hash, want)
	}
}

// Same number, other content: the first stays, and it is an alarm.
func TestConflictNeverOverwrites(t *testing.T) { onEach(t, testConflictNeverOverwrites) }

func testConflictNeverOverwrites(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 2, press(t, "k1", 1)))
	other := rec(t, "k1", report.Complaint, 1, report.KindPress, report.Press{Ticket: "forged", Category: "y", Presses: 1})
	done := commit(t, s, batch("k1", report.Complaint, 1, 2, other, other))
	if done.Conflicts != 2 || done.Records != 0 || done.Duplicates != 0 {
		t.Errorf("committed %+v, want 2 conflicts only", done)
	}
	list, err := s.Complaints(context.Background(), ComplaintFilter{})
	if err != nil || len(list) != 1 || list[0].Category != "x" {
		t.Errorf("complaints %+v (%v), want the first alone", list, err)
	}
	problems, err := s.Problems(context.Background(), time.Now(), 10)
	if err != nil || len(problems) != 1 || problems[0].What != "conflict" || problems[0].Count != 2 {
		t.Errorf("problems %+v (%v), want the conflict", problems, err)
	}
}

func TestForeignRecordIsRefused(t *testing.T) { onEach(t, testForeignRecordIsRefused) }

func testForeignRecordIsRefused(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	done := commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k2", 1), press(t, "k1", 2)))
	if done.Records != 1 || len(done.Refused) != 1 {
		t.Errorf("committed %+v, want one record and one refused", done)
	}
	if list, err := s.Devices(context.Background(), "k2"); err != nil || len(list) != 0 {
		t.Errorf("devices %+v (%v): a record made one up", list, err)
	}
}

// The account comes back from the database as it was in memory.
func TestAccountSurvivesReopen(t *testing.T) { onEach(t, testAccountSurvivesReopen) }

func testAccountSurvivesReopen(t *testing.T, place func(testing.TB) string) {
	dir := place(t)
	s := open(t, dir)
	gap := rec(t, "k1", report.Event, 1, report.KindGap, report.Gap{Lane: report.Complaint, Epoch: testEpoch, From: 4, To: 5, Count: 2, Reason: report.GapDamage})
	commit(t, s,
		batch("k1", report.Complaint, 3, 12, press(t, "k1", 2), press(t, "k1", 7), press(t, "k1", 9)),
		batch("k1", report.Event, 1, 2, gap))
	want := account(t, s, "k1", report.Complaint)
	if want.Received != 3 || want.Explained != 2 || want.Missing != 1 || want.Waiting != 5 || want.Thru != 2 {
		t.Errorf("account %+v, want 3 received, 2 explained, 1 missing (1), 5 waiting (3, 6, 8, 10, 11), thru 2", want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := account(t, s, "k1", report.Complaint); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after reopening %+v, want %+v", got, want)
	}
	done := commit(t, s, batch("k1", report.Complaint, 3, 12, press(t, "k1", 3), press(t, "k1", 6), press(t, "k1", 8), press(t, "k1", 7)))
	if done.Records != 3 || done.Duplicates != 1 || done.Receipts[0].Seq != 9 {
		t.Errorf("committed %+v, want 3 new, 1 double, receipt for 9", done)
	}
	if all, err := s.Receipts(context.Background()); err != nil || len(all) != 2 {
		t.Errorf("receipts %+v (%v), want those of both chained lanes", all, err)
	}
}

// What fails is as if it had never been, in memory too.
func TestFailedCommitLeavesNothing(t *testing.T) { onEach(t, testFailedCommitLeavesNothing) }

func testFailedCommitLeavesNothing(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 2, press(t, "k1", 1)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Commit(ctx, []Arrival{batch("k1", report.Complaint, 1, 4, press(t, "k1", 2), press(t, "k1", 3))}); !errors.Is(err, context.Canceled) {
		t.Fatalf("commit: %v, want canceled", err)
	}
	if got := account(t, s, "k1", report.Complaint); got.Received != 1 || got.Next != 2 {
		t.Errorf("account %+v, want one record", got)
	}
	if done := commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 2), press(t, "k1", 3))); done.Records != 2 || done.Receipts[0].Seq != 3 {
		t.Errorf("the same again: %+v, want 2 records", done)
	}
}

func TestDeviceStatePairsSessions(t *testing.T) { onEach(t, testDeviceStatePairsSessions) }

func testDeviceStatePairsSessions(t *testing.T, place func(testing.TB) string) {
	state := func(what, session string) *report.DeviceState {
		return &report.DeviceState{V: 1, State: what, Session: session, Since: t0}
	}
	on, off := report.Online, report.Offline
	tests := map[string]struct {
		says []*report.DeviceState
		want string
	}{
		"birth":                           {[]*report.DeviceState{state(on, "b.1")}, on},
		"will of the session":             {[]*report.DeviceState{state(on, "b.1"), state(off, "b.1")}, off},
		"late will of an older one":       {[]*report.DeviceState{state(on, "b.1"), state(on, "b.2"), state(off, "b.1")}, on},
		"ten is after nine":               {[]*report.DeviceState{state(on, "b.10"), state(off, "b.9")}, on},
		"will of a session we missed":     {[]*report.DeviceState{state(on, "b.1"), state(off, "b.2")}, off},
		"late will of the boot before":    {[]*report.DeviceState{state(on, "a.7"), state(on, "b.1"), state(off, "a.7")}, on},
		"back after a boot":               {[]*report.DeviceState{state(on, "a.7"), state(off, "a.7"), state(on, "b.1")}, on},
		"old birth delivered again":       {[]*report.DeviceState{state(on, "b.2"), state(off, "b.2"), state(on, "b.1")}, off},
		"sessions without a number":       {[]*report.DeviceState{state(on, "x"), state(off, "y")}, on},
		"offline is all that we heard":    {[]*report.DeviceState{state(off, "b.1")}, off},
		"a state that is neither is none": {[]*report.DeviceState{state(on, "b.1"), state("sleeping", "b.1")}, on},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t, place(t))
			for _, st := range tt.says {
				commit(t, s, Arrival{Device: "k1", At: t0, State: st})
			}
			list, err := s.Devices(context.Background(), "k1")
			if err != nil || len(list) != 1 || list[0].State != tt.want {
				t.Errorf("devices %+v (%v), want %s", list, err, tt.want)
			}
		})
	}
}

// A kiosk that was switched on without a network learns the time later; its
// earlier presses get the right one.
func TestTimeIsCorrectedWhenTheClockIsSet(t *testing.T) {
	onEach(t, testTimeIsCorrectedWhenTheClockIsSet)
}

func testTimeIsCorrectedWhenTheClockIsSet(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	unset, err := report.NewRecord("k1", report.Complaint, testEpoch, 1, report.Hash{}, report.Stamp{Time: time.Unix(90, 0), Clock: report.ClockUnset, Boot: "b1", Uptime: 90 * time.Second}, report.KindPress, report.Press{Presses: 1})
	if err != nil {
		t.Fatal(err)
	}
	line, err := unset.Encode()
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, batch("k1", report.Complaint, 1, 2, report.Received{Record: unset, Line: line}))
	commit(t, s, batch("k1", report.Event, 1, 2, rec(t, "k1", report.Event, 1, report.KindClock, report.ClockSet{Boot: "b1", BootedAt: t0, Clock: report.ClockSynced})))
	list, err := s.Complaints(context.Background(), ComplaintFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("complaints %+v (%v), want one", list, err)
	}
	if want := t0.Add(90 * time.Second); !list[0].Time.Equal(want) || list[0].Clock != "corrected" {
		t.Errorf("time %s (%s), want %s corrected", list[0].Time, list[0].Clock, want)
	}
}

func TestStreamsFollowTheBirth(t *testing.T) { onEach(t, testStreamsFollowTheBirth) }

func testStreamsFollowTheBirth(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	birth := func(session string, streams ...string) Arrival {
		return Arrival{Device: "k1", At: t0, State: &report.DeviceState{V: 1, State: report.Online, Session: session, Streams: streams}}
	}
	commit(t, s, birth("b.1", "gate", "yard"),
		Arrival{Device: "k1", At: t0, Stream: &report.StreamState{Name: "gate", State: "failed"}},
		Arrival{Device: "k1", At: t0, Stream: &report.StreamState{Name: "yard", State: "playing"}})
	commit(t, s, Arrival{Device: "k1", At: t0.Add(time.Hour), Stream: &report.StreamState{Name: "gate", State: "failed", Attempts: 9}})
	list, err := s.Streams(context.Background(), "k1")
	if err != nil || len(list) != 2 || !list[0].Since.Equal(t0) || list[0].Doc.Attempts != 9 {
		t.Errorf("streams %+v (%v), want gate failed since the first word of it", list, err)
	}
	commit(t, s, birth("b.2", "yard"))
	if list, err = s.Streams(context.Background(), ""); err != nil || len(list) != 1 || list[0].Name != "yard" {
		t.Errorf("streams %+v (%v), want yard alone", list, err)
	}
}

func TestEpochsAreBounded(t *testing.T) { onEach(t, testEpochsAreBounded) }

func testEpochsAreBounded(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	var refused int
	for n := range maxEpochs + 10 {
		a := batch("k1", report.Telemetry, 1, 2)
		a.Batch.Head.Epoch = report.Epoch(n + 1)
		refused += len(commit(t, s, a).Refused)
	}
	if refused != 10 {
		t.Errorf("%d epochs refused, want 10", refused)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) { onEach(t, testNewerSchemaIsRefused) }

func testNewerSchemaIsRefused(t *testing.T, place func(testing.TB) string) {
	dir := place(t)
	s := open(t, dir)
	if err := s.conn.(migrated).setVersion(context.Background(), 99); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openPlace(dir); err == nil || !strings.Contains(err.Error(), "newer than this program") {
		t.Errorf("open: %v, want that the schema is newer", err)
	}
}
