package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// night is 01.30 WIB, within the hours for rollouts.
var night = time.Date(2026, 11, 25, 18, 30, 0, 0, time.UTC)

// fleet plays devices against a real store: they answer orders with the events
// that the device program sends (agent/update), as if a broker were between.
type fleet struct {
	t    *testing.T
	st   *store.Store
	c    *rollout.Conductor
	now  time.Time
	devs map[string]*device
}

type device struct {
	*devicetest.Device
	how     string // what becomes of an order: good, back, refuse, late, silent, stuck
	release uint64
	session int
	done    map[string]bool // orders
}

func newFleet(t *testing.T, dir string) *fleet {
	t.Helper()
	f := &fleet{t: t, now: night, devs: map[string]*device{}}
	f.open(dir)
	return f
}

// open starts the centre on a directory or a PostgreSQL URL.
func (f *fleet) open(place string) {
	f.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var st *store.Store
	var err error
	if strings.HasPrefix(place, "postgres:") {
		st, err = store.OpenPostgres(place, "", log)
	} else {
		st, err = store.Open(place, log)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = st.Close() }) // some close it themselves
	skey, _, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		f.t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		f.t.Fatal(err)
	}
	now := func() time.Time { return f.now }
	desk := orders.New(orders.Config{Store: st, Signer: signer, Wake: func() {}, Changed: func() {}, Keep: time.Hour, Now: now, Log: log})
	f.st, f.c = st, rollout.New(rollout.Config{Store: st, Desk: desk, Stale: 45 * 24 * time.Hour, Now: now, Log: log})
}

func newDevice(t *testing.T, id string, epoch report.Epoch) *device {
	return &device{Device: devicetest.New(t, id, epoch, "x"), how: "good", done: map[string]bool{}}
}

// add makes devices that are online and run a release.
func (f *fleet) add(release uint64, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.devs[id] = newDevice(f.t, id, 1)
		f.devs[id].release = release
		f.connect(id, "")
	}
}

func (f *fleet) commit(a store.Arrival) {
	f.t.Helper()
	a.At = f.now
	if _, err := f.st.Commit(context.Background(), []store.Arrival{a}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) connect(id, trial string) {
	f.t.Helper()
	d := f.devs[id]
	d.session++
	f.commit(store.Arrival{Device: id, State: &report.DeviceState{V: 1, State: report.Online, Session: fmt.Sprint("5e551011.", d.session), Site: "Site " + id[:min(len(id), 4)], Firmware: &report.Firmware{Number: d.release, Trial: trial}}})
}

func (f *fleet) connectAll() {
	for id := range f.devs {
		f.connect(id, "")
	}
}

func (f *fleet) leave(id string) {
	f.t.Helper()
	f.commit(store.Arrival{Device: id, State: &report.DeviceState{V: 1, State: report.Offline, Session: fmt.Sprint("5e551011.", f.devs[id].session)}})
}

func (f *fleet) event(id, kind string, body any) {
	f.t.Helper()
	d := f.devs[id]
	f.commit(store.Arrival{Device: id, Batch: d.Batch(report.Event, d.Record(report.Event, kind, body))})
}

// answer has every device that is online and has an order do what it does.
func (f *fleet) answer() {
	f.t.Helper()
	list, err := f.st.Orders(context.Background(), store.OrderFilter{Name: report.OrderUpdate, Open: true, Limit: 100_000})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, o := range list {
		d := f.devs[o.Device]
		if d.done[o.ID] || d.how == "silent" || !o.Expires.After(f.now) {
			continue
		}
		d.done[o.ID] = true
		var number uint64
		if _, err := fmt.Sscan(o.Subject, &number); err != nil {
			f.t.Fatal(err)
		}
		say := func(state, code, detail string) {
			f.event(o.Device, report.KindUpdate, report.Update{Number: number, State: state, Code: code, Detail: detail, Before: d.release})
		}
		result := report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandSucceeded, Detail: "release is being fetched"}
		switch d.how {
		case "refuse":
			say(report.UpdateRefused, "no-space", "2 MiB free, 30 MiB needed")
			result.State, result.Detail = report.CommandFailed, "refused (no-space)"
		case "broken":
			result.State, result.Detail = report.CommandFailed, "look for a release: connection refused"
		}
		f.event(o.Device, report.KindCommand, result)
		switch d.how {
		case "late":
			say(report.UpdateRefused, "window", "fetched after 04:00")
		case "stuck":
			say(report.UpdateFetched, "", "")
			f.leave(o.Device)
		case "back":
			say(report.UpdateFetched, "", "")
			say(report.UpdateWentBack, "", "start: it ended 3 times without being well")
			f.connect(o.Device, report.UpdateWentBack)
		case "good":
			say(report.UpdateFetched, "", "")
			before := d.release
			d.release = number
			f.connect(o.Device, report.UpdateTrying)
			d.release = before
			say(report.UpdateCommitted, "", "")
			d.release = number
		}
	}
}

// pass lets time go by, with steps and the devices' answers: each hour in the
// hours of the rollouts, and now and then beside them.
func (f *fleet) pass(d time.Duration) {
	f.t.Helper()
	for end := f.now.Add(d); f.now.Before(end); {
		f.step()
		f.answer()
		if _, err := f.st.Upkeep(context.Background(), f.now, time.Hour); err != nil {
			f.t.Fatal(err)
		}
		f.step()
		every := time.Hour
		if at := f.now.UTC().Hour()*60 + f.now.Minute(); at < 17*60+30 || at >= 21*60+30 {
			every = 4 * time.Hour
			if at < 18*60 && at+4*60 > 18*60 {
				every = time.Duration(18*60-at) * time.Minute
			}
		}
		if f.now = f.now.Add(every); f.now.After(end) {
			f.now = end
		}
	}
}

func (f *fleet) step() {
	f.t.Helper()
	for range 20 { // what follows from what
		moved, err := f.c.Step(context.Background())
		if err != nil {
			f.t.Fatal(err)
		}
		if !moved {
			return
		}
	}
}

func (f *fleet) start(s rollout.Spec) store.Rollout {
	f.t.Helper()
	r, err := f.c.Start(context.Background(), f.st.For(store.Everything()), s, "Sari")
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func spec() rollout.Spec {
	s := rollout.Default()
	s.URL, s.Number, s.Reason = "https://centre.example/firmware/41", 41, "test"
	return s
}

// how is a rollout in short: state, stage, and devices by state.
func (f *fleet) how(id int64) string {
	f.t.Helper()
	r, err := f.st.Rollout(context.Background(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	sums, err := f.st.RolloutSums(context.Background(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	out := fmt.Sprintf("%s %d:", r.State, r.Stage)
	n := map[string]int{}
	for _, s := range sums {
		n[s.State] += s.N
	}
	for _, state := range []string{"waiting", "ordered", "fetching", "fetched", "trying", "committed", "already", "went-back", "refused", "failed", "lost", "missed", "stopped"} {
		if n[state] > 0 {
			out += fmt.Sprintf(" %d %s", n[state], state)
		}
	}
	if r.Why != "" {
		out += " (" + r.Why + " " + r.WhyText + ")"
	}
	return out
}

func (f *fleet) want(id int64, want string) {
	f.t.Helper()
	if got := f.how(id); got != want {
		f.t.Errorf("at %s: %q, want %q", f.now.Format("02 15:04"), got, want)
	}
}

// devices lists those in some states, or all.
func (f *fleet) devices(id int64, states ...string) []store.RolloutDevice {
	f.t.Helper()
	list, err := f.st.RolloutDevices(context.Background(), id, states, 100_000)
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// stage lists those of a stage, in their order.
func (f *fleet) stage(id int64, stage int) (out []store.RolloutDevice) {
	f.t.Helper()
	for _, d := range f.devices(id) {
		if d.Stage == stage {
			out = append(out, d)
		}
	}
	return out
}

func (f *fleet) steer(id int64, what string) {
	f.t.Helper()
	if _, err := f.c.Steer(context.Background(), f.st.For(store.Everything()), id, what, "Sari", "because"); err != nil {
		f.t.Fatal(err)
	}
}

// orders counts those to a device.
func (f *fleet) orders(device string) int {
	f.t.Helper()
	list, err := f.st.Orders(context.Background(), store.OrderFilter{Device: device, Name: report.OrderUpdate, Limit: 100})
	if err != nil {
		f.t.Fatal(err)
	}
	return len(list)
}

// names makes ids.
func names(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("k%03d", i+1))
	}
	return ids
}

func isInput(err error, field string) bool {
	bad, ok := errors.AsType[*store.InputError](err)
	return ok && bad.Field == field
}
