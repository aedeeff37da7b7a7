package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-demo/internal/camera"
)

// arena is a whole device, a real Mosquitto, a real centre, cameras and a network
// that can be cut, for the tests that break several of them.
type arena struct {
	t       *testing.T
	dir     string // of the device; a file system of its own where the test may mount
	mounted bool
	broker  *process
	addr    string
	centre  *centre
	network *network
	cameras []*camera.Camera
	device  *device
	wire    net.Conn // to the board, held open: a device without file descriptors takes no new one
	answers *bufio.Reader
}

// openArena starts all of it; the programs are built. wrap may change how the
// device's program is started.
func openArena(t *testing.T, deviceProgram, centreProgram string, cameras int, wrap func(*device)) *arena {
	t.Helper()
	ctx := t.Context()
	a := &arena{t: t, dir: t.TempDir()}
	if err := unix.Mount("arena", a.dir, "tmpfs", 0, "size=64m"); err == nil {
		a.mounted = true
		t.Cleanup(func() { _ = unix.Unmount(a.dir, unix.MNT_DETACH) })
	}
	a.broker, a.addr = newMosquitto(t, "kentongan.centre:c-secret", demoDevice+":k-secret")
	var err error
	a.centre, err = startCentre(ctx, centreProgram, "--data", t.TempDir(), "--listen", brokertest.FreeAddress(t), // where it is again after a fault, as the cameras are
		"--broker", "mqtt://"+a.addr, "--username", "kentongan.centre", "--password-file", writeSecret(t, "c-secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.centre.stop)
	run, end := context.WithCancel(context.Background())
	if a.network, err = newNetwork(a.addr); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); a.network.run(run) }()
	t.Cleanup(func() { end(); <-ended })
	cfg := deviceConfig{Device: demoDevice, Broker: "mqtt://" + a.network.addr(), Username: demoDevice, Password: "k-secret", CentreKey: a.centre.key, Cooldown: 20 * time.Millisecond}
	for n := range cameras {
		cam, err := camera.Start(run, camera.Options{Name: fmt.Sprintf("cam%d", n), Codec: "H264", Listen: brokertest.FreeAddress(t), Username: cameraUser, Password: cameraSecret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cam.Close)
		a.cameras = append(a.cameras, cam)
		cfg.Cameras = append(cfg.Cameras, cameraConfig{Name: cam.Name(), URL: cam.URL(), Username: cameraUser, Password: cameraSecret})
	}
	if a.device, err = newDevice(deviceProgram, a.dir, cfg); err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		wrap(a.device)
	}
	go a.device.collect(run.Done())
	powerOn(t, a.device)
	t.Cleanup(a.device.stop)
	t.Cleanup(func() {
		if a.wire != nil {
			_ = a.wire.Close()
		}
		if t.Failed() {
			t.Logf("the device's log ends:\n%s\nthe centre's:\n%s", a.device.log.text(), a.centre.log.text())
		}
	})
	// From now on a connection is held, whatever the first fault is.
	if err := a.ask(boardRequest{Op: "lines"}); err != nil {
		t.Fatal(err)
	}
	return a
}

// press presses a button for a moment.
func (a *arena) press(line string, ms int) error {
	return a.ask(boardRequest{Op: "pulse", Line: line, MS: ms})
}

// ask asks the board over the connection that is held open, or over a new one when
// the device was started anew.
func (a *arena) ask(r boardRequest) error {
	held := a.wire != nil
	err := a.askOnce(r)
	if err != nil && held {
		err = a.askOnce(r)
	}
	return err
}

func (a *arena) askOnce(r boardRequest) error {
	if a.wire == nil {
		c, err := net.DialTimeout("unix", a.device.board.socket, 10*time.Second)
		if err != nil {
			return fmt.Errorf("reach the board: %w", err)
		}
		a.wire, a.answers = c, bufio.NewReader(c)
	}
	_ = a.wire.SetDeadline(time.Now().Add(20 * time.Second))
	err := json.NewEncoder(a.wire).Encode(r)
	var said []byte
	if err == nil {
		said, err = a.answers.ReadBytes('\n')
	}
	var answer boardAnswer
	if err == nil {
		err = json.Unmarshal(said, &answer)
	}
	if err == nil && !answer.OK {
		err = fmt.Errorf("the board: %s", answer.Error)
	}
	if err != nil {
		_ = a.wire.Close()
		a.wire = nil
	}
	return err
}

// mustPress holds a button until the device says that the press is kept. The finger
// rests before and after, longer than what counts as bouncing.
func (a *arena) mustPress(line, when string) {
	a.t.Helper()
	before := len(a.device.tickets())
	down, up := true, false
	if err := a.ask(boardRequest{Op: "set", Line: line, Active: &down}); err != nil {
		a.t.Fatalf("press, %s: %v", when, err)
	}
	kept := waitFor(a.t.Context(), 2*time.Minute, func() bool { return len(a.device.tickets()) > before })
	if !kept {
		a.t.Fatalf("a press was not confirmed within 2 minutes, %s", when)
	}
	if err := a.ask(boardRequest{Op: "set", Line: line, Active: &up}); err != nil {
		a.t.Fatalf("let go, %s: %v", when, err)
	}
	<-time.After(150 * time.Millisecond)
}

// settle waits until the centre holds each confirmed press, once, and nothing is
// missing.
func (a *arena) settle(patience time.Duration) tally {
	a.t.Helper()
	var last tally
	var err error
	if !waitFor(a.t.Context(), patience, func() bool {
		last, err = centreTally(a.t.Context(), a.centre, a.device)
		return err == nil && last.Held == last.Confirmed && last.Missing == 0
	}) || last.Twice != 0 {
		a.t.Fatalf("not after %v: of %d confirmed presses the centre holds %d, %d of them twice; unexplained gaps %d (%v)",
			patience, last.Confirmed, last.Held, last.Twice, last.Missing, err)
	}
	return last
}

// verify audits the centre's database.
func (a *arena) verify() {
	a.t.Helper()
	a.t.Logf("verify: %+v", audit(a.t, a.centre).Devices[0].Lanes)
}

// told is how many records of each kind the centre holds in the event lane, and
// their bodies.
func (a *arena) told() (kinds map[string]int, bodies string) {
	a.t.Helper()
	out := filepath.Join(a.t.TempDir(), "export")
	data := a.centre.args[slices.Index(a.centre.args, "--data")+1]
	if msg, err := exec.Command(a.centre.path, "export", "--data", data, "--audit", out).CombinedOutput(); err != nil {
		a.t.Fatalf("export: %v\n%s", err, msg)
	}
	kinds = map[string]int{}
	files, err := filepath.Glob(filepath.Join(out, "devices", demoDevice, "event-*.jsonl"))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var r struct {
				Lane, Kind string
				Body       json.RawMessage
			}
			if json.Unmarshal(line, &r) == nil && r.Lane == "event" {
				kinds[r.Kind]++
				bodies += r.Kind + " " + string(r.Body) + "\n"
			}
		}
	}
	return kinds, bodies
}

// wantTold fails unless the centre holds events of the kinds with the words.
func (a *arena) wantTold(words ...string) {
	a.t.Helper()
	var bodies string
	var kinds map[string]int
	missing := words
	ok := waitFor(a.t.Context(), 90*time.Second, func() bool {
		kinds, bodies = a.told()
		missing = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.Contains(bodies, w) })
		return len(missing) == 0
	})
	if !ok {
		a.t.Errorf("no event tells of %q; there are %v:\n%s", missing, kinds, bodies)
	}
	a.t.Log("events at the centre:", slices.Sorted(maps.Keys(kinds)))
}

// says waits until the device's log has a line with the words, from now on.
func (a *arena) says(words string) (wait func()) {
	lines, end := a.device.log.follow()
	for len(lines) > 0 {
		<-lines // said before
	}
	return func() {
		a.t.Helper()
		defer end()
		for late := time.After(90 * time.Second); ; {
			select {
			case line := <-lines:
				if strings.Contains(line, words) {
					return
				}
			case <-late:
				a.t.Fatalf("the device never says %q", words)
			}
		}
	}
}

// limitFiles lets the device open no more than n files; 0 lifts it again.
func (a *arena) limitFiles(n uint64) {
	a.t.Helper()
	limit := unix.Rlimit{Cur: n, Max: 1024}
	if n == 0 {
		limit.Cur = 1024
	}
	if err := unix.Prlimit(a.device.pid(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		a.t.Fatalf("limit the files of process %d: %v", a.device.pid(), err)
	}
}

// openFiles is how many files a process has open.
func openFiles(pid int) int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return -1
	}
	return len(all)
}

// fill fills the device's file system; free makes room again.
func (a *arena) fill() {
	a.t.Helper()
	f, err := os.Create(filepath.Join(a.dir, "other"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(piece)
	}
	for small := make([]byte, 512); err != syscall.EIO; {
		if _, err = f.Write(small); err != nil {
			return
		}
	}
}

func (a *arena) free() { _ = os.Remove(filepath.Join(a.dir, "other")) }
