package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
	"kentongan/hal/haltest"
)

// site is a real Mosquitto and a real centre on this computer, and a disk and
// an agent for a machine that is started, cut and started again.
type site struct {
	t       *testing.T
	board   Board
	dir     string // short
	kernel  string
	initrd  string
	disk    *Disk
	bus     *Bus   // of the machine's sensors; nil is none
	token   string // lets the test in there
	centre  string // its page
	program string // the agent
	key     string // the centre's
	broker  string

	whole   bool            // the agent has a watchdog, a sensor, and lines that can't be had
	updates *publisher      // of new versions, for an agent under the launcher; nil is none
	reboots bool            // a reset starts the machine again
	firsts  []time.Duration // from each power on to the first durable press
}

const (
	pressLine, lampLine = 3, 4
	quick               = 90 * time.Second // for what takes a second when the computer is idle
	diskBytes           = 48 << 20
	updatedBytes        = 96 << 20 // with three programs on it
)

// slow is for a boot on a busy computer: armhf took two minutes beside a load of
// 27, and a run of all boards is not given up for that.
var slow = 2 * time.Minute

// newSite starts broker and centre; ready makes the rest.
func newSite(t *testing.T, b Board) *site {
	t.Helper()
	check(t, "a new site")
	if _, err := exec.LookPath(b.Emulator); err != nil {
		t.Fatalf("no %s (Debian: qemu-system-arm): %s", b.Emulator, toInstall)
	}
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, board: b, kernel: b.Kernel(cache), whole: true}
	modules, err := b.Modules(cache)
	if _, missing := os.Stat(s.kernel); err != nil || missing != nil || len(modules) == 0 {
		t.Fatalf("no kernel for %s in %s: %s", b.Name, cache, toInstall)
	}
	if s.dir, err = os.MkdirTemp("", "site"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	s.broker = s.startBroker()
	s.key = s.startCentre(s.broker)
	return s
}

// ready builds what the machine boots, and its disk.
func (s *site) ready() {
	s.t.Helper()
	cache, err := Cache()
	if err != nil {
		s.t.Fatal(err)
	}
	modules, err := s.board.Modules(cache)
	if err != nil {
		s.t.Fatal(err)
	}
	var sensors []string
	if s.whole {
		if sensors, err = s.board.Sensors(cache); err != nil || len(sensors) == 0 {
			s.t.Fatalf("no modules of sensors for %s in %s (%v): %s", s.board.Name, cache, err, toInstall)
		}
		s.bus = NewBus(haltest.Registers(s.t, "../sensors/testdata/bme280.regs"))
	}
	s.pack(modules, sensors, s.configuration())
	s.format()
}

// configuration is the agent's.
func (s *site) configuration() string {
	_, port, err := net.SplitHostPort(s.broker)
	if err != nil {
		s.t.Fatal(err)
	}
	text := fmt.Sprintf(`device: kiosk-7
data: /data
spool: {complaint: 4MiB, event: 2MiB, telemetry: 2MiB}
uplink:
  brokers: [{url: "mqtt://10.0.2.2:%s", username: kiosk-7, password: device}]
  centre_key: %s
  keepalive: 10s
board: {driver: gpio}
kiosk:
  number: 7
  cooldown: 0s
  self_test: "off"
  buttons:
    - {name: road, chip: 9030000.pl061, line: %d, active_low: false, bias: as_is, debounce: 10ms, service_code: jalan-rusak, category: infrastruktur, label: {id: Jalan rusak, en: Damaged road}}
  lamps:
    saved: {chip: 9030000.pl061, line: %d}
    fault: {chip: 9030000.pl061, line: %d}
    alive: {chip: 9030000.pl061, line: %d}
lines:
  - {name: door, kind: door, chip: 9030000.pl061, line: %d, bias: as_is, debounce: 0s}
`, port, s.key, pressLine, lampLine, faultLine, aliveLine, doorLine)
	if s.whole {
		text += fmt.Sprintf(`  - {name: mains, kind: mains, chip: 9030000.pl061, line: %d, bias: as_is}
  - {name: tamper, kind: tamper, chip: 9030000.pl061, line: %d, bias: as_is}
  - {name: water, kind: water, chip: %s, line: 1, bias: as_is}
sensors:
  - {name: cabinet, driver: sht3x, address: "i2c-0:0x44", every: 1s, too_hot: 65}
watchdog: {device: /dev/watchdog0, timeout: %v}
`, busyLine, noLine, otherChip, watchdogTimeout)
	}
	if s.updates != nil {
		text += "update: {dir: /data/fw, healthy: /tmp/healthy, hold: 5s}\n"
	}
	return text
}

// pack builds the agent and its init for the board, and packs them.
func (s *site) pack(modules, sensors []string, configuration string) {
	s.program = filepath.Join(s.dir, "kentongan")
	s.buildAs("one", s.program, "kentongan/cmd/kentongan", s.board.Env...)
	init := filepath.Join(s.dir, "init")
	s.build(init, "kentongan/hal/rig/agentinit", s.board.Env...)
	config := filepath.Join(s.dir, "kentongan.yaml")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		s.t.Fatal(err)
	}
	files := []File{{"init", init}, {"kentongan", s.program}, {"kentongan.yaml", config}}
	if s.updates != nil {
		boot := filepath.Join(s.dir, "kentongan-boot")
		s.build(boot, "kentongan/cmd/kentongan-boot", s.board.Env...)
		files = append(files, File{"kentongan-boot", boot}, File{"keys", s.updates.keysFile})
	}
	for _, m := range modules {
		files = append(files, File{"modules/" + filepath.Base(m), m})
	}
	for _, m := range sensors {
		files = append(files, File{"late/" + filepath.Base(m), m})
	}
	s.initrd = filepath.Join(s.dir, "initrd")
	f, err := os.Create(s.initrd)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := WriteInitrd(f, files...); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) build(to, what string, env ...string) {
	s.t.Helper()
	s.buildAs("", to, what, env...)
}

// buildAs builds a program that says a version of itself.
func (s *site) buildAs(version, to, what string, env ...string) {
	s.t.Helper()
	args := []string{"build", "-o", to}
	if len(env) > 0 { // as it is shipped; for this computer, what is built already does
		args = append(args, "-trimpath", "-ldflags", "-s -w -X main.version="+version)
	}
	c := exec.CommandContext(bounded(s.t), "go", append(args, what)...)
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), env...)
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("build %s: %v\n%s", what, err, out)
	}
}

// format makes the disk with an ext4 file system on it.
func (s *site) format() {
	image := filepath.Join(s.dir, "ext4")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	size := int64(diskBytes)
	if s.updates != nil {
		size = updatedBytes
	}
	if err := os.Truncate(image, size); err != nil {
		s.t.Fatal(err)
	}
	mke2fs, err := exec.LookPath("mke2fs")
	if err != nil {
		mke2fs = "/usr/sbin/mke2fs" // often not in a user's PATH
	}
	if out, err := exec.Command(mke2fs, "-q", "-t", "ext4", "-F", image).CombinedOutput(); err != nil {
		s.t.Fatalf("make a file system (Debian: e2fsprogs): %v\n%s", err, out)
	}
	bytes, err := os.ReadFile(image)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.disk, err = NewDisk(bytes, filepath.Join(s.dir, "nbd")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.disk.Close() })
}

// startBroker runs Mosquitto with the files of broker-config.
func (s *site) startBroker() (address string) {
	address = brokertest.FreeAddress(s.t)
	_, port, _ := net.SplitHostPort(address)
	s.background(exec.Command("../../broker-config/mosquitto/start", filepath.Join(s.dir, "mosquitto"), port, "kentongan.centre:centre", "kiosk-7:device"))
	s.until("Mosquitto listens", quick, func() bool {
		c, err := net.Dial("tcp", address)
		return err == nil && c.Close() == nil
	})
	return address
}

// startCentre runs the centre and returns its key.
func (s *site) startCentre(broker string) (key string) {
	program, data := filepath.Join(s.dir, "kentongan-centre"), filepath.Join(s.dir, "centre")
	s.build(program, "kentongan/cmd/kentongan-centre")
	secret := filepath.Join(s.dir, "centre.secret")
	if err := os.WriteFile(secret, []byte("centre\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	page := brokertest.FreeAddress(s.t)
	s.centre = "http://" + page
	s.background(exec.Command(program, "run", "--data", data, "--listen", page, "--broker", "mqtt://"+broker, "--username", "kentongan.centre", "--password-file", secret, "--log", "warn"))
	s.until("the centre answers", quick, func() bool {
		r, err := http.Get(s.centre + "/healthz")
		return err == nil && r.Body.Close() == nil
	})
	tell := func(args ...string) string {
		out, err := exec.Command(program, append(args, "--data", data)...).Output()
		if err != nil {
			s.t.Fatalf("the centre's %s: %v", args[0], err)
		}
		return strings.TrimSpace(string(out))
	}
	tell("user", "add", "--name", "rig", "--role", "viewer")
	s.token = tell("user", "token", "--name", "rig")
	return tell("key")
}

// background runs a program until the test ends, and shows what it said when the
// test has failed.
func (s *site) background(c *exec.Cmd) {
	s.t.Helper()
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", filepath.Base(c.Path), said.Bytes())
		}
	})
}

// until waits for what must come.
func (s *site) until(what string, most time.Duration, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(most); !is(); time.Sleep(50 * time.Millisecond) {
		check(s.t, what)
		if time.Now().After(end) {
			s.t.Fatalf("not in %v: %s", most, what)
		}
	}
}

// complaint is what the centre has of a press.
type complaint struct {
	Ticket   string    `json:"ticket"`
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Clock    string    `json:"clock"`
	Received time.Time `json:"received"`
}

// complaints are all that the centre has, the newest first.
func (s *site) complaints() []complaint {
	s.t.Helper()
	var all []complaint
	for query := ""; ; {
		var page struct {
			Complaints []struct {
				complaint
				ID int64 `json:"id"`
			} `json:"complaints"`
		}
		s.get("/api/v1/complaints?limit=100"+query, &page)
		for _, c := range page.Complaints {
			all = append(all, c.complaint)
			query = fmt.Sprintf("&before=%d", c.ID)
		}
		if len(page.Complaints) < 100 {
			return all
		}
	}
}

func (s *site) get(path string, into any) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.centre+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v\n%s", path, r.Status, err, text)
	}
}

// running is a machine that runs.
type running struct {
	*site
	*Machine
	began time.Time
	over  chan struct{} // closed when it is off

	mu      sync.Mutex // guards what follows
	console []string
	tickets []string // confirmed presses, as its log has them
}

var keptForm = regexp.MustCompile(`msg="press kept".* ticket=(\S+)`)

// boot turns the machine on.
func (s *site) boot() *running {
	s.t.Helper()
	s.disk.On()
	r := &running{site: s, began: time.Now(), over: make(chan struct{})}
	ctx, cancel := context.WithCancel(inTime)
	m, err := Start(ctx, Spec{
		Board: s.board, Kernel: s.kernel, Initrd: s.initrd, Dir: s.dir,
		Disk: filepath.Join(s.dir, "nbd"), Network: true, Bus: s.bus, Reboots: s.reboots,
		Watchdog: s.whole && s.board.Name == "arm64", // armhf's kernel has it in software
	})
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	r.Machine = m
	go func() {
		defer close(r.over)
		_, _ = m.Serve(r.hear) // killed, or its console ended
	}()
	s.t.Cleanup(func() {
		cancel()
		<-r.over
		if s.t.Failed() {
			s.t.Logf("console:\n%s", r.text())
		}
	})
	return r
}

func (r *running) hear(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if os.Getenv("KENTONGAN_RIG_CONSOLE") != "" {
		fmt.Fprintf(os.Stderr, "%7.2f %s\n", time.Since(r.began).Seconds(), line)
	}
	r.console = append(r.console, line)
	if m := keptForm.FindStringSubmatch(line); m != nil {
		r.tickets = append(r.tickets, m[1])
	}
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.console, "\n")
}

// confirmed are the tickets that were confirmed to citizens.
func (r *running) confirmed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.tickets...)
}

// says waits until the console has a text.
func (r *running) says(what string, most time.Duration) {
	r.t.Helper()
	r.until("console says "+what, most, func() bool {
		select {
		case <-r.over:
			if !strings.Contains(r.text(), what) {
				r.t.Fatalf("the machine is off and never said %q", what)
			}
		default:
		}
		return strings.Contains(r.text(), what)
	})
}

// click presses the button from outside and lets it go.
func (r *running) click(hold time.Duration) error {
	if err := r.Set(pressLine, 1); err != nil {
		return err
	}
	time.Sleep(hold)
	err := r.Set(pressLine, 0)
	time.Sleep(hold)
	return err
}

// cut pulls the plug of machine and disk together.
func (r *running) cut(chance *rand.Rand) {
	r.disk.Cut(chance)
	r.Kill()
	<-r.over
}
