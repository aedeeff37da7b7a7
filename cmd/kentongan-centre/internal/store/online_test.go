package store

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
)

func stateOf(t *testing.T, s *Store, dev string) string {
	t.Helper()
	list, err := s.Devices(context.Background(), dev)
	if err != nil || len(list) != 1 {
		t.Fatalf("devices %+v (%v), want one", list, err)
	}
	return list[0].State
}

// A device and the broker died together: nobody published its will, and the
// birth that the broker retained is no sign of life.
func TestDeviceThatDiedWithTheBroker(t *testing.T) { onEach(t, testDeviceThatDiedWithTheBroker) }

func testDeviceThatDiedWithTheBroker(t *testing.T, place func(testing.TB) string) {
	dir := place(t)
	state := func(state, session string) Arrival {
		return Arrival{Device: "k1", At: t0, State: &report.DeviceState{V: report.Version, State: state, Session: session}}
	}
	s := open(t, dir)
	commit(t, s, state(report.Online, "b1-x.3"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	later := t0.Add(time.Hour)
	if err := s.NobodyConnected(context.Background(), later); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name  string
		state Arrival
		want  string
	}{
		{"retained birth of before", state(report.Online, "b1-x.3"), report.Offline},
		{"next connection", state(report.Online, "b1-x.4"), report.Online},
		{"its will", state(report.Offline, "b1-x.4"), report.Offline},
		{"its birth comes late", state(report.Online, "b1-x.4"), report.Offline},
		{"another process", state(report.Online, "b1-y.1"), report.Online},
	}
	if got := stateOf(t, s, "k1"); got != report.Offline {
		t.Errorf("%s after the broker's start, want offline", got)
	}
	for _, step := range steps {
		commit(t, s, step.state)
		if got := stateOf(t, s, "k1"); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	problems, err := s.Problems(context.Background(), time.Now(), 10)
	if err != nil || len(problems) != 0 {
		t.Errorf("problems %+v (%v), want none", problems, err)
	}
}
