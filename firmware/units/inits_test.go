package units

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kentongan/firmware"
)

// without is a machine whose first process is sysvinit, with Debian's packages that
// firmware/units/inits.sh brought. man-db's index of this machine's pages is left
// as it is, and so are the services that this machine has.
func without(t *testing.T, packages ...string) initSystem {
	t.Helper()
	if os.Getenv("KENTONGAN_INITS_TEST") == "" {
		t.Skip("make inits runs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("a container needs root")
	}
	cache := os.Getenv("KENTONGAN_INITS")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(dir, "kentongan-inits")
	}
	version, err := exec.Command("sh", "-c", `. /etc/os-release; echo "${VERSION_ID:-testing}"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, strings.TrimSpace(string(version)))
	var debs []string
	for _, p := range append(packages, "sysvinit-core", "initscripts", "insserv") {
		found, _ := filepath.Glob(filepath.Join(cache, p+"_*.deb")) // the pattern is well formed
		if len(found) != 1 {
			t.Fatalf("%d files of the package %s in %s; firmware/units/inits.sh brings them", len(found), p, cache)
		}
		debs = append(debs, "'"+found[0]+"'")
	}
	return initSystem{
		prepare: `mkdir "$r/debs"
cp ` + strings.Join(debs, " ") + ` "$r/debs"
rm -f "$r"/etc/rc?.d/* "$r"/etc/init.d/dbus "$r"/etc/init.d/mosquitto "$r"/etc/init.d/postgresql "$r"/etc/init.d/x11-common
printf '#!/bin/sh\nexit 101\n' >"$r/usr/sbin/policy-rc.d"
chmod 755 "$r/usr/sbin/policy-rc.d"
mount -t proc proc "$r/proc"
chroot "$r" sh -ec 'export DEBIAN_FRONTEND=noninteractive
dpkg --no-triggers --force-remove-essential --force-depends --purge systemd-sysv libpam-systemd
dpkg --no-triggers --path-exclude="/usr/share/man/*" --install /debs/*.deb'
umount "$r/proc"
sed -i /getty/d "$r/etc/inittab"
rm -r "$r/debs"`,
		boot:  []string{"/sbin/init"},
		first: "init",
		isUp:  `runlevel | grep -q 2`,
		why:   `ps -ef; ls -l /etc/rc2.d /etc/runlevels/default; rc-status; kentongan status; kentongan logs`,
	}
}

// TestInOpenRC and TestInSysV take the service through its life where there is no
// systemd: install, start, crash, update, reboot, and the end of it.
func TestInOpenRC(t *testing.T) {
	t.Parallel()
	m := boot(t, without(t, "openrc", "libeinfo1", "librc1"), site(t))
	m.installs(OpenRC)
	m.agentIsStartedAgain()
	// supervise-daemon starts the launcher again.
	old := m.launcher()
	m.run("kill -KILL " + old)
	m.until("the launcher is started again", func() bool { now := m.launcher(); return now != "" && now != old && m.agent() != "" })
	m.wants("runs")
	m.updates()
	m.endures()
	m.goes()
}

func TestInSysV(t *testing.T) {
	t.Parallel()
	m := boot(t, without(t, "sysv-rc", "startpar"), site(t))
	m.installs(SysV)
	m.agentIsStartedAgain()
	m.outlivesItsLog()
	// Nobody starts the launcher again: the agent ends with it, which the status
	// says, and a start mends it.
	m.run("kill -KILL " + m.launcher())
	m.until("the agent ended with its launcher", func() bool { return m.agent() == "" })
	m.wants("failed")
	m.run("kentongan start")
	m.until("started", func() bool { return m.agent() != "" })
	m.wants("runs")
	m.updates()
	m.endures()
	m.goes()
}

// launcher is the process that starts the agent; "" while there is none.
func (m *machine) launcher() string {
	out, _ := m.try("pgrep", "-xf", Launcher+" run .*")
	return strings.TrimSpace(out)
}

// agent is the agent's process; "" while there is none.
func (m *machine) agent() string {
	out, _ := m.try("pgrep", "-u", User, "-f", " run --config "+Config)
	return strings.TrimSpace(out)
}

func (m *machine) wants(state string) {
	m.t.Helper()
	if s := m.status(); s.State != state {
		m.t.Errorf("the service is %q, want %q: %+v", s.State, state, s)
	}
}

func (m *machine) installs(text string) {
	m.t.Helper()
	m.wants("not-installed")
	before := m.ours()
	m.fails("/rig/kentongan install", "no --keys FILE")
	m.fails("/rig/kentongan start", "not installed")
	m.run("mkdir /etc/init.d/kentongan")
	m.fails("/rig/kentongan install --keys /rig/keys", "/etc/init.d/kentongan")
	m.run("rmdir /etc/init.d/kentongan")
	if after := m.ours(); after != before {
		m.t.Errorf("a failed installation left\n%s\nbefore it there was\n%s", after, before)
	}

	m.run("/rig/kentongan install --keys /rig/keys")
	if got := m.run("cat /etc/init.d/kentongan"); got != Text(text) {
		m.t.Errorf("installed is\n%s", got)
	}
	if again := m.run("/rig/kentongan install --keys /rig/keys"); strings.Count(again, "\n") > 1 { // Next
		m.t.Errorf("installed again, it did\n%s", again)
	}
	if got := m.run("id -nG kentongan | tr ' ' '\\n' | sort | tr '\\n' ' '"); got != "audio dialout gpio i2c kentongan lp spi tss video " {
		m.t.Errorf("the user is of the groups %s", got)
	}
	m.wants("stopped")
	m.fails("kentongan start", "kentongan.yaml is missing")
	m.run("install -m 640 -g kentongan /rig/kentongan.yaml /etc/kentongan/ && kentongan start")
	m.until("started", func() bool { return m.agent() != "" })
	m.wants("runs")
	m.run("kentongan start") // of one that runs is nothing
	if got := m.run("stat -c '%U %a' /var/lib/kentongan /run/kentongan"); got != "kentongan 750\nkentongan 755\n" {
		m.t.Errorf("the folders are of\n%s", got)
	}
}

// agentIsStartedAgain: the launcher does that, whatever init there is.
func (m *machine) agentIsStartedAgain() {
	m.t.Helper()
	old := m.agent()
	m.run("kill -KILL " + old)
	m.until("the agent is started again", func() bool { now := m.agent(); return now != "" && now != old })
	m.until("its log is kept", func() bool { out, err := m.try("kentongan", "logs"); return err == nil && out != "" })

	m.run("kentongan restart")
	m.until("restarted", func() bool { return m.agent() != "" })
	m.run("kentongan stop")
	if p := m.launcher() + m.agent(); p != "" {
		m.t.Errorf("stopped, there are still the processes %s", p)
	}
	m.wants("stopped")
	m.run("kentongan start")
	m.until("started", func() bool { return m.agent() != "" })
}

// outlivesItsLog: that nobody reads it any more is no reason to end. Debian 12's
// supervise-daemon of OpenRC gives it to nobody.
func (m *machine) outlivesItsLog() {
	m.t.Helper()
	m.run("pkill -x logger")
	launcher, old := m.launcher(), m.agent()
	m.run("kill -KILL " + old)
	m.until("an agent lives that writes to nobody", func() bool {
		now := m.agent()
		age, err := m.try("ps", "-o", "etimes=", "-p", now)
		seconds, _ := strconv.Atoi(strings.TrimSpace(age))
		return err == nil && now != old && seconds >= 3 // it writes when it starts
	})
	if now := m.launcher(); now != launcher {
		m.t.Errorf("without its logger the launcher became process %q, it was %q", now, launcher)
	}
}

// updates: one that ends each time it is started goes back by itself, a good one stays.
func (m *machine) updates() {
	m.t.Helper()
	m.run("kentongan update apply --from /rig/2.bundle")
	m.until("back at v1", func() bool {
		s := m.status()
		return s.Firmware.Trial != nil && s.Firmware.Trial.State == firmware.WentBack && s.Firmware.Running == 0 && m.agent() != ""
	})
	m.run("kentongan update apply --from /rig/3.bundle")
	m.until("committed", func() bool {
		s := m.status()
		return s.Firmware.Trial.State == firmware.Committed && s.Firmware.Running == 3 && m.agent() != ""
	})
}

// endures: it starts with the board.
func (m *machine) endures() {
	m.t.Helper()
	old := m.run("cat /proc/sys/kernel/random/boot_id")
	m.booted = false
	_, _ = m.try("reboot") // it may be cut off
	m.until("booted anew", func() bool {
		id, err := m.try("cat", "/proc/sys/kernel/random/boot_id")
		return err == nil && id != old
	})
	m.up()
	m.until("running", func() bool { return m.agent() != "" })
	m.booted = true
	if s := m.status(); s.State != "runs" || s.Firmware.Running != 3 {
		m.t.Errorf("after a reboot: %+v", s)
	}
}

// goes: uninstall leaves data, and says where.
func (m *machine) goes() {
	m.t.Helper()
	said := m.run("kentongan uninstall")
	for _, want := range []string{Data, "/etc/kentongan", "userdel"} {
		if !strings.Contains(said, want) {
			m.t.Errorf("uninstall said %q, want %s in it", said, want)
		}
	}
	if p := m.launcher() + m.agent(); p != "" {
		m.t.Errorf("uninstalled, there are still the processes %s", p)
	}
	if after := m.ours(); after != "/etc/kentongan\n/etc/kentongan/kentongan.yaml\n/var/lib/kentongan" {
		m.t.Errorf("left:\n%s", after)
	}
	if out, _ := m.try("sh", "-c", "find /etc/rc?.d /etc/runlevels /run/openrc /run -name '*kentongan*' 2>/dev/null"); out != "" {
		m.t.Errorf("left of the running system:\n%s", out)
	}
	m.run("test -d /var/lib/kentongan/spool")
	m.wants("not-installed")
}
