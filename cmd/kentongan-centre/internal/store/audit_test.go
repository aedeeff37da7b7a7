package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
)

func arrival(d *devicetest.Device, lane report.Lane, rs ...report.Received) Arrival {
	return Arrival{Device: d.ID, At: t0, Batch: d.Batch(lane, rs...)}
}

func signed(t testing.TB, d *devicetest.Device, lane report.Lane, note []byte) Arrival {
	t.Helper()
	c, err := report.ReadCheckpoint(note, d.ID, lane)
	if err != nil {
		t.Fatal(err)
	}
	return Arrival{Device: d.ID, At: t0, Checkpoint: &Checkpoint{Checkpoint: c, Note: note}}
}

func faults(t testing.TB, s *Store) (list []string) {
	t.Helper()
	all, err := s.Faults(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		list = append(list, f.Lane+" "+f.Fault)
	}
	return list
}

// The chain is held together while records come in, in whatever order.
func TestChainIsVerifiedAtIngest(t *testing.T) { onEach(t, testChainIsVerifiedAtIngest) }

func testChainIsVerifiedAtIngest(t *testing.T, place func(testing.TB) string) {
	const lane = report.Complaint
	tests := map[string]struct {
		arrive func(d, forger *devicetest.Device) []report.Received
		seq    uint64 // of the fault; 0 is none
	}{
		"in order": {func(d, _ *devicetest.Device) []report.Received {
			return []report.Received{d.Press(), d.Press(), d.Press()}
		}, 0},
		"delivered backwards": {func(d, _ *devicetest.Device) []report.Received {
			a, b, c := d.Press(), d.Press(), d.Press()
			return []report.Received{c, b, a}
		}, 0},
		"the second is another's": {func(d, forger *devicetest.Device) []report.Received {
			a, _, c := d.Press(), d.Press(), d.Press()
			forger.Skip(lane, 1)
			return []report.Received{a, forger.Press(), c}
		}, 2},
		"the second is another's and comes last": {func(d, forger *devicetest.Device) []report.Received {
			a, _, c := d.Press(), d.Press(), d.Press()
			forger.Skip(lane, 1)
			return []report.Received{a, c, forger.Press()}
		}, 2},
		"what came before was another's": {func(d, forger *devicetest.Device) []report.Received {
			d.Skip(lane, 1)
			b := d.Press()
			return []report.Received{b, forger.Press()}
		}, 2},
		"a lane that does not begin": {func(d, _ *devicetest.Device) []report.Received {
			a := d.Press()
			a.Prev = &report.Hash{1}
			a.Line, _ = a.Encode()
			return []report.Received{a}
		}, 1},
	}
	for name, tt := range tests {
		for _, together := range []bool{true, false} {
			s := open(t, place(t))
			d, forger := devicetest.New(t, "k1", testEpoch, ""), devicetest.New(t, "k1", testEpoch, "")
			rs := tt.arrive(d, forger)
			if together {
				commit(t, s, arrival(d, lane, rs...))
			} else {
				for _, r := range rs {
					commit(t, s, arrival(d, lane, r))
					clear(s.lanes) // as after a restart
				}
			}
			list, err := s.Faults(context.Background(), "k1")
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.seq == 0 && len(list) > 0:
				t.Errorf("%s (together %v): faults %+v, want none", name, together, list)
			case tt.seq != 0 && (len(list) != 1 || list[0].Fault != FaultChain || list[0].Seq != tt.seq):
				t.Errorf("%s (together %v): faults %+v, want a broken chain at %d", name, together, list, tt.seq)
			}
		}
	}
}

func TestCheckpointsAreVerifiedAndCountersigned(t *testing.T) {
	onEach(t, testCheckpointsAreVerifiedAndCountersigned)
}

func testCheckpointsAreVerifiedAndCountersigned(t *testing.T, place func(testing.TB) string) {
	const lane = report.Event
	boot := func(d *devicetest.Device) report.Received { return d.Record(lane, report.KindBoot, report.Boot{}) }
	newest := func(t *testing.T, s *Store) *report.Signed {
		rs, err := s.Receipts(context.Background())
		if err != nil || len(rs) != 1 {
			t.Fatalf("receipts %+v (%v), want one", rs, err)
		}
		return rs[0].Checkpoint
	}
	t.Run("before and after its record", func(t *testing.T) {
		s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
		a := boot(d)
		first := d.Checkpoint(lane)
		done := commit(t, s, signed(t, d, lane, first))
		if len(faults(t, s)) > 0 || len(done.Receipts) > 0 {
			t.Errorf("faults %v, receipts %+v for a record that is on its way, want none", faults(t, s), done.Receipts)
		}
		clear(s.lanes) // as after a restart
		done = commit(t, s, arrival(d, lane, a))
		if c := done.Receipts[0].Checkpoint; c == nil || c.Seq != 1 || c.Hash != report.HashLine(a.Line) {
			t.Errorf("receipt %+v, want checkpoint 1 countersigned", done.Receipts[0])
		}
		b := boot(d)
		commit(t, s, arrival(d, lane, b))
		done = commit(t, s, signed(t, d, lane, d.Checkpoint(lane)))
		if len(done.Receipts) != 1 || done.Receipts[0].Checkpoint.Seq != 2 {
			t.Errorf("receipts %+v, want one with checkpoint 2", done.Receipts)
		}
		clear(s.lanes)
		if c := newest(t, s); c == nil || c.Seq != 2 {
			t.Errorf("after a restart checkpoint %+v, want 2", c)
		}
		keys, err := s.DeviceKeys(context.Background(), "k1")
		if err != nil || len(keys) != 1 || keys[0].Key != d.Key || keys[0].How != KeyFirstUse {
			t.Errorf("keys %+v (%v), want the device's, by first use", keys, err)
		}
		if f := faults(t, s); len(f) > 0 {
			t.Errorf("faults %v, want none", f)
		}
	})
	t.Run("of another record", func(t *testing.T) {
		s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
		commit(t, s, arrival(d, lane, boot(d)))
		commit(t, s, signed(t, d, lane, d.CheckpointOf(lane, 1, report.HashLine([]byte("what it really was")))))
		if f := faults(t, s); len(f) != 1 || f[0] != "event checkpoint" {
			t.Errorf("faults %v, want one of the checkpoint", f)
		}
		if c := newest(t, s); c != nil {
			t.Errorf("countersigned %+v, want nothing", c)
		}
	})
	t.Run("two of one record", func(t *testing.T) {
		s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
		for _, text := range []string{"a", "b"} {
			commit(t, s, signed(t, d, lane, d.CheckpointOf(lane, 9, report.HashLine([]byte(text)))))
		}
		if f := faults(t, s); len(f) != 1 || f[0] != "event checkpoint" {
			t.Errorf("faults %v, want one of the checkpoint", f)
		}
	})
	t.Run("of another key", func(t *testing.T) {
		s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
		commit(t, s, arrival(d, lane, boot(d)), signed(t, d, lane, d.Checkpoint(lane)))
		forger := devicetest.New(t, "k1", testEpoch, "forger")
		for range 2 {
			boot(forger)
		}
		commit(t, s, signed(t, d, lane, forger.Checkpoint(lane)))
		if f := faults(t, s); len(f) != 1 || f[0] != "event key" {
			t.Errorf("faults %v, want one of the key", f)
		}
		if keys, err := s.DeviceKeys(context.Background(), "k1"); err != nil || len(keys) != 1 || keys[0].Key != d.Key {
			t.Errorf("keys %+v (%v), want the first alone", keys, err)
		}
		if c := newest(t, s); c == nil || c.Seq != 1 {
			t.Errorf("countersigned %+v, want the device's own", c)
		}
	})
	t.Run("a state that names another key", func(t *testing.T) {
		s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
		say := func(key string) Arrival {
			return Arrival{Device: "k1", At: t0, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", RecordKey: key}}
		}
		commit(t, s, say("anything"), signed(t, d, lane, d.CheckpointOf(lane, 1, report.Hash{1})), say(d.Key))
		if f := faults(t, s); len(f) > 0 {
			t.Errorf("faults %v, want none: a state makes no key known", f)
		}
		commit(t, s, say("another"))
		if f := faults(t, s); len(f) != 1 || f[0] != " key" {
			t.Errorf("faults %v, want one of the device's key", f)
		}
	})
}

func TestCheckpointsAreThinned(t *testing.T) { onEach(t, testCheckpointsAreThinned) }

func testCheckpointsAreThinned(t *testing.T, place func(testing.TB) string) {
	s, d := open(t, place(t)), devicetest.New(t, "k1", testEpoch, "")
	for hour := range 48 {
		a := signed(t, d, report.Event, d.CheckpointOf(report.Event, uint64(hour+1), report.Hash{byte(hour)}))
		a.At = t0.Truncate(24 * time.Hour).Add(time.Duration(hour) * time.Hour)
		commit(t, s, a)
	}
	var n, top int
	if err := s.read.QueryRowContext(context.Background(), "SELECT count(*), max(seq) FROM checkpoint").Scan(&n, &top); err != nil || n != 2 || top != 48 {
		t.Errorf("%d checkpoints, the newest of %d (%v), want 2 for two days, the newest of 48", n, top, err)
	}
}

func TestKeysAreNeverTakenSilently(t *testing.T) { onEach(t, testKeysAreNeverTakenSilently) }

func testKeysAreNeverTakenSilently(t *testing.T, place func(testing.TB) string) {
	ctx := context.Background()
	s := open(t, place(t))
	mine, other := devicetest.New(t, "k1", testEpoch, "").Key, devicetest.New(t, "k1", testEpoch, "new card").Key
	if err := s.RegisterKey(ctx, "k1", devicetest.New(t, "k2", testEpoch, "").Key, KeyEnrolment, t0); err == nil {
		t.Error("took another device's key")
	}
	for range 2 {
		if err := s.RegisterKey(ctx, "k1", mine, KeyEnrolment, t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RegisterKey(ctx, "k1", other, KeyEnrolment, t0); !errors.Is(err, ErrKeyOther) {
		t.Errorf("another key: %v, want ErrKeyOther", err)
	}
	list, err := s.Faults(ctx, "k1")
	if err != nil || len(list) != 1 || list[0].Fault != FaultKey || !strings.Contains(list[0].Detail, other) {
		t.Errorf("faults %+v (%v), want one that names the key", list, err)
	}
	if err := s.ReplaceKey(ctx, "k1", other, t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	keys, err := s.DeviceKeys(ctx, "")
	if err != nil || len(keys) != 2 || keys[0].Key != other || keys[0].Until != nil || keys[1].Key != mine || keys[1].Until == nil {
		t.Errorf("keys %+v (%v), want the new one in use, and the old one", keys, err)
	}
	if f := faults(t, s); len(f) > 0 {
		t.Errorf("faults %v after somebody replaced the key, want none", f)
	}
	if err := s.ReplaceKey(ctx, "k1", mine, t0.Add(2*time.Hour)); err != nil {
		t.Errorf("back to the old key: %v", err)
	}
}
