package units

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/firmware"
	"kentongan/firmware/publish"
)

var sites struct {
	once sync.Once
	dir  string
}

// TestMain removes what the tests made together.
func TestMain(m *testing.M) {
	status := m.Run()
	os.RemoveAll(sites.dir) // "" is nothing
	os.Exit(status)
}

// site is what a technician carries: programs, keys, bundles. The tests only read it.
func site(t *testing.T) string {
	t.Helper()
	sites.once.Do(func() { makeSite(t) })
	if t.Failed() || sites.dir == "" {
		t.Fatal("no programs and bundles to try")
	}
	return sites.dir
}

func makeSite(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kentongan-units")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && sites.dir == "" {
			os.RemoveAll(dir)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build(t, dir, "kentongan", "kentongan/cmd/kentongan", "v1")
	build(t, dir, "kentongan-boot", "kentongan/cmd/kentongan-boot", "v1")
	two := build(t, dir, "two", "kentongan/cmd/kentongan", "v2")
	broken := filepath.Join(dir, "broken")
	put(t, broken, "#!/bin/sh\n[ \"$1\" = version ] || exit 9\necho '{\"version\":\"v2-broken\"}'\n")

	keys := newKeyring(t, dir)
	for number, p := range map[uint64][2]string{2: {"v2-broken", broken}, 3: {"v2", two}} {
		made := filepath.Join(dir, fmt.Sprint("release-", number))
		r, err := publish.Make(made, publish.Spec{Number: number, Version: p[0], Issued: time.Now(), KeysNote: keys.note,
			Programs: map[firmware.Platform]string{firmware.ThisBoard().Platform: p[1]}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys.sign(t, r, made)
		if err := publish.Pack(made, filepath.Join(dir, fmt.Sprintf("%d.bundle", number))); err != nil {
			t.Fatal(err)
		}
	}
	putConfig(t, dir)
	sites.dir = dir
}

// keyring signs releases.
type keyring struct {
	note    []byte // the key list
	release string
}

// newKeyring makes keys, and dir/keys.
func newKeyring(t *testing.T, dir string) keyring {
	t.Helper()
	root, rootPublic, err := publish.NewKey("root")
	if err != nil {
		t.Fatal(err)
	}
	release, releasePublic, err := publish.NewKey("release")
	if err != nil {
		t.Fatal(err)
	}
	keys := firmware.Keys{Version: 1, Threshold: 1, Root: []string{rootPublic}, Release: []string{releasePublic}}
	note, err := publish.Sign([]byte(keys.Text()), root)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "keys"), string(note))
	return keyring{note, release}
}

// sign writes a release, signed, into the directory that it is of.
func (k keyring) sign(t *testing.T, r firmware.Release, dir string) {
	t.Helper()
	text, err := publish.Sign([]byte(r.Text()), k.release)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, firmware.ReleaseName), string(text))
}

// putConfig writes the configuration of a kiosk without a network or pins.
func putConfig(t *testing.T, dir string) {
	t.Helper()
	put(t, filepath.Join(dir, "kentongan.yaml"), `device: kiosk-7
data: /var/lib/kentongan
spool: {complaint: 4MiB, event: 4MiB, telemetry: 4MiB}
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1"}]}
board: {driver: sim, socket: /run/kentongan/board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: jalan-rusak, category: jalan, label: {id: Jalan rusak, en: Damaged road}}]
update: {hold: 5s}
`)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

type status struct {
	State    string `json:"state"`
	Agent    string `json:"agent"`
	Restarts int    `json:"restarts"`
	LastEnd  string `json:"last_end"`
	Boot     string `json:"at_boot"`
	Firmware struct {
		Version string          `json:"version"`
		Running uint64          `json:"running"`
		Trial   *firmware.Trial `json:"trial"`
	} `json:"firmware"`
}

func (m *machine) status() status { return m.statusOf("/rig/kentongan") }

func (m *machine) statusOf(program string) (s status) {
	m.t.Helper()
	out, _ := m.try(program, "status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		m.t.Logf("kentongan status: %v: %s", err, out)
	}
	return s
}

// TestInSystemd takes the service through its life in a real systemd: install,
// start, crash, hang, an update that fails, one that is good, a reboot, and the
// end of it.
func TestInSystemd(t *testing.T) {
	t.Parallel()
	m := boot(t, systemd, site(t))
	if s := m.status(); s.State != "not-installed" {
		t.Errorf("before anything: %+v", s)
	}
	before := m.ours()

	// What can't be installed leaves nothing.
	m.fails("/rig/kentongan install", "no --keys FILE")
	m.fails("/rig/kentongan install --keys /rig/kentongan.yaml", "kentongan.yaml")
	m.fails("/rig/kentongan start", "not installed")
	m.run("mkdir -p /etc/systemd/system/kentongan-apply.path/x")
	m.fails("/rig/kentongan install --keys /rig/keys", "kentongan-apply.path")
	m.run("rm -r /etc/systemd/system/kentongan-apply.path")
	// The last step that can fail fails: kardianos/service would leave its unit.
	m.run("mkdir /etc/systemd/system/multi-user.target.wants && touch /etc/systemd/system/multi-user.target.wants/x && mount --bind /rig /etc/systemd/system/multi-user.target.wants")
	m.fails("/rig/kentongan install --keys /rig/keys", "install and enable kentongan.service")
	m.run("umount /etc/systemd/system/multi-user.target.wants && rm -r /etc/systemd/system/multi-user.target.wants")
	m.run("/rig/kentongan install --keys /rig/keys --dry-run")
	if after := m.ours(); after != before {
		t.Errorf("failed and dry installations left\n%s\nbefore them there was\n%s", after, before)
	}

	m.run("/rig/kentongan install --keys /rig/keys")
	for _, u := range Units {
		if got := m.run("cat /etc/systemd/system/" + u); got != Text(u) {
			t.Errorf("%s is not the text that the package has:\n%s", u, got)
		}
	}
	if again := m.run("/rig/kentongan install --keys /rig/keys"); strings.Count(again, "\n") > 2 { // udev's rules, and Next
		t.Errorf("installed again, it did\n%s", again)
	}
	m.run("systemd-analyze verify --man=no /etc/systemd/system/kentongan*")
	for _, u := range []string{"kentongan.service", "kentongan-judge.service", "kentongan-apply.service"} {
		m.secure(u)
	}
	if s := m.status(); s.State != "stopped" || s.Boot != "enabled" {
		t.Errorf("installed, without a configuration: %+v", s)
	}

	// Start.
	m.fails("kentongan start", "kentongan.yaml is missing")
	m.run("install -m 640 -g kentongan /rig/kentongan.yaml /etc/kentongan/ && kentongan start")
	if s := m.status(); s.State != "runs" || s.Firmware.Trial != nil {
		t.Errorf("started: %+v", s)
	}
	m.until("told how the agent is", func() bool { return strings.Contains(m.status().Agent, "no broker") })
	if user := m.run("ps -o user= -p " + m.show(Main, "MainPID")); strings.TrimSpace(user) != User {
		t.Errorf("it runs as %s", user)
	}

	// Crash, while somebody reads the log.
	interrupt := m.follow("kentongan logs --follow --lines 1", "/run/followed")
	m.run("kill -KILL " + m.show(Main, "MainPID"))
	m.until("started again", func() bool { return m.show(Main, "NRestarts") == "1" && m.active(Main) })
	m.until("shown what the agent says after it", func() bool {
		return regexp.MustCompile(`kentongan\[` + m.show(Main, "MainPID") + `\]: .*agent started`).MatchString(m.run("cat /run/followed"))
	})
	if out, err := interrupt(); err != nil || out != "" {
		t.Errorf("kentongan logs --follow, at Ctrl-C: %v, on standard error %q", err, out)
	}
	if out := m.run("! pgrep -x journalctl"); out != "" {
		t.Errorf("left: %s", out)
	}
	if out := m.run("kentongan logs --lines 2"); strings.Count(out, "\n") != 2 {
		t.Errorf("the newest two lines are %q", out)
	}
	m.fails("setpriv --reuid=65534 --regid=65534 --clear-groups kentongan logs", "sudo is needed")
	if s := m.status(); s.State != "crash-loop" || s.Restarts != 1 {
		t.Errorf("after a crash: %+v", s)
	}

	// Hang.
	m.run("mkdir -p /run/systemd/system/kentongan.service.d && printf '[Service]\nWatchdogSec=6s\n' >/run/systemd/system/kentongan.service.d/50-rig.conf && systemctl daemon-reload && kentongan restart")
	m.run("kill -STOP " + m.show(Main, "MainPID"))
	m.until("ended by the watchdog", func() bool { return strings.Contains(m.run("journalctl -u kentongan"), "Watchdog timeout") })
	m.until("started again", func() bool { return m.show(Main, "NRestarts") == "1" && m.active(Main) })
	m.run("rm /run/systemd/system/kentongan.service.d/50-rig.conf && systemctl daemon-reload && kentongan restart")

	// An update that ends each time it is started goes back by itself.
	m.run("kentongan update apply --from /rig/2.bundle")
	m.until("back at v1", func() bool {
		s := m.status()
		return s.Firmware.Trial != nil && s.Firmware.Trial.State == firmware.WentBack && s.Firmware.Running == 0 && m.active(Main)
	})
	m.event("went-back")
	m.fails("kentongan update apply --from /rig/2.bundle", "failed")

	// A good one stays.
	m.run("kentongan update apply --from /rig/3.bundle")
	m.until("committed", func() bool {
		s := m.status()
		return s.Firmware.Trial.State == firmware.Committed && s.Firmware.Running == 3 && m.active(Main)
	})
	m.event("committed")
	if v := m.run("kentongan version"); !strings.Contains(v, "v2 ") {
		t.Errorf("the command is %s", v)
	}

	// Reboot.
	old := m.run("cat /proc/sys/kernel/random/boot_id")
	_, _ = m.try("systemctl", "reboot") // it may be cut off
	m.until("booted anew", func() bool {
		id, err := m.try("cat", "/proc/sys/kernel/random/boot_id")
		return err == nil && id != old
	})
	m.up()
	m.until("running", func() bool { return m.active(Main) })
	if s := m.status(); s.Firmware.Running != 3 || s.Restarts != 0 {
		t.Errorf("after a reboot: %+v", s)
	}

	// The end.
	m.run("kentongan stop")
	if s := m.status(); s.State != "stopped" {
		t.Errorf("stopped: %+v", s)
	}
	m.run("kentongan start")
	said := m.run("kentongan uninstall")
	for _, want := range []string{Data, "/etc/kentongan", "userdel"} {
		if !strings.Contains(said, want) {
			t.Errorf("uninstall said %q, want %s in it", said, want)
		}
	}
	if out, err := m.try("pgrep", "-u", User); err == nil {
		t.Errorf("processes left: %s", out)
	}
	if after := m.ours(); after != "/etc/kentongan\n/etc/kentongan/kentongan.yaml\n/var/lib/kentongan" {
		t.Errorf("left:\n%s", after)
	}
	if s := m.show(Main, "LoadState"); s != "not-found" {
		t.Errorf("systemd still knows it: %s", s)
	}
	m.run("test -d /var/lib/kentongan/spool")
	if s := m.status(); s.State != "not-installed" {
		t.Errorf("after all: %+v", s)
	}
}

// follow starts a command with its output in a file, and waits until something is
// in it. What it returns sends SIGINT to the command and its children, as Ctrl-C
// does, and returns what the command said on standard error and how it ended.
func (m *machine) follow(command, file string) (interrupt func() (string, error)) {
	m.t.Helper()
	type end struct {
		said string
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		said, err := m.try("sh", "-c", "echo $$ >"+file+".pid; exec setsid "+command+" >"+file)
		ended <- end{said, err}
	}()
	m.until("following", func() bool {
		_, err := m.try("test", "-s", file)
		return err == nil
	})
	return func() (string, error) {
		m.run("kill -INT -$(cat " + file + ".pid)")
		e := <-ended
		return e.said, e.err
	}
}

// event waits until the agent has kept an event about an update.
func (m *machine) event(state string) {
	m.t.Helper()
	m.until("told of "+state, func() bool {
		out, _ := m.try("/rig/kentongan", "spool", "dump", "/var/lib/kentongan", "--lane", "event")
		return strings.Contains(out, `"kind":"update"`) && strings.Contains(out, `"state":"`+state+`"`)
	})
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// secure holds a unit to an exposure of 2.0, as systemd-analyze counts it.
func (m *machine) secure(unit string) {
	m.t.Helper()
	out, _ := m.try("systemd-analyze", "security", "--no-pager", unit)
	found := exposure.FindStringSubmatch(out)
	if found == nil {
		m.t.Fatalf("systemd-analyze security %s said\n%s", unit, out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil || level > 2.0 {
		m.t.Errorf("%s: exposure %s, want 2.0 or less\n%s", unit, found[1], out)
	}
	m.t.Logf("%s: exposure %s", unit, found[1])
}
