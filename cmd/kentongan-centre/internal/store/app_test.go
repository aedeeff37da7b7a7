package store

import (
	"context"
	"testing"
	"time"

	"kentongan/agent/report"
)

func appsOf(t *testing.T, s *Store, device string) map[string]App {
	t.Helper()
	list, err := s.Apps(context.Background(), device)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]App{}
	for _, a := range list {
		by[a.Device+"/"+a.Name] = a
	}
	return by
}

func birthWithApps(at time.Time, session string, apps ...string) Arrival {
	return Arrival{Device: "gate-1", At: at, State: &report.DeviceState{V: 1, State: report.Online, Session: session, Epoch: testEpoch, Site: "Serang", Apps: apps}}
}

func app(at time.Time, name, state, class string) Arrival {
	return Arrival{Device: "gate-1", At: at, App: &report.AppState{Name: name, State: state, Class: class, URL: "https://" + name + ".example/"}}
}

// TestApps: the newest state of each, since when, and its figures; one that is
// taken out of the configuration goes, also when the broker says it again.
func TestApps(t *testing.T) { onEach(t, testApps) }

func testApps(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s,
		birthWithApps(t0, "b1.1", "e-lpse", "e-bansos"),
		app(t0, "e-lpse", report.AppOK, ""), app(t0, "e-bansos", report.AppOK, ""), app(t0, "stranger", report.AppOK, ""),
		app(t0.Add(time.Minute), "e-lpse", report.AppUnreachable, "timeout"), app(t0.Add(2*time.Minute), "e-lpse", report.AppUnreachable, "timeout"),
		batch("gate-1", report.Telemetry, 1, 3,
			rec(t, "gate-1", report.Telemetry, 1, report.KindAppStats, report.AppStats{Name: "e-lpse", TotalMS: 12.5}),
			rec(t, "gate-1", report.Telemetry, 2, report.KindAppStats, report.AppStats{Name: "nobody", TotalMS: 1})))
	by := appsOf(t, s, "")
	a := by["gate-1/e-lpse"]
	if len(by) != 2 || a.State != report.AppUnreachable || a.Class != "timeout" || !a.Online || a.Site != "Serang" || a.Stats == nil || a.Stats.TotalMS != 12.5 {
		t.Errorf("applications %+v", by)
	}
	if a.Since == nil || !a.Since.Equal(t0.Add(time.Minute)) {
		t.Errorf("since %v, want when it was heard first", a.Since)
	}
	sums, err := s.AppSums(context.Background())
	if err != nil || sums[report.AppUnreachable] != 1 || sums[report.AppOK] != 1 || sums[report.AppSlow] != 0 {
		t.Errorf("sums %v, %v", sums, err)
	}

	commit(t, s, birthWithApps(t0.Add(time.Hour), "b1.2", "e-bansos"), app(t0.Add(time.Hour), "e-lpse", report.AppOK, ""))
	if by := appsOf(t, s, "gate-1"); len(by) != 1 || by["gate-1/e-bansos"].Name == "" {
		t.Errorf("after it was taken out: %+v", by)
	}
	commit(t, s, Arrival{Device: "gate-1", At: t0, AppGone: "e-bansos"})
	if by := appsOf(t, s, ""); len(by) != 0 {
		t.Errorf("after its state was taken away: %+v", by)
	}
	if by := appsOf(t, s, "gate-2"); len(by) != 0 {
		t.Errorf("of another device: %+v", by)
	}
}

// TestAppsOutlive: the table is there in a database of before, and what it holds
// after a restart.
func TestAppsOutlive(t *testing.T) { onEach(t, testAppsOutlive) }

func testAppsOutlive(t *testing.T, place func(testing.TB) string) {
	dir := place(t)
	s := open(t, dir)
	commit(t, s, birthWithApps(t0, "b1.1", "e-lpse"), app(t0, "e-lpse", report.AppSlow, "slow"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if by := appsOf(t, open(t, dir), ""); by["gate-1/e-lpse"].State != report.AppSlow {
		t.Errorf("after a restart: %+v", by)
	}
}
