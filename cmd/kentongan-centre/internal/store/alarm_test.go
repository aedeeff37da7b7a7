package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
)

// alarmDevice says things of alarms as a device does, each event with its number.
type alarmDevice struct {
	t   *testing.T
	s   *Store
	seq uint64
	tel uint64
	at  time.Time
}

func newAlarmDevice(t *testing.T, place func(testing.TB) string) *alarmDevice {
	d := &alarmDevice{t: t, s: open(t, place(t)), at: time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)}
	d.arrive(Arrival{State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Epoch: 1}})
	return d
}

func (d *alarmDevice) arrive(a Arrival) Committed {
	d.t.Helper()
	a.Device, a.At = "cam-1", d.at
	return commit(d.t, d.s, a)
}

func (d *alarmDevice) event(kind string, body any) Committed {
	d.t.Helper()
	d.seq++
	return d.arrive(batch("cam-1", report.Event, d.seq, d.seq+1, rec(d.t, "cam-1", report.Event, d.seq, kind, body)))
}

func (d *alarmDevice) telemetry(kind string, body any) Committed {
	d.t.Helper()
	d.tel++
	return d.arrive(batch("cam-1", report.Telemetry, d.tel, d.tel+1, rec(d.t, "cam-1", report.Telemetry, d.tel, kind, body)))
}

func anAlarm(id string, n uint64, state string) report.Alarm {
	return report.Alarm{ID: id, N: n, Source: "stream/gate", Condition: "silent", Severity: report.Major, State: state, Since: time.Unix(1795000000, 0), Text: report.Text{ID: "Kamera senyap", EN: "Camera is silent"}}
}

func (d *alarmDevice) set(n uint64, ids ...string) {
	s := &report.AlarmSet{V: 1, N: n, Ledger: "L", Count: len(ids)}
	for _, id := range ids {
		s.Alarms = append(s.Alarms, report.AlarmLine{ID: id, N: n, Source: "stream/gate", Condition: "silent", Severity: report.Major, State: report.AlarmRaised})
	}
	d.arrive(Arrival{Alarms: s})
}

// states is what the centre shows, as "a raised".
func (d *alarmDevice) states() []string {
	d.t.Helper()
	out := []string{}
	for _, ended := range []bool{false, true} {
		list, err := d.s.Alarms(context.Background(), AlarmFilter{Hidden: true, Ended: ended, Limit: 100})
		if err != nil {
			d.t.Fatal(err)
		}
		for _, a := range list {
			if ended != (a.Ended != nil) {
				d.t.Errorf("alarm %+v among ended=%v", a, ended)
			}
			text := a.ID + " " + a.State
			if a.Text.EN == "" {
				text += " textless"
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

func TestAlarmsFollowTheirNewestChange(t *testing.T) { onEach(t, testAlarmsFollowTheirNewestChange) }

func testAlarmsFollowTheirNewestChange(t *testing.T, place func(testing.TB) string) {
	tests := map[string]struct {
		do   func(d *alarmDevice)
		want []string
	}{
		"raised and acknowledged": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
			d.event(report.KindAlarm, anAlarm("a", 2, report.AlarmAcknowledged))
		}, []string{"a acknowledged"}},
		"an older change comes late": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 3, report.AlarmCleared))
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
		}, []string{"a cleared"}},
		"told twice after a power cut": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
		}, []string{"a raised"}},
		"the set comes before the event": {func(d *alarmDevice) {
			d.set(1, "a")
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
		}, []string{"a raised"}},
		"the set comes before a change": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
			d.set(2, "a")
			a := anAlarm("a", 2, report.AlarmAcknowledged)
			a.Text.EN = ""
			d.event(report.KindAlarm, a)
		}, []string{"a acknowledged textless"}}, // the whole of the event is there
		"only the set": {func(d *alarmDevice) { d.set(1, "a") }, []string{"a raised textless"}},
		"its end was dropped from a full lane": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
			d.set(5, "b")
		}, []string{"a cleared", "b raised textless"}},
		"an event of before the set that ended it": {func(d *alarmDevice) {
			d.set(5)
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
		}, []string{"a cleared"}},
		"an event of after the set": {func(d *alarmDevice) {
			d.set(5)
			d.event(report.KindAlarm, anAlarm("a", 6, report.AlarmRaised))
		}, []string{"a raised"}},
		"an older set, retained": {func(d *alarmDevice) {
			d.set(5, "a")
			d.set(3)
		}, []string{"a raised textless"}},
		"a device that lost its memory": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 900, report.AlarmRaised))
			d.set(900, "a")
			d.at = d.at.Add(2 * time.Minute)
			d.arrive(Arrival{Alarms: &report.AlarmSet{V: 1, N: 0, Ledger: "M"}})
		}, []string{"a cleared"}},
		"a set that does not name all": {func(d *alarmDevice) {
			d.event(report.KindAlarm, anAlarm("a", 1, report.AlarmRaised))
			d.arrive(Arrival{Alarms: &report.AlarmSet{V: 1, N: 200, Ledger: "L", Count: 129, Alarms: []report.AlarmLine{{ID: "b", N: 2, Source: "device", Condition: "stall", Severity: "minor", State: "raised"}}}})
		}, []string{"a raised", "b raised textless"}},
		"rubbish": {func(d *alarmDevice) {
			d.event(report.KindAlarm, report.Alarm{ID: "x"})
			d.event(report.KindAlarm, map[string]int{"id": 3})
			d.set(1, "")
		}, []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newAlarmDevice(t, place)
			tt.do(d)
			if got := d.states(); !slices.Equal(got, tt.want) {
				t.Errorf("centre shows %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAlarmSums(t *testing.T) { onEach(t, testAlarmSums) }

func testAlarmSums(t *testing.T, place func(testing.TB) string) {
	d := newAlarmDevice(t, place)
	a := anAlarm("a", 1, report.AlarmRaised)
	d.event(report.KindAlarm, a)
	a.ID, a.N, a.State = "b", 2, report.AlarmAcknowledged
	d.event(report.KindAlarm, a)
	a.ID, a.N, a.State = "c", 3, report.AlarmHidden
	d.event(report.KindAlarm, a)
	d.telemetry(report.KindDeviceStats, report.DeviceStats{Alarms: &report.AlarmCounts{Raised: 9, False: 2, CameraDays: 400}})
	sums, err := d.s.AlarmSums(context.Background(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rate, known := sums.FalseRate()
	if sums.Active[report.Major] != 2 || sums.Total() != 2 || sums.Unacked != 1 || sums.Hidden != 1 || sums.Raised != 9 || !known || rate != 5 {
		t.Errorf("sums %+v, rate %v", sums, rate)
	}
	now := time.Now()
	if err := d.s.Shelve(context.Background(), Shelf{Device: "cam-1", Source: a.Source, Condition: a.Condition, At: now, Until: now.Add(time.Hour), Who: "Sari", Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	for when, want := range map[time.Time]int64{now: 0, now.Add(2 * time.Hour): 2, {}: 2} {
		if sums, err := d.s.AlarmSums(context.Background(), when); err != nil || sums.Total() != want {
			t.Errorf("at %v, with a shelf until %v: %+v, %v; want %d alarms", when, now.Add(time.Hour), sums, err, want)
		}
	}
	if err := d.s.Unshelve(context.Background(), "cam-1", a.Source, a.Condition); err != nil {
		t.Fatal(err)
	}
	problems, err := d.s.Problems(context.Background(), time.Now(), 10)
	if err != nil || len(problems) != 2 || problems[0].Alarm == nil || problems[0].Alarm.Text.EN != "Camera is silent" {
		t.Errorf("problems %+v (%v), want the two alarms that stand", problems, err)
	}
}

// order keeps an order as the desk does.
func (d *alarmDevice) order(name, subject string) Order {
	d.t.Helper()
	id := fmt.Sprintf("%016x", time.Now().UnixNano())
	o, err := d.s.AddOrder(context.Background(), Order{ID: id, Device: "cam-1", Name: name, Subject: subject, Who: "Sari", Reason: "x", Asked: d.at, Expires: d.at.Add(10 * time.Minute)},
		func(counter uint64) ([]byte, error) { return fmt.Appendf(nil, "note %d", counter), nil })
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

func TestOrdersAreSentUntilAnswered(t *testing.T) { onEach(t, testOrdersAreSentUntilAnswered) }

func testOrdersAreSentUntilAnswered(t *testing.T, place func(testing.TB) string) {
	d := newAlarmDevice(t, place)
	ctx := context.Background()
	o := d.order(report.OrderSnapshot, "gate")
	next := d.order(report.OrderSnapshot, "yard")
	if next.Counter <= o.Counter {
		t.Errorf("counters %d, %d", o.Counter, next.Counter)
	}
	due := func(after time.Duration) (ids []string) {
		t.Helper()
		list, err := d.s.DueOrders(ctx, d.at.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			ids = append(ids, o.ID)
		}
		return ids
	}
	if got := due(0); !slices.Equal(got, []string{o.ID, next.ID}) {
		t.Fatalf("due %q, want both, in order", got)
	}
	var at time.Duration
	for _, wait := range []time.Duration{3, 6, 12, 24, 48, 60, 60} {
		for _, id := range []string{o.ID, next.ID} {
			if err := d.s.OrderSent(ctx, id, d.at.Add(at)); err != nil {
				t.Fatal(err)
			}
		}
		if got := due(at + wait*time.Second - time.Millisecond); len(got) != 0 {
			t.Errorf("due %v early: %q", wait, got)
		}
		if at += wait * time.Second; len(due(at)) != 2 {
			t.Errorf("not due after %v", wait)
		}
	}
	// A device that comes back gets it at once; one that is away, never.
	d.at = d.at.Add(at)
	for _, id := range []string{o.ID, next.ID} {
		if err := d.s.OrderSent(ctx, id, d.at.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	d.arrive(Arrival{State: &report.DeviceState{V: 1, State: report.Offline, Session: "b.1", Epoch: 1}})
	if got := due(time.Minute); len(got) != 0 {
		t.Errorf("due while the device is away: %q", got)
	}
	d.arrive(Arrival{State: &report.DeviceState{V: 1, State: report.Online, Session: "b.2", Epoch: 1}})
	if got := due(0); len(got) != 2 {
		t.Errorf("due %q when the device is back, want both", got)
	}
	// Answers: the first counts, and none of another device.
	d.event(report.KindCommand, report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandFailed, Detail: "no camera"})
	d.event(report.KindCommand, report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandSucceeded})
	d.event(report.KindCommand, report.CommandResult{ID: next.ID, Name: o.Name, State: "perhaps"})
	commit(t, d.s, batchAt(d, "cam-2", report.KindCommand, report.CommandResult{ID: next.ID, State: report.CommandSucceeded}))
	if got := due(0); !slices.Equal(got, []string{next.ID}) {
		t.Errorf("due %q, want the one that is not answered", got)
	}
	if changed, err := d.s.Upkeep(ctx, d.at.Add(time.Hour), time.Hour); err != nil || !changed {
		t.Errorf("upkeep: %v, %v", changed, err)
	}
	list, err := d.s.Orders(ctx, OrderFilter{Device: "cam-1", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range list {
		want := map[string]string{o.ID: report.CommandFailed, next.ID: OrderUnanswered}[got.ID]
		if got.State != want || got.ID == o.ID && got.Result.Detail != "no camera" {
			t.Errorf("order %+v, want %s", got, want)
		}
	}
	for range maxOpenOrders {
		d.order(report.OrderAckAlarm, "a")
	}
	if _, err := d.s.AddOrder(ctx, Order{ID: "z", Device: "cam-1", Asked: d.at}, func(uint64) ([]byte, error) { return nil, nil }); !errors.Is(err, ErrTooManyOrders) {
		t.Errorf("one too many: %v", err)
	}
}

func batchAt(d *alarmDevice, dev, kind string, body any) Arrival {
	a := batch(dev, report.Event, 1, 2, rec(d.t, dev, report.Event, 1, kind, body))
	a.Device, a.At = dev, d.at
	return a
}

func TestPictures(t *testing.T) { onEach(t, testPictures) }

func testPictures(t *testing.T, place func(testing.TB) string) {
	data := make([]byte, 2*report.PieceBytes+100)
	for i := range data {
		data[i] = byte(i * 7)
	}
	record := func(id string) report.Snapshot {
		return report.Snapshot{ID: id, Stream: "gate", Who: "Sari", Reason: "x", Format: "jpeg", Width: 640, Height: 360, Size: len(data), SHA256: report.Hash(sha256.Sum256(data)), Pieces: 3}
	}
	tests := map[string]struct {
		do   func(d *alarmDevice, id string)
		want string
	}{
		"in order": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			for _, p := range report.CutSnapshot(id, data) {
				d.telemetry(report.KindSnapshotPiece, p)
			}
		}, PictureWhole},
		"pieces first, backwards, one twice": {func(d *alarmDevice, id string) {
			p := report.CutSnapshot(id, data)
			for _, i := range []int{2, 1, 1, 0} {
				d.telemetry(report.KindSnapshotPiece, p[i])
			}
			d.event(report.KindSnapshot, record(id))
		}, PictureWhole},
		"one is lost": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			for _, p := range report.CutSnapshot(id, data)[1:] {
				d.telemetry(report.KindSnapshotPiece, p)
			}
			d.at = d.at.Add(MissingAfter)
			if _, err := d.s.Upkeep(context.Background(), d.at, time.Hour); err != nil {
				d.t.Fatal(err)
			}
		}, PictureMissing},
		"one comes very late": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			p := report.CutSnapshot(id, data)
			d.telemetry(report.KindSnapshotPiece, p[0])
			d.telemetry(report.KindSnapshotPiece, p[1])
			d.at = d.at.Add(MissingAfter)
			if _, err := d.s.Upkeep(context.Background(), d.at, time.Hour); err != nil {
				d.t.Fatal(err)
			}
			d.telemetry(report.KindSnapshotPiece, p[2])
		}, PictureWhole},
		"another picture than it recorded": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			for _, p := range report.CutSnapshot(id, append([]byte{1}, data[1:]...)) {
				d.telemetry(report.KindSnapshotPiece, p)
			}
		}, PictureDamaged},
		"erased, and sent again": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			if err := d.s.ErasePicture(context.Background(), "cam-1", id, "Budi", d.at); err != nil {
				d.t.Fatal(err)
			}
			for _, p := range report.CutSnapshot(id, data) {
				d.telemetry(report.KindSnapshotPiece, p)
			}
		}, PictureErased},
		"too old": {func(d *alarmDevice, id string) {
			d.event(report.KindSnapshot, record(id))
			for _, p := range report.CutSnapshot(id, data) {
				d.telemetry(report.KindSnapshotPiece, p)
			}
			if _, err := d.s.Upkeep(context.Background(), d.at.Add(time.Hour), time.Hour); err != nil {
				d.t.Fatal(err)
			}
		}, PictureExpired},
		"of another stream than was ordered": {func(d *alarmDevice, id string) {
			s := record(id)
			s.Stream = "yard"
			d.event(report.KindSnapshot, s)
		}, ""},
		"that nobody ordered": {func(d *alarmDevice, _ string) {
			d.event(report.KindSnapshot, record("ffffffffffffffff"))
			for _, p := range report.CutSnapshot("ffffffffffffffff", data) {
				if c := d.telemetry(report.KindSnapshotPiece, p); len(c.Refused) != 1 {
					d.t.Errorf("a piece that nobody ordered was taken: %+v", c)
				}
			}
		}, ""},
		"pieces out of all bounds": {func(d *alarmDevice, id string) {
			for _, p := range []report.SnapshotPiece{{ID: id, Index: -1, Of: 3, Data: []byte{1}}, {ID: id, Index: 3, Of: 3, Data: []byte{1}}, {ID: id, Index: 0, Of: 1 << 20, Data: []byte{1}}, {ID: id, Of: 1}} {
				if c := d.telemetry(report.KindSnapshotPiece, p); len(c.Refused) != 1 {
					d.t.Errorf("%+v was taken", p)
				}
			}
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newAlarmDevice(t, place)
			o := d.order(report.OrderSnapshot, "gate")
			tt.do(d, o.ID)
			list, err := d.s.Pictures(context.Background(), "cam-1", "", 10)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if len(list) != 0 {
					t.Errorf("pictures %+v, want none", list)
				}
				return
			}
			if len(list) != 1 || list[0].State != tt.want {
				t.Fatalf("pictures %+v, want one %s", list, tt.want)
			}
			got, format, err := d.s.PictureData(context.Background(), "cam-1", o.ID)
			if whole := tt.want == PictureWhole; whole && (err != nil || string(got) != string(data) || format != "jpeg") || !whole && !errors.Is(err, ErrNoPicture) {
				t.Errorf("bytes: %d, %s, %v", len(got), format, err)
			}
			var left int
			if err := d.s.read.QueryRowContext(context.Background(), `SELECT count(*) FROM picture_piece`).Scan(&left); err != nil || left != 0 && tt.want != PictureMissing {
				t.Errorf("%d pieces stay behind (%v)", left, err)
			}
			if list[0].Record.Who != "Sari" || list[0].Record.Reason != "x" {
				t.Errorf("who and why are not there any more: %+v", list[0].Record)
			}
		})
	}
}

// A camera that plays a black picture is not one of those that are well.
func TestPlayingIsNotEnough(t *testing.T) { onEach(t, testPlayingIsNotEnough) }

func testPlayingIsNotEnough(t *testing.T, place func(testing.TB) string) {
	d := newAlarmDevice(t, place)
	check := func(when, alarm string, unusable int) {
		t.Helper()
		list, err := d.s.Streams(t.Context(), "cam-1")
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %d streams, %v", when, len(list), err)
		}
		o, err := d.s.Overview(t.Context(), d.at)
		if err != nil {
			t.Fatal(err)
		}
		dev, err := d.s.Devices(t.Context(), "cam-1")
		if err != nil {
			t.Fatal(err)
		}
		if list[0].Alarm != alarm || o.Unusable != unusable || dev[0].Bad != unusable {
			t.Errorf("%s: alarm %q, %d unusable, %d bad; want %q, %d", when, list[0].Alarm, o.Unusable, dev[0].Bad, alarm, unusable)
		}
	}
	d.arrive(Arrival{Stream: &report.StreamState{Name: "gate", State: "playing", Since: d.at}})
	check("plays", "", 0)
	drift := anAlarm("w", 1, report.AlarmRaised)
	drift.Condition, drift.Severity = "gop", report.Warning
	d.event(report.KindAlarm, drift)
	check("a warning", "gop", 0)
	black := anAlarm("b", 2, report.AlarmRaised)
	black.Condition = "black"
	d.event(report.KindAlarm, black)
	check("black", "black", 1)
	d.arrive(Arrival{State: &report.DeviceState{V: 1, State: report.Offline, Session: "b.1", Epoch: 1}})
	check("nobody knows", "", 0)
	d.arrive(Arrival{State: &report.DeviceState{V: 1, State: report.Online, Session: "b.2", Epoch: 1}})
	black.N, black.State = 3, report.AlarmCleared
	d.event(report.KindAlarm, black)
	check("light again", "gop", 0)
}
