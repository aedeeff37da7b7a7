package units

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is for slow machines; nothing here is measured by it.
const patience = 3 * time.Minute

// initSystem is what starts a machine's services.
type initSystem struct {
	prepare string   // a shell's lines, for the root in $r before it is booted
	boot    []string // what nspawn is asked to start
	first   string   // the name of its first process
	isUp    string   // a shell's line that is true once the machine has booted
	why     string   // a shell's line that tells what the service does
}

// systemd's units of a fresh board: none of this machine's services, and no index
// of this machine's many manual pages, which took 30 s after each package.
var systemd = initSystem{
	prepare: `rm -rf "$r"/etc/systemd/system/*
for u in systemd-networkd systemd-resolved systemd-timesyncd console-getty e2scrub_reap man-db; do
	ln -s /dev/null "$r/etc/systemd/system/$u.service"
done`,
	boot:  []string{"--boot", "systemd.unit=multi-user.target"},
	first: "systemd",
	isUp:  `systemctl is-system-running | grep -qE 'running|degraded'`,
	why:   `systemctl status --no-pager -l kentongan kentongan-judge kentongan-apply; journalctl --no-pager -n 60 -u 'kentongan*'`,
}

// machine is a container with an init system of its own, booted by systemd-nspawn.
// Its root is this machine's, seen through an overlay in memory: nothing is
// changed here, and everything there is gone at the end.
type machine struct {
	t      *testing.T
	init   initSystem
	nspawn *exec.Cmd
	ended  chan struct{} // closed when nspawn has
	log    *bytes.Buffer
	files  string // is /rig there
	booted bool
	place  string // holds the overlay, in the machine's mounts only
}

// prepare makes the root a fresh board's: no identity, nothing of a Kentongan that
// may be installed here, and what its init system asks for. A container's ban on
// services goes.
const prepare = `set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
r=$1/root
rm -rf "$r"/var/lib/man-db/auto-update "$r"/etc/kentongan "$r"/var/lib/kentongan* "$r"/usr/lib/kentongan
: >"$r/etc/machine-id"
mkdir "$r/rig"
eval "$4"
rm -f "$r"/usr/sbin/policy-rc.d
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
set +e
# The test holds the other end of this pipe. When it is gone, however it died,
# all goes that runs in this PID namespace: nspawn alone would leave its machine.
exec 3<&0
(read -r _ <&3; kill -KILL -1) &
trap : TERM
while :; do
	systemd-nspawn </dev/null 3<&- --quiet --directory="$r" --register=no --keep-unit --machine="$2" --private-network --bind-ro="$3:/rig" $5
	[ $? = 133 ] || exit # 133: the machine wants to boot again
done`

var machines atomic.Int32 // each has a name of its own

// boot starts a machine and waits until it has booted; files are at /rig in it.
func boot(t *testing.T, init initSystem, files string) *machine {
	t.Helper()
	m := start(t, init, files)
	m.up()
	m.booted = true
	return m
}

func start(t *testing.T, init initSystem, files string) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a container needs root")
	}
	for _, p := range []string{"systemd-nspawn", "nsenter", "unshare"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%v; .ci/tools installs it", err)
		}
	}
	place := t.TempDir()
	m := &machine{t: t, init: init, ended: make(chan struct{}), log: &bytes.Buffer{}, files: files, place: place}
	m.nspawn = exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "sh", "-c", prepare, "sh", place, fmt.Sprintf("k%d-%d", os.Getpid(), machines.Add(1)), files, init.prepare, strings.Join(init.boot, " "))
	if _, err := m.nspawn.StdinPipe(); err != nil { // Wait closes it
		t.Fatal(err)
	}
	m.nspawn.Stdout, m.nspawn.Stderr = m.log, m.log
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.nspawn.Wait() // it is killed in the end
		close(m.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-m.nspawn.Process.Pid, syscall.SIGTERM) // the container is shut down
		select {
		case <-m.ended:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-m.nspawn.Process.Pid, syscall.SIGKILL)
			<-m.ended
		}
		if t.Failed() && !m.booted {
			t.Logf("the machine's console:\n%s", m.log)
		}
	})
	return m
}

// ours lists what the machine's root was given that is named after us, but what
// the agent kept. What is only seen through the overlay, as the tree of these
// tests may be, is not the machine's.
func (m *machine) ours() string {
	m.t.Helper()
	upper := filepath.Join("/proc", strconv.Itoa(m.nspawn.Process.Pid), "root", m.place, "up")
	var found []string
	err := filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked
		}
		if err != nil {
			return err
		}
		inside := strings.TrimPrefix(path, upper)
		whiteout := d.Type()&fs.ModeCharDevice != 0 // removed in the machine
		if whiteout || !strings.Contains(d.Name(), "kentongan") {
			return nil
		}
		found = append(found, inside)
		if inside == Data {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Join(found, "\n")
}

// up waits until the machine has booted.
func (m *machine) up() {
	m.t.Helper()
	m.until("booted", func() bool {
		_, err := m.try("sh", "-c", m.init.isUp)
		return err == nil
	})
}

// first is the machine's first process, as this one sees it; 0 while there is none.
func (m *machine) first() int {
	below := []string{strconv.Itoa(m.nspawn.Process.Pid)}
	for len(below) > 0 {
		pid := below[0]
		below = below[1:]
		if comm, err := os.ReadFile("/proc/" + pid + "/comm"); err == nil && strings.TrimSpace(string(comm)) == m.init.first {
			// One of before the reboot, which nobody has waited for yet, has none.
			if _, err := os.Readlink("/proc/" + pid + "/ns/cgroup"); err == nil {
				n, _ := strconv.Atoi(pid)
				return n
			}
		}
		children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children") // it may be gone
		below = append(below, strings.Fields(string(children))...)
	}
	return 0
}

// try runs a program in the machine.
func (m *machine) try(args ...string) (string, error) {
	pid := m.first()
	if pid == 0 {
		return "", fmt.Errorf("the machine does not run")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", "LANG=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs a shell's line in the machine; it must not fail.
func (m *machine) run(line string) string {
	m.t.Helper()
	out, err := m.try("sh", "-c", line)
	if err != nil {
		why, _ := m.try("sh", "-c", m.init.why)
		m.t.Fatalf("%s: %v\n%s\n%s", line, err, out, why)
	}
	return out
}

// fails runs a line that has to fail and say what.
func (m *machine) fails(line, says string) {
	m.t.Helper()
	out, err := m.try("sh", "-c", line)
	if err == nil || !strings.Contains(out, says) {
		m.t.Errorf("%s: %v, said %q, want %q in it", line, err, out, says)
	}
}

func (m *machine) until(what string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(200 * time.Millisecond) {
		select {
		case <-m.ended:
			m.t.Fatalf("not %s: the machine ended", what)
		default:
		}
		if time.Now().After(end) {
			out, _ := m.try("sh", "-c", m.init.why+"; ls -lR /var/lib/kentongan-firmware; cat /var/lib/kentongan-firmware/trial")
			m.t.Fatalf("not %s in %v\n%s", what, patience, out)
		}
	}
}

// show is a property of a unit.
func (m *machine) show(unit, property string) string {
	out, _ := m.try("systemctl", "show", "--value", "--property="+property, unit)
	return strings.TrimSpace(out)
}

func (m *machine) active(unit string) bool { return m.show(unit, "ActiveState") == "active" }

// build compiles one of our programs as a version.
func build(t *testing.T, dir, name, pkg, version string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}
