package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/cmd/kentongan-demo/internal/camera"
)

const (
	watched  = 24 // cameras
	onSwitch = 12 // of them
)

// alarmRig is a real Mosquitto, centre and agent with cameras, half of them on
// one switch.
type alarmRig struct {
	t       *testing.T
	centre  *centre
	device  *device
	dir     string
	cameras []*camera.Camera
}

func newAlarmRig(t *testing.T) *alarmRig {
	t.Helper()
	ctx := t.Context()
	deviceProgram, centreProgram := buildPrograms(t)
	_, addr := newMosquitto(t, "kentongan.centre:c-secret", demoDevice+":k-secret")
	r := &alarmRig{t: t, dir: t.TempDir()}
	var err error
	r.centre, err = startCentre(ctx, centreProgram, "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--broker", "mqtt://"+addr, "--username", "kentongan.centre", "--password-file", writeSecret(t, "c-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.centre.stop)
	cfg := deviceConfig{Device: demoDevice, Broker: "mqtt://" + addr, Username: demoDevice, Password: "k-secret", CentreKey: r.centre.key, Cooldown: time.Second}
	for i := range watched {
		// Each has an address of its own: 127.0.0.0/8 is all loopback.
		cam, err := camera.Start(ctx, camera.Options{Name: fmt.Sprintf("cam%02d", i), Codec: "H264", Listen: fmt.Sprintf("127.0.0.%d:0", i+10), Username: cameraUser, Password: cameraSecret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cam.Close)
		r.cameras = append(r.cameras, cam)
		c := cameraConfig{Name: cam.Name(), URL: cam.URL(), Username: cameraUser, Password: cameraSecret, SilentAfter: "10s"}
		if i < onSwitch {
			c.Group = "lantai2"
		}
		cfg.Cameras = append(cfg.Cameras, c)
	}
	if r.device, err = newDevice(deviceProgram, r.dir, cfg); err != nil {
		t.Fatal(err)
	}
	collected, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	go r.device.collect(collected.Done())
	powerOn(t, r.device)
	t.Cleanup(r.device.stop)
	t.Cleanup(func() {
		if t.Failed() {
			alarms, err := r.centre.alarms(context.Background(), false)
			orders, _ := r.centre.orders(context.Background()) // the same centre
			t.Logf("alarms %+v, orders %+v, %v", alarms, orders, err)
			t.Logf("the device's log ends:\n%s\nthe centre's:\n%s", r.device.log.text(), r.centre.log.text())
		}
	})
	r.step("all cameras play", 3*time.Minute, func() bool {
		got, err := r.centre.streams(ctx)
		playing := 0
		for _, s := range got {
			if s.State == "playing" {
				playing++
			}
		}
		return err == nil && playing == watched
	})
	return r
}

func (r *alarmRig) step(name string, patience time.Duration, ok func() bool) {
	r.t.Helper()
	patience = max(patience, 90*time.Second) // of a busy machine
	if !waitFor(r.t.Context(), patience, ok) {
		r.t.Fatalf("%s: not after %v", name, patience)
	}
}

// dead tells whether an alarm says that no picture comes of a camera: it may be
// called silent or down, by what the camera still does.
func dead(source string) func(alarmState) bool {
	return func(a alarmState) bool {
		return a.Source == source && (a.Condition == "silent" || a.Condition == "down")
	}
}

// find is the first alarm that stands and fits.
func (r *alarmRig) find(fits func(alarmState) bool) (alarmState, bool) {
	list, err := r.centre.alarms(r.t.Context(), false)
	if err != nil {
		return alarmState{}, false
	}
	i := slices.IndexFunc(list, fits)
	if i < 0 {
		return alarmState{}, false
	}
	return list[i], true
}

// standing asks again and again for the alarms that stand, until end is called.
func (r *alarmRig) standing() (latest *atomic.Pointer[[]alarmState], end func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	latest = new(atomic.Pointer[[]alarmState])
	latest.Store(new([]alarmState))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if list, err := r.centre.alarms(ctx, false); err == nil {
				latest.Store(&list)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return latest, func() { cancel(); <-done }
}

// stands waits for the first alarm of a source.
func (r *alarmRig) stands(source string) (a alarmState) {
	r.t.Helper()
	r.step("the alarm of "+source, 0, func() (found bool) { a, found = r.find(of(source)); return found })
	return a
}

func of(source string) func(alarmState) bool {
	return func(a alarmState) bool { return a.Source == source }
}

// say posts a form to the centre, as an operator does.
func (r *alarmRig) say(path string, form url.Values) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.centre.page+path, strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := r.centre.do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only the status is wanted
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("post %s: %s", path, res.Status)
	}
}

// fetch asks the centre for what is at a path.
func (r *alarmRig) fetch(path string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, r.centre.page+path, nil)
	if err != nil {
		return nil, err
	}
	return r.centre.do(req)
}

func tries(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("KENTONGAN_TRIES")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > watched {
		t.Fatalf("KENTONGAN_TRIES: 1 to %d", watched)
	}
	return n
}

// TestDeadCameraIsAtTheCentreInTime silences one camera after the other, as one
// whose encoder hangs: its connection stays and no picture comes. The goal is
// 15 s at the 95th percentile, from the last picture to the centre's API;
// KENTONGAN_TRIES=22 measures it on a machine that does nothing else, and without
// it one of the few has to be there in time. Then operators and devices speak, and
// a switch dies.
func TestDeadCameraIsAtTheCentreInTime(t *testing.T) {
	const inTime = 15 * time.Second
	r := newAlarmRig(t)
	n := tries(t, 4)
	took := make(chan time.Duration, n)
	standing, end := r.standing() // asked by one: the centre answers nobody without end
	silence := func(i int) {
		cam := r.cameras[(i*onSwitch+i/2)%watched] // one of the switch, one of the others
		began := time.Now()
		cam.Silence(true)
		ok := waitFor(t.Context(), 3*time.Minute, func() bool {
			return slices.ContainsFunc(*standing.Load(), dead("stream/"+cam.Name()))
		})
		if !ok {
			t.Errorf("%s: no alarm", cam.Name())
		}
		took <- time.Since(began)
		if i > 0 {
			cam.Silence(false)
		}
	}
	for i := range n {
		go silence(i)
		<-time.After(4700 * time.Millisecond) // so that they are no group
	}
	var all []time.Duration
	for range n {
		all = append(all, <-took)
	}
	if os.Getenv("KENTONGAN_TRIES") == "" { // a machine may be busy for as long as a few take, so there are more
		for i := n; slices.Min(all) > inTime && i < 2*n && !t.Failed(); i++ {
			silence(i)
			all = append(all, <-took)
		}
	}
	end()
	slices.Sort(all)
	p95 := all[(len(all)*95+99)/100-1]
	t.Logf("%d dead cameras at the centre after: median %v, p95 %v, worst %v", len(all), all[len(all)/2], p95, all[len(all)-1])
	judged := p95
	if os.Getenv("KENTONGAN_TRIES") == "" {
		judged = all[0]
	}
	if judged > inTime {
		t.Errorf("%v, want %v; all: %v", judged, inTime, all)
	}
	r.operatorTakes("stream/" + r.cameras[0].Name())
	r.operatorCallsFalse()
	r.switchDies()
}

// operatorTakes acknowledges the alarm of a camera that stays silent, and the
// device knows.
func (r *alarmRig) operatorTakes(source string) {
	r.t.Helper()
	a := r.stands(source)
	began := time.Now()
	r.say("/alarms/"+demoDevice+"/"+a.ID+"/ack", url.Values{"note": {"tim berangkat"}})
	r.step("the alarm is acknowledged", 20*time.Second, func() bool {
		a, found := r.find(of(source))
		return found && a.State == "acknowledged" && a.By == "Sari" && a.Text.EN != ""
	})
	r.t.Logf("acknowledged, by the device's own word, after %v", time.Since(began).Round(time.Millisecond))
	r.answered(a.ID, "succeeded")
	memory, err := os.ReadFile(filepath.Join(r.dir, "data", "alarms.json"))
	if err != nil || !strings.Contains(string(memory), `"by":"Sari"`) {
		r.t.Errorf("the device does not remember it: %v %s", err, memory)
	}
}

// answered waits for the one result of an order about a subject.
func (r *alarmRig) answered(subject, state string) {
	r.t.Helper()
	r.step("the order is "+state, 20*time.Second, func() bool {
		list, err := r.centre.orders(r.t.Context())
		return err == nil && slices.ContainsFunc(list, func(o orderState) bool { return o.Subject == subject && o.State == state })
	})
}

// operatorCallsFalse calls the same alarm false; it ends and stays away although
// the camera is still silent.
func (r *alarmRig) operatorCallsFalse() {
	r.t.Helper()
	source := "stream/" + r.cameras[0].Name()
	a := r.stands(source)
	r.say("/alarms/"+demoDevice+"/"+a.ID+"/ack", url.Values{"false": {"1"}})
	r.step("the alarm is over, as a false one", 20*time.Second, func() bool {
		list, err := r.centre.alarms(r.t.Context(), true)
		return err == nil && slices.ContainsFunc(list, func(e alarmState) bool { return e.ID == a.ID && e.False && e.By == "Sari" })
	})
	r.cameras[0].Silence(false)
}

// switchDies unplugs all cameras of one switch at once. On a busy machine the
// device may find them so far apart that it has to tell some of them one by one;
// then the switch dies again.
func (r *alarmRig) switchDies() {
	r.t.Helper()
	for left := 3; ; left-- {
		leaked := r.switchDiesOnce()
		if len(leaked) == 0 {
			return
		}
		if left == 1 {
			r.t.Fatalf("alarms of single cameras: %v", leaked)
		}
		r.t.Logf("alarms of single cameras: %v", leaked)
		for _, c := range r.cameras[:onSwitch] {
			if err := c.Plug(); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// switchDiesOnce returns the alarms that single cameras had.
func (r *alarmRig) switchDiesOnce() (leaked map[string]bool) {
	r.t.Helper()
	r.step("no alarm stands", 3*time.Minute, func() bool {
		list, err := r.centre.alarms(r.t.Context(), false)
		return err == nil && len(list) == 0
	})
	began := time.Now()
	for _, c := range r.cameras[:onSwitch] {
		c.Unplug()
	}
	r.step("one incident", 30*time.Second, func() bool {
		a, found := r.find(of("group/lantai2"))
		return found && a.Condition == "switch_down" && a.Severity == "critical"
	})
	r.t.Logf("a switch with %d cameras is one incident after %v", onSwitch, time.Since(began).Round(time.Millisecond))
	leaked = map[string]bool{}
	waitFor(r.t.Context(), 25*time.Second, func() bool {
		list, _ := r.centre.alarms(r.t.Context(), false) // asked again
		for _, a := range list {
			if a.Source != "group/lantai2" {
				leaked[a.Source+" "+a.Condition] = true
			}
		}
		return len(leaked) > 0
	})
	if len(leaked) > 0 {
		return leaked
	}
	// A camera that was found later is told 15 s after the incident, or later.
	r.step("the incident explains all cameras of the switch", 90*time.Second, func() bool {
		a, found := r.find(of("group/lantai2"))
		return found && a.Hidden == onSwitch
	})
	return nil
}
