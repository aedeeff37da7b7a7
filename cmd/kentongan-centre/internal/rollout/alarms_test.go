package rollout_test

import (
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// A device that runs an older release than a finished rollout brought has an alarm,
// and one whose release was published too long ago; both end by themselves, and no
// word of the device about its own alarms ends them.
func TestAlarmsOfDevicesThatAreBehind(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); alarmsOfDevices(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); alarmsOfDevices(t, pgtest.URL(t)) })
}

func alarmsOfDevices(t *testing.T, place string) {
	f := newFleet(t, place)
	f.add(40, names(4)...)
	standing := func(want ...string) {
		t.Helper()
		if err := f.c.RaiseAlarms(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := f.st.Alarms(t.Context(), store.AlarmFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			if a.Text.ID == "" || a.Text.EN == "" || a.Action.ID == "" || a.Severity != report.Warning {
				t.Errorf("%+v", a)
			}
			got = append(got, a.Device+" "+a.Condition+" "+a.Detail)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("alarms %q, want %q", got, want)
		}
	}
	standing()
	s := spec()
	s.Stages, s.Soak, s.Wait = []int{100}, 0, 0
	f.leave("k003")
	r := f.start(s)
	f.pass(3 * time.Hour)
	f.want(r.ID, "done 1: 3 committed 1 missed")
	const behind = "k003 update_behind release 40 runs there"
	standing(behind)
	standing(behind) // once
	f.commit(store.Arrival{Device: "k003", Alarms: &report.AlarmSet{V: 1, N: 1 << 30, Ledger: "1"}})
	standing(behind)
	f.add(39, "k009") // enrolled later; the rollout was for all
	standing(behind, "k009 update_behind release 39 runs there")
	f.devs["k009"].release = 41
	f.connect("k009", "")
	s.Number, s.Scope, s.Devices = 42, store.RolloutList, []string{"k003"}
	f.connect("k003", "")
	second := f.start(s)
	standing() // somebody is at it
	f.pass(24 * time.Hour)
	f.want(second.ID, "done 1: 1 committed")
	standing()

	old := f.now.Add(-46 * 24 * time.Hour)
	f.commit(store.Arrival{Device: "k001", State: &report.DeviceState{V: 1, State: report.Online, Session: "5e551011.90", Firmware: &report.Firmware{Number: 41, Issued: &old}}})
	standing("k001 update_stale release 41, which runs there, was published on " + old.UTC().Format("2006-01-02"))
	fresh := f.now.Add(-44 * 24 * time.Hour)
	f.commit(store.Arrival{Device: "k001", State: &report.DeviceState{V: 1, State: report.Online, Session: "5e551011.91", Firmware: &report.Firmware{Number: 43, Issued: &fresh}}})
	standing()
	f.commit(store.Arrival{Device: "k001", State: &report.DeviceState{V: 1, State: report.Online, Session: "5e551011.92", Firmware: &report.Firmware{Number: 41, Issued: &old}}})
	standing("k001 update_stale release 41, which runs there, was published on " + old.UTC().Format("2006-01-02")) // it comes back
	// No device says an alarm of the centre's.
	f.event("k002", report.KindAlarm, report.Alarm{ID: "x", N: 1, Source: "centre/update", Condition: "update_stale", State: report.AlarmRaised})
	list, err := f.st.Alarms(t.Context(), store.AlarmFilter{Device: "k002", Limit: 10})
	if err != nil || len(list) != 0 {
		t.Errorf("a device's: %+v, %v", list, err)
	}
}
