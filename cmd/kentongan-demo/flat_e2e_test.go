package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-demo/internal/camera"
)

// TestFlatWithinAnHour runs one process of the device for KENTONGAN_SOAK (1 h in
// `make soak`) against a real Mosquitto, a real centre and two RTSP cameras, while
// people press and faults come and go. Every 10 s its memory, goroutines and file
// descriptors are read; none may grow over the second half of the time, after
// Theil and Sen, by more than it may. In the end the centre holds each confirmed
// press once, and its audit is clean.
func TestFlatWithinAnHour(t *testing.T) {
	text := os.Getenv("KENTONGAN_SOAK")
	if text == "" {
		t.Skip("KENTONGAN_SOAK says for how long; `make soak` does")
	}
	length, err := time.ParseDuration(text)
	if err != nil || length < time.Minute {
		t.Fatalf("KENTONGAN_SOAK is %q; write 1h", text)
	}
	t.Setenv("GODEBUG", "gctrace=1") // the collector says what is alive
	random := rand.New(rand.NewPCG(seed(t), 3))
	deviceProgram, centreProgram := buildPrograms(t)

	broker, addr := newMosquitto(t, "kentongan.centre:c-secret", demoDevice+":k-secret")
	data := t.TempDir()
	centre, err := startCentre(t.Context(), centreProgram, "--data", data, "--listen", "127.0.0.1:0",
		"--broker", "mqtt://"+addr, "--username", "kentongan.centre", "--password-file", writeSecret(t, "c-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(centre.stop)
	net, err := newNetwork(addr)
	if err != nil {
		t.Fatal(err)
	}
	background, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { end(); running.Wait() })
	running.Go(func() { net.run(background) })
	s := &soak{t: t, broker: broker, addr: addr, net: net}
	var cams []cameraConfig
	for _, o := range []camera.Options{{Name: "gate", Codec: "H264"}, {Name: "lobby", Codec: "MJPEG"}} {
		o.Listen, o.Username, o.Password = brokertest.FreeAddress(t), cameraUser, cameraSecret
		c, err := camera.Start(background, o)
		if err != nil {
			t.Fatal(err)
		}
		s.cameras = append(s.cameras, c)
		cams = append(cams, cameraConfig{Name: o.Name, URL: c.URL(), Username: cameraUser, Password: cameraSecret})
	}
	s.device, err = newDevice(deviceProgram, t.TempDir(), deviceConfig{
		Device: demoDevice, Broker: "mqtt://" + net.addr(), Username: demoDevice, Password: "k-secret",
		CentreKey: centre.key, Cooldown: 100 * time.Millisecond, Cameras: cams, Surroundings: surroundings,
	})
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { s.device.collect(background.Done()) })
	running.Go(func() { s.listen(background.Done()) })
	powerOn(t, s.device)
	t.Setenv("GODEBUG", "") // of nobody else
	t.Cleanup(s.device.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the device's log ends:\n%s", s.device.log.text())
		}
	})

	s.live(length, random, filepath.Join(data, "centre.db"))
	s.mend()
	s.table()
	s.flat()
	var last tally
	if !waitFor(t.Context(), 3*time.Minute, func() bool {
		last, err = centreTally(t.Context(), centre, s.device)
		return err == nil && last.Held == last.Confirmed && last.Missing == 0
	}) || last.Twice != 0 {
		t.Errorf("the centre: %+v (%v); want each confirmed press once", last, err)
	}
	t.Logf("presses: %+v; faults: %v", last, s.faults)
	if last.Confirmed < s.pressed/2 {
		t.Errorf("%d presses and %d confirmed", s.pressed, last.Confirmed)
	}
	verifyCentre(t, centre)
}

// soak is the run and what was read of it.
type soak struct {
	t       *testing.T
	device  *device
	broker  *process
	addr    string
	net     *network
	cameras []*camera.Camera

	faults  map[string]int
	undo    map[string]func() // of faults that last
	pressed int
	rows    []reading

	mu   sync.Mutex // guards heap
	heap float64
}

// reading is one look at the device's process.
type reading struct {
	at                               time.Duration
	rss, anon, heap, goroutines, fds float64 // MiB, MiB, MiB, and numbers
	troubles                         string
}

var liveHeap = regexp.MustCompile(`^gc \d+ @.*\d+->\d+->(\d+) MB`)

// listen takes from the device's log what the collector says.
func (s *soak) listen(done <-chan struct{}) {
	lines, cancel := s.device.log.follow()
	defer cancel()
	for {
		select {
		case line := <-lines:
			if m := liveHeap.FindStringSubmatch(line); m != nil {
				mb, _ := strconv.ParseFloat(m[1], 64)
				s.mu.Lock()
				s.heap = mb
				s.mu.Unlock()
			}
		case <-done:
			return
		}
	}
}

// live presses, hurts and reads until the time is over.
func (s *soak) live(length time.Duration, random *rand.Rand, database string) {
	began := time.Now()
	s.faults, s.undo = map[string]int{}, map[string]func(){}
	press, hurt, look := time.NewTicker(2*time.Second), time.NewTicker(20*time.Second), time.NewTicker(10*time.Second)
	defer press.Stop()
	defer hurt.Stop()
	defer look.Stop()
	for over := time.After(length); ; {
		select {
		case <-over:
			return
		case <-press.C:
			if err := s.device.board.press(buttons[random.IntN(len(buttons))].Line); err != nil {
				s.t.Errorf("press: %v", err)
			}
			s.pressed++
		case <-hurt.C:
			s.hurt(random)
		case <-look.C:
			s.rows = append(s.rows, s.look(time.Since(began), database))
		}
	}
}

// hurt begins a fault or ends one.
func (s *soak) hurt(random *rand.Rand) {
	cam := s.cameras[random.IntN(len(s.cameras))]
	type fault struct {
		name string
		do   func() error
		undo func()
	}
	list := []fault{
		{"network cut", func() error { s.net.cut(); return nil }, s.net.join},
		{"camera unplugged " + cam.Name(), func() error { cam.Unplug(); return nil }, func() { _ = cam.Plug() }},
		{"camera frozen " + cam.Name(), func() error { cam.Freeze(true); return nil }, func() { cam.Freeze(false) }},
		{"camera silent " + cam.Name(), func() error { cam.Silence(true); return nil }, func() { cam.Silence(false) }},
		{"mains away", func() error { return s.device.board.surround("mains", "off") }, func() { _ = s.device.board.surround("mains", "on") }},
		{"sensor unplugged", func() error { return s.device.board.surround("climate", "unplug") }, func() { _ = s.device.board.surround("climate", "normal") }},
		{"broker killed", func() error { s.broker.kill(); startBroker(s.t, s.broker, s.addr); return nil }, nil},
		{"button flood", func() error {
			for range 50 {
				if err := s.device.board.press(buttons[0].Line); err != nil {
					return err
				}
			}
			return nil
		}, nil},
	}
	f := list[random.IntN(len(list))]
	if undo := s.undo[f.name]; undo != nil {
		undo()
		delete(s.undo, f.name)
		return
	}
	if len(s.undo) >= 2 { // never so much that nothing works for long
		s.mend()
		return
	}
	s.faults[f.name]++
	if err := f.do(); err != nil {
		s.t.Errorf("%s: %v", f.name, err)
	}
	if f.undo != nil {
		s.undo[f.name] = f.undo
	}
}

// mend ends all faults.
func (s *soak) mend() {
	for _, undo := range s.undo {
		undo()
	}
	clear(s.undo)
}

// look reads the process.
func (s *soak) look(at time.Duration, database string) reading {
	s.device.process.mu.Lock()
	pid := s.device.process.cmd.Process.Pid
	s.device.process.mu.Unlock()
	r := reading{at: at, rss: float64(statusKiB(s.t, pid, "VmRSS:")) / 1024, anon: float64(statusKiB(s.t, pid, "RssAnon:")) / 1024, fds: float64(openFiles(pid))}
	s.mu.Lock()
	r.heap = s.heap
	s.mu.Unlock()
	r.goroutines = newestGoroutines(s.t, database)
	var names []string
	for name := range s.undo {
		names = append(names, name)
	}
	slices.Sort(names)
	r.troubles = strings.Join(names, ", ")
	return r
}

func statusKiB(t *testing.T, pid int, field string) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("the device's process: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if parts := strings.Fields(lines.Text()); len(parts) > 1 && parts[0] == field {
			n, err := strconv.ParseInt(parts[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, field)
	return 0
}

// newestGoroutines is what the device itself said last, as the centre keeps it.
func newestGoroutines(t *testing.T, database string) float64 {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+database+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var line []byte
	var rec struct {
		Body struct {
			Goroutines float64 `json:"goroutines"`
		} `json:"body"`
	}
	err = db.QueryRow("SELECT line FROM record WHERE kind = 'device_stats' ORDER BY received_at DESC, seq DESC LIMIT 1").Scan(&line)
	if err == nil {
		err = json.Unmarshal(line, &rec)
	}
	if err != nil {
		t.Fatalf("the device's newest figures at the centre: %v", err)
	}
	return rec.Body.Goroutines
}

// table prints a row each minute.
func (s *soak) table() {
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %9s %9s %9s %11s %5s  %s\n", "minute", "RSS MiB", "anon MiB", "heap MiB", "goroutines", "fds", "at that moment")
	for i, r := range s.rows {
		if i%6 == 0 || i == len(s.rows)-1 {
			fmt.Fprintf(&b, "%8.1f %9.2f %9.2f %9.0f %11.0f %5.0f  %s\n", r.at.Minutes(), r.rss, r.anon, r.heap, r.goroutines, r.fds, r.troubles)
		}
	}
	s.t.Logf("the device, one row a minute of %d readings:\n%s", len(s.rows), b.String())
}

// flat fails when something grew over the second half of the time by more than it
// may: a figure of the collector's, which counts whole megabytes, by one of them. Of
// the memory the anonymous part is judged. The rest are pages of the program's file,
// which come when their code first runs and can't be more than the file.
func (s *soak) flat() {
	for _, c := range []struct {
		name string
		most float64
		of   func(reading) float64
	}{
		{"RSS, MiB", math.Inf(1), func(r reading) float64 { return r.rss }},
		{"anonymous, MiB", 1.5, func(r reading) float64 { return r.anon }},
		{"live heap, MiB", 1, func(r reading) float64 { return r.heap }},
		{"goroutines", 3, func(r reading) float64 { return r.goroutines }},
		{"file descriptors", 2, func(r reading) float64 { return r.fds }},
	} {
		var x, y []float64
		for _, r := range s.rows {
			x, y = append(x, r.at.Hours()), append(y, c.of(r))
		}
		grew := growth(x, y)
		hours := x[len(x)-1] - x[len(x)/2]
		s.t.Logf("%-18s median %8.2f, largest %8.2f, slope %+.3f an hour: %+.3f in the second half of the time (at most %+.1f)",
			c.name, median(y[len(y)/2:]), slices.Max(y), grew/hours, grew, c.most)
		if grew > c.most {
			s.t.Errorf("%s grew by %.2f within %.2f h; at most %.2f is no leak", c.name, grew, hours, c.most)
		}
	}
}
