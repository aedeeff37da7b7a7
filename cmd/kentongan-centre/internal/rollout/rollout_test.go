package rollout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const minute = time.Minute

// A release that is good everywhere goes through its stages, one a night: each is
// ordered in the hours only, and the next begins when the one before has been well
// for the soak time.
func TestGoesThroughItsStages(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); goesThroughItsStages(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); goesThroughItsStages(t, pgtest.URL(t)) })
}

func goesThroughItsStages(t *testing.T, place string) {
	f := newFleet(t, place)
	f.now = night.Add(-12 * time.Hour) // 13.30
	f.add(40, names(20)...)
	r := f.start(spec())
	f.pass(11 * time.Hour)
	f.want(r.ID, "running 1: 20 waiting")
	f.pass(2 * time.Hour) // 02.30
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	f.pass(16 * time.Hour) // 18.30: the soak is over, but orders wait for the night
	f.want(r.ID, "running 2: 19 waiting 1 committed")
	f.pass(8 * time.Hour) // 02.30
	f.want(r.ID, "running 2: 18 waiting 2 committed")
	f.pass(24 * time.Hour)
	f.want(r.ID, "running 3: 20 committed")
	f.pass(18 * time.Hour)
	f.want(r.ID, "done 3: 20 committed")
	for _, id := range names(20) {
		if n := f.orders(id); n != 1 {
			t.Errorf("%s got %d orders", id, n)
		}
	}
	list, err := f.st.Orders(t.Context(), store.OrderFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		if from, to := o.Asked.UTC(), o.Expires.UTC(); from.Hour() < 18 || to.Hour() > 21 || to.Hour() == 21 && to.Minute() > 0 {
			t.Errorf("an order from %s to %s, outside 01.00 to 04.00 WIB", from, to)
		}
	}
}

// A rollout halts itself when too many fail, and tells which; nobody gets an order
// after that. Resumed, those failures don't count again.
func TestHaltsItself(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		how   string
		stage int // whose first n devices do that
		n     int
		s     func(*rollout.Spec)
		pass  time.Duration
		want  string
	}{
		"share":         {"back", 2, 3, func(s *rollout.Spec) { s.Stages, s.Share = []int{10, 100}, 10 }, 26 * time.Hour, "halted 2: 17 committed 3 went-back (share 3/18)"},
		"count":         {"back", 1, 12, func(s *rollout.Spec) { s.Stages, s.Share, s.Count, s.AtOnce = []int{100}, 100, 3, 3 }, 3 * time.Hour, "halted 1: 14 waiting 6 went-back (count 6)"},
		"first device":  {"back", 1, 1, func(*rollout.Spec) {}, 3 * time.Hour, "halted 1: 19 waiting 1 went-back (share 1/1)"},
		"refused":       {"refuse", 1, 1, func(*rollout.Spec) {}, 3 * time.Hour, "halted 1: 19 waiting 1 refused (share 1/1)"},
		"gone silent":   {"stuck", 1, 1, func(*rollout.Spec) {}, 4 * time.Hour, "halted 1: 19 waiting 1 lost (share 1/1)"},
		"no web server": {"broken", 1, 1, func(*rollout.Spec) {}, 72 * time.Hour, "halted 1: 19 waiting 1 failed (share 1/1)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, t.TempDir())
			f.add(40, names(20)...)
			s := spec()
			tt.s(&s)
			r := f.start(s)
			for _, d := range f.stage(r.ID, tt.stage)[:tt.n] {
				f.devs[d.Device].how = tt.how
			}
			f.pass(tt.pass)
			f.want(r.ID, tt.want)
			for _, d := range f.devices(r.ID, store.DeviceWentBack, store.DeviceRefused, store.DeviceFailed, store.DeviceLost) {
				if d.Detail == "" && d.Code == "" {
					t.Errorf("%s: nobody says why", d.Device)
				}
			}
			f.now = f.now.Add(24 * time.Hour)
			f.connectAll()
			f.step()
			f.want(r.ID, tt.want)
			f.steer(r.ID, rollout.Resume)
			f.step()
			if got := f.how(r.ID); strings.HasPrefix(got, "halted") {
				t.Errorf("after it was resumed: %s", got)
			}
		})
	}
}

// A device that is not heard of after its start, and comes back proven, is no
// failure any more.
func TestLostDeviceIsFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, "k001")
	f.devs["k001"].how = "stuck"
	r := f.start(spec())
	f.pass(4 * time.Hour)
	f.want(r.ID, "halted 1: 1 lost (share 1/1)")
	f.devs["k001"].release = 41
	f.connect("k001", report.UpdateCommitted)
	f.step()
	f.want(r.ID, "halted 1: 1 committed (share 1/1)")
}

// A proven device on which an older release runs again is a failure, and one that
// is gone keeps the next stage from beginning.
func TestSoakNeedsTheDevicesWell(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(20)...)
	r := f.start(spec())
	f.pass(2 * time.Hour)
	first := f.stage(r.ID, 1)[0].Device
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	f.leave(first)
	f.pass(30 * time.Hour)
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	f.devs[first].release = 40
	f.connect(first, "")
	f.step()
	f.want(r.ID, "halted 1: 19 waiting 1 went-back (share 1/1)")
}

// Devices that are offline are waited for, and don't hold a stage for ever. Who
// comes later still gets the release; who does not come is missed.
func TestOfflineDevicesAreWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(20)...)
	s := spec()
	s.Stages, s.Soak = []int{10, 100}, 0
	r := f.start(s)
	first := f.stage(r.ID, 1) // two
	f.leave(first[0].Device)
	f.pass(2 * 24 * time.Hour)
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	f.pass(2 * 24 * time.Hour) // 3 days are over: without it
	f.want(r.ID, "running 2: 1 waiting 19 committed")
	f.connect(first[0].Device, "")
	f.pass(24 * time.Hour)
	f.want(r.ID, "done 2: 20 committed")

	// At another, one never comes.
	f.leave("k007")
	s.Number, s.Wait = 42, 20*time.Hour
	r = f.start(s)
	f.pass(3 * 24 * time.Hour)
	f.want(r.ID, "done 2: 19 committed 1 missed")
}

// Of a stage whose devices were all offline nothing is known: others step in.
func TestOthersStepIn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(20)...)
	s := spec()
	s.Wait = 24 * time.Hour
	r := f.start(s)
	away := f.stage(r.ID, 1)[0].Device
	f.leave(away)
	f.pass(27 * time.Hour)
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	if rows := f.stage(r.ID, 1); len(rows) != 2 {
		t.Errorf("stage 1 is %+v", rows)
	}
}

// While a rollout is paused nobody is ordered, so that time is no time in which
// devices were waited for.
func TestPauseIsNoWaiting(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(20)...)
	s := spec()
	s.Stages, s.Soak = []int{10, 100}, 0
	r := f.start(s)
	f.leave(f.stage(r.ID, 1)[0].Device)
	f.pass(time.Hour)
	f.want(r.ID, "running 1: 19 waiting 1 committed")
	f.steer(r.ID, rollout.Pause)
	f.pass(4 * 24 * time.Hour)
	f.steer(r.ID, rollout.Resume)
	f.pass(2 * 24 * time.Hour)
	f.want(r.ID, "running 1: 19 waiting 1 committed (hand because)")
	f.pass(2 * 24 * time.Hour)
	f.want(r.ID, "running 2: 1 waiting 19 committed (hand because)")
}

// Devices that went to another agency before their turn prove nothing of a release:
// others step into their stage. Where none is left, the rollout ends.
func TestMovedDevicesProveNothing(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); movedDevices(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); movedDevices(t, pgtest.URL(t)) })
}

func movedDevices(t *testing.T, place string) {
	f := newFleet(t, place)
	f.add(40, names(4)...)
	for _, a := range []string{"dishub", "dinkes"} {
		if err := f.st.PutAgency(t.Context(), store.Agency{ID: a, Name: report.Text{ID: a, EN: a}}); err != nil {
			t.Fatal(err)
		}
	}
	move := func(id, agency string) {
		if err := f.st.SetDeviceAgency(t.Context(), id, agency); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range names(4) {
		move(id, "dishub")
	}
	s := spec()
	s.Stages = []int{10, 50, 100}
	r, err := f.c.Start(t.Context(), f.st.For(store.OfAgency("dishub")), s, "Budi")
	if err != nil {
		t.Fatal(err)
	}
	f.leave(f.stage(r.ID, 2)[0].Device)
	move(f.stage(r.ID, 1)[0].Device, "dinkes")
	f.step()
	f.want(r.ID, "running 1: 2 waiting 1 ordered 1 stopped")
	if rows := f.stage(r.ID, 1); len(rows) != 2 || rows[1].State != store.DeviceOrdered {
		t.Errorf("stage 1 is %+v", rows)
	}

	gone := []string{"m001", "m002", "m003"}
	f.add(40, gone...)
	for _, id := range gone {
		move(id, "dishub")
	}
	s.Scope, s.Devices, s.Soak = store.RolloutList, gone, 0
	if r, err = f.c.Start(t.Context(), f.st.For(store.OfAgency("dishub")), s, "Budi"); err != nil {
		t.Fatal(err)
	}
	for _, id := range gone {
		f.leave(id)
		move(id, "dinkes")
	}
	f.step()
	f.want(r.ID, "done 3: 3 stopped")
}

// Devices that are switched off at night are not there in the hours, whatever they
// are by day.
func TestOffAtNight(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(10)...)
	s := spec()
	s.Stages, s.Soak, s.Wait = []int{100}, 0, 24*time.Hour
	r := f.start(s)
	for range 2 {
		f.leave("k004")
		f.pass(4 * time.Hour) // 05.30
		f.connect("k004", "")
		f.pass(19 * time.Hour) // 00.30
		f.leave("k004")
		f.pass(time.Hour)
	}
	f.want(r.ID, "done 1: 9 committed 1 missed")
	if n := f.orders("k004"); n != 0 {
		t.Errorf("%d orders to who was not there in the hours", n)
	}
}

// Paused, nothing is ordered, and what was ordered and not answered is sent no
// more; resumed, who was not reached is ordered in the next hours.
func TestPaused(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(20)...)
	s := spec()
	s.Stages, s.AtOnce = []int{100}, 4
	r := f.start(s)
	f.step()
	f.want(r.ID, "running 1: 16 waiting 4 ordered")
	f.steer(r.ID, rollout.Pause)
	if list, err := f.st.DueOrders(t.Context(), f.now); err != nil || len(list) != 0 {
		t.Errorf("orders are sent while it is paused: %+v, %v", list, err)
	}
	f.pass(24 * time.Hour)
	f.want(r.ID, "paused 1: 20 waiting (hand because)")
	if _, err := f.c.Steer(t.Context(), f.st.For(store.Everything()), r.ID, rollout.Pause, "Sari", ""); !errors.Is(err, store.ErrNotNow) {
		t.Errorf("paused twice: %v", err)
	}
	f.steer(r.ID, rollout.Resume)
	f.step()
	f.want(r.ID, "running 1: 16 waiting 4 ordered (hand because)")
	f.answer()
	f.step()
	f.want(r.ID, "running 1: 12 waiting 4 ordered 4 committed (hand because)")
}

// Cancelled, it is over; what is under way on devices goes on to its end, and only
// then another rollout may have them.
func TestCancelled(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); cancelled(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); cancelled(t, pgtest.URL(t)) })
}

func cancelled(t *testing.T, place string) {
	f := newFleet(t, place)
	f.add(40, names(20)...)
	s := spec()
	s.Stages, s.AtOnce = []int{100}, 4
	r := f.start(s)
	f.step()
	busy := f.devices(r.ID, store.DeviceOrdered)[0].Device
	f.event(busy, report.KindUpdate, report.Update{Number: 41, State: report.UpdateFetched})
	f.step()
	f.steer(r.ID, rollout.Cancel)
	f.want(r.ID, "cancelled 1: 3 ordered 1 fetched 16 stopped (hand because)")
	all := f.st.For(store.Everything())
	s.Number = 42
	var taken *store.BusyError
	if _, err := f.c.Start(t.Context(), all, s, "Sari"); !errors.As(err, &taken) || taken.More != 3 || taken.Rollout != r.ID {
		t.Errorf("another one for devices under way: %v", err)
	}
	f.pass(90 * minute)
	f.devs[busy].release = 41
	f.event(busy, report.KindUpdate, report.Update{Number: 41, State: report.UpdateCommitted})
	f.pass(3 * time.Hour)
	f.want(r.ID, "cancelled 1: 1 committed 19 stopped (hand because)")
	if _, err := f.c.Start(t.Context(), all, s, "Sari"); err != nil {
		t.Error(err)
	}
	for _, what := range []string{rollout.Pause, rollout.Resume, rollout.Cancel} {
		if _, err := f.c.Steer(t.Context(), all, r.ID, what, "Sari", ""); !errors.Is(err, store.ErrNotNow) {
			t.Errorf("%s of one that is over: %v", what, err)
		}
	}
}

// A device is in one rollout at a time.
func TestOneRolloutForADevice(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(6)...)
	s := spec()
	s.Scope, s.Devices = store.RolloutList, []string{"k001", "k002", "k002"}
	first := f.start(s)
	all := f.st.For(store.Everything())
	for name, tt := range map[string]struct {
		s    rollout.Spec
		more int
	}{"the same": {s, 1}, "all": {spec(), 1}} {
		var taken *store.BusyError
		if _, err := f.c.Start(t.Context(), all, tt.s, "Sari"); !errors.As(err, &taken) || taken.Rollout != first.ID || taken.More != tt.more {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Devices = []string{"k003"}
	if second := f.start(s); second.ID == first.ID {
		t.Error("it has the number of the first")
	}
	list, err := f.st.Rollouts(t.Context(), 10)
	if err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// People of an agency roll out to its own devices, see what concerns those, and
// steer what is their own.
func TestAgencies(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); agencies(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); agencies(t, pgtest.URL(t)) })
}

func agencies(t *testing.T, place string) {
	f := newFleet(t, place)
	f.add(40, names(6)...)
	for _, a := range []string{"dishub", "dinkes"} {
		if err := f.st.PutAgency(t.Context(), store.Agency{ID: a, Name: report.Text{ID: a, EN: a}}); err != nil {
			t.Fatal(err)
		}
	}
	for id, a := range map[string]string{"k001": "dishub", "k002": "dishub", "k003": "dinkes"} {
		if err := f.st.SetDeviceAgency(t.Context(), id, a); err != nil {
			t.Fatal(err)
		}
	}
	dishub, dinkes := f.st.For(store.OfAgency("dishub")), f.st.For(store.OfAgency("dinkes"))
	s := spec()
	s.Scope, s.Devices = store.RolloutList, []string{"k001", "k003"}
	if _, err := f.c.Start(t.Context(), dishub, s, "Budi"); !isInput(err, "devices") {
		t.Errorf("for another agency's device: %v", err)
	}
	s.Scope, s.Agency = store.RolloutAgency, "dinkes"
	if _, err := f.c.Start(t.Context(), dishub, s, "Budi"); !isInput(err, "devices") {
		t.Errorf("for another agency: %v", err)
	}
	s.Scope = store.RolloutAll
	r, err := f.c.Start(t.Context(), dishub, s, "Budi")
	if err != nil || r.Agency != "dishub" || r.Scope != store.RolloutAgency {
		t.Fatalf("%+v, %v", r, err)
	}
	if rows := f.devices(r.ID); len(rows) != 2 || rows[0].Agency != "dishub" || rows[1].Agency != "dishub" {
		t.Errorf("%+v", rows)
	}
	if list, err := dinkes.Rollouts(t.Context(), 10); err != nil || len(list) != 0 {
		t.Errorf("another agency sees %+v, %v", list, err)
	}
	if _, err := f.c.Steer(t.Context(), dinkes, r.ID, rollout.Cancel, "Ani", ""); !errors.Is(err, store.ErrNoRollout) {
		t.Errorf("another agency cancels: %v", err)
	}
	s.Scope, s.Devices = store.RolloutList, []string{"k003", "k004"}
	all, err := f.c.Start(t.Context(), f.st.For(store.Everything()), s, "Sari")
	if err != nil {
		t.Fatal(err)
	}
	if sums, err := dinkes.RolloutSums(t.Context(), all.ID); err != nil || len(sums) != 1 || sums[0].N != 1 {
		t.Errorf("an agency sees of the province's %+v, %v", sums, err)
	}
	if _, err := f.c.Steer(t.Context(), dinkes, all.ID, rollout.Pause, "Ani", ""); !errors.Is(err, store.ErrNoRollout) {
		t.Errorf("an agency pauses the province's: %v", err)
	}
	// A device that goes to another agency before its turn is theirs no more.
	if err := f.st.SetDeviceAgency(t.Context(), "k002", "dinkes"); err != nil {
		t.Fatal(err)
	}
	f.pass(48 * time.Hour)
	if f.orders("k001")+f.orders("k002") != 1 {
		t.Errorf("%d orders to the own, %d to what is not", f.orders("k001"), f.orders("k002"))
	}
}

func TestWhatCantBeStarted(t *testing.T) {
	t.Parallel()
	f := newFleet(t, t.TempDir())
	f.add(40, names(3)...)
	f.commit(store.Arrival{Device: "bare", State: &report.DeviceState{V: 1, State: report.Online, Session: "1.1"}})
	for field, change := range map[string]func(*rollout.Spec){
		"url":                func(s *rollout.Spec) { s.URL = "https://a:b@x/" },
		"number":             func(s *rollout.Spec) { s.Number = 0 },
		"reason":             func(s *rollout.Spec) { s.Reason = " " },
		"stages":             func(s *rollout.Spec) { s.Stages = []int{10, 10, 100} },
		"stages ":            func(s *rollout.Spec) { s.Stages = []int{10, 50} },
		"hours":              func(s *rollout.Spec) { s.Hours = "01:00-01:10" },
		"hours ":             func(s *rollout.Spec) { s.Hours = "1-4" },
		"soak":               func(s *rollout.Spec) { s.Soak = -1 },
		"wait":               func(s *rollout.Spec) { s.Wait = 1000 * time.Hour },
		"max_failed_percent": func(s *rollout.Spec) { s.Share = 101 },
		"max_failed":         func(s *rollout.Spec) { s.Count = -1 },
		"at_once":            func(s *rollout.Spec) { s.AtOnce = 0 },
		"scope":              func(s *rollout.Spec) { s.Scope = "x" },
		"agency":             func(s *rollout.Spec) { s.Scope, s.Agency = store.RolloutAgency, "'" },
		"found":              func(s *rollout.Spec) { s.Scope = store.RolloutFound },
		"devices":            func(s *rollout.Spec) { s.Scope, s.Devices = store.RolloutList, []string{"nobody"} },
		"devices ":           func(s *rollout.Spec) { s.Scope, s.Devices = store.RolloutList, []string{"bare"} },
		"devices  ":          func(s *rollout.Spec) { s.Scope, s.Devices = store.RolloutList, nil },
		"devices   ":         func(s *rollout.Spec) { s.Number = 40 }, // which all run
	} {
		s := spec()
		change(&s)
		if _, err := f.c.Start(t.Context(), f.st.For(store.Everything()), s, "Sari"); !isInput(err, strings.TrimSpace(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
	f.add(41, "new")
	s := spec()
	s.Scope, s.Found = store.RolloutFound, "SITE"
	r := f.start(s)
	f.want(r.ID, "running 1: 3 waiting 1 already")
	if r.LeftOut != 0 {
		t.Errorf("left out %d", r.LeftOut)
	}
	f.steer(r.ID, rollout.Cancel)
	if r = f.start(spec()); r.LeftOut != 1 {
		t.Errorf("left out %d devices that manage no versions, want 1", r.LeftOut)
	}
}
