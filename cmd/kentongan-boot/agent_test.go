package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/firmware"
)

// TestAgentIsUpdated takes a real agent through an update that proves itself,
// one that can't, and the way back by hand; the citizen's presses in each
// version are all in the spool at the end.
func TestAgentIsUpdated(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two, three := f.build(t, "v1"), f.build(t, "v2"), f.build(t, "v3")
	f.dir = filepath.Join(f.work, "fw-agent")
	f.run(t, exitGood, "init", "--dir", f.dir, "--keys", filepath.Join(f.work, "keys"), "--program", one)
	data, conf := f.agentConfig(t, nobody)
	log := filepath.Join(f.work, "log")
	stop := f.superviseAs(t, log, "--within", "2m", "--incoming", filepath.Join(data, "incoming"), "--", "current/kentongan", "run", "--config", conf)
	f.press(t, 1, data, one)

	update := func(bundle string) string {
		t.Helper()
		out, err := exec.Command(one, "update", "apply", "--config", conf, "--from", bundle).CombinedOutput()
		if err != nil {
			t.Fatalf("update apply: %v\n%s", err, out)
		}
		return string(out)
	}
	update(f.publishFile(t, 2, "v2", two))
	f.wait(t, firmware.Committed)
	f.press(t, 2, data, one)

	// A version that says that it is v3 and dies of its first look at the
	// configuration.
	broken := filepath.Join(f.work, "broken")
	put(t, broken, []byte(script("v3", "exit 3")), 0o755)
	update(f.publishFile(t, 3, "v3", broken))
	f.wait(t, firmware.WentBack)
	f.press(t, 3, data, one)
	if s := f.status(t); s.Running != 2 || len(s.Floor.Failed) != 1 {
		t.Errorf("status %+v", s)
	}

	update(f.publishFile(t, 4, "v3", three))
	f.wait(t, firmware.Committed)
	f.press(t, 4, data, one)
	f.run(t, exitGood, "back", "--dir", f.dir)
	stop()
	stop = f.superviseAs(t, log, "--", "current/kentongan", "run", "--config", conf)
	f.press(t, 5, data, one)
	stop()

	out, err := exec.Command(one, "spool", "dump", data, "--lane", "event").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":"v1"`, `"version":"v2"`, `"state":"committed"`, `"state":"went-back"`, `"kind":"update"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s among the events:\n%s", want, out)
		}
	}
}

// builds are the agents that the tests of this package share, by version: one is
// linked once, one at a time.
var builds struct {
	sync.Mutex
	dir string
}

// build compiles the agent as a version.
func (f *fleet) build(t *testing.T, version string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "kentongan-builds") // TestMain removes it
		if err != nil {
			t.Fatal(err)
		}
		builds.dir = dir
	}
	file := filepath.Join(builds.dir, "kentongan-"+version)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", file, "kentongan/cmd/kentongan")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func (f *fleet) publishFile(t *testing.T, number uint64, version, program string) string {
	t.Helper()
	return f.publishAs(t, fmt.Sprintf("release-%d", number), number, version, read(t, program))
}

// press presses the button of the simulated board, as soon as the agent has it,
// until the spool holds more complaints than before, which are n at least. On a busy
// machine there may be two of one press: it is made again when it is not there yet.
func (f *fleet) press(t *testing.T, n int, data, program string) {
	t.Helper()
	before := -1
	for end := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		out, err := exec.Command(program, "spool", "dump", data, "--lane", "complaint").Output()
		have := strings.Count(string(out), `"kind":"press"`)
		if before < 0 && (err == nil || n == 1) { // at first there is no spool
			before = have
		}
		if err == nil && have > before && have >= n {
			return
		}
		if before >= 0 && before < n-1 || time.Now().After(end) {
			t.Fatalf("%d complaints, %d before, want %d (%v)", have, before, n, err)
		}
		f.pulse()
		time.Sleep(time.Second) // until it is there, or the agent was not
	}
}

func (f *fleet) pulse() {
	c, err := net.Dial("unix", filepath.Join(f.work, "board.sock"))
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintln(c, `{"op":"pulse","line":"GPIO17","ms":100}`)
	_, _ = bufio.NewReader(c).ReadString('\n')
}

// nobody is an uplink to a port on which nobody listens: the broker is out of reach
// before and after an update, which is no reason to go back.
const nobody = `{acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1"}]}`

// agentConfig writes a configuration for the real agent, and tells where its data
// are.
func (f *fleet) agentConfig(t *testing.T, uplink string) (data, conf string) {
	t.Helper()
	data, conf = filepath.Join(f.work, "data"), filepath.Join(f.work, "kentongan.yaml")
	put(t, conf, fmt.Appendf(nil, `device: kiosk-7
data: %s
uplink: %s
board: {driver: sim, socket: %s}
kiosk:
  number: 7
  cooldown: 200ms
  buttons: [{name: road, line: GPIO17, service_code: jalan-rusak, category: jalan, label: {id: Jalan rusak, en: Damaged road}}]
update: {dir: %s, healthy: %s, hold: 5s}
`, data, uplink, filepath.Join(f.work, "board.sock"), f.dir, f.healthy), 0o644)
	return data, conf
}
