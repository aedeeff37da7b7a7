package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/kardianos/service"

	"kentongan/firmware/units"
)

// The init systems that the agent is a service of, by kardianos/service's names.
const (
	initSystemd = "linux-systemd"
	initOpenRC  = "linux-openrc"
	initSysV    = "unix-systemv"
)

// findInit tells who starts services here. kardianos/service takes every
// machine that it does not know for one with SysV, and one with rpm-ostree for
// systemd even in a container without it, so we look ourselves.
func findInit(exists func(string) bool) (string, error) {
	switch {
	case exists("/run/systemd/system"):
		return initSystemd, nil
	case exists("/perm") && exists("/gokrazy"):
		return "", errors.New("this is gokrazy, which starts its programs itself; give it kentongan as a package of the image")
	case exists("/sbin/procd"):
		return "", errors.New("this is OpenWrt (procd), for which there is no service script yet; start `kentongan-boot run` by a script of your own")
	case exists("/sbin/openrc-run"):
		return initOpenRC, nil
	case exists("/etc/init.d") && exists("/etc/rc2.d"):
		return initSysV, nil
	}
	return "", errors.New("no systemd, OpenRC or SysV init runs here; start `kentongan-boot run` by what does")
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// theService is the agent as a service of an init system. Its program is named
// by a path that no update changes: kardianos/service would otherwise follow
// the link to the slot that runs now.
func theService(system string) (service.Service, error) {
	for _, s := range service.AvailableSystems() {
		if s.String() == system {
			return s.New(nil, &service.Config{
				Name: units.User, DisplayName: "Kentongan", Description: "Kentongan agent for cameras and kiosks", Executable: units.Launcher,
				Option: service.KeyValue{"SystemdScript": units.Text(units.Main), "OpenRCScript": units.Text(units.OpenRC), "SysvScript": units.Text(units.SysV)},
			})
		}
	}
	return nil, fmt.Errorf("no service manager %s", system)
}

// controlUsage is the help of start, stop and restart.
func controlUsage(verb, does string) string {
	return fmt.Sprintf(`kentongan %s

%s

Examples:
  sudo kentongan %s`, verb, does, verb)
}

func runStart(_ context.Context, e env, args []string) int {
	return control(e, "start", args, "Starts the service that 'kentongan install' or the package made.", service.Service.Start)
}

func runStop(_ context.Context, e env, args []string) int {
	return control(e, "stop", args, "Ends the service in order. It starts again with the board; 'kentongan uninstall'\nor, with systemd, 'systemctl disable kentongan' keeps it from that.", service.Service.Stop)
}

func runRestart(_ context.Context, e env, args []string) int {
	return control(e, "restart", args, "Ends the service in order and starts it again.", service.Service.Restart)
}

func control(e env, verb string, args []string, does string, do func(service.Service) error) int {
	o := newOptions("kentongan "+verb, controlUsage(verb, does))
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	fail := func(err error) int {
		fmt.Fprintf(e.stderr, "kentongan %s: %v\n", verb, err)
		return exitFailed
	}
	system, err := findInit(exists)
	if err != nil {
		return fail(err)
	}
	if !installed(system) {
		return fail(errors.New("the service is not installed; write `sudo kentongan install`"))
	}
	if os.Geteuid() != 0 {
		return fail(fmt.Errorf("this needs root; write `sudo kentongan %s`", verb))
	}
	if verb != "stop" && !exists(units.Config) {
		return fail(fmt.Errorf("%s is missing; make it with `sudo kentongan enrol` or `kentongan config example`", units.Config))
	}
	s, err := theService(system)
	if err != nil {
		return fail(err)
	}
	if err := do(s); err != nil {
		if system != initSystemd { // kardianos/service drops what the script said
			return fail(fmt.Errorf("%w; `sudo %s %s` says why", err, initScript, verb))
		}
		return fail(fmt.Errorf("%w; `kentongan status` and `journalctl -u kentongan` say more", err))
	}
	return exitGood
}

// unitDirs are where a unit may lie: ours, and the package's.
var unitDirs = []string{"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"}

const initScript = "/etc/init.d/" + units.User

func installed(system string) bool {
	if system != initSystemd {
		return exists(initScript)
	}
	for _, dir := range unitDirs {
		if exists(dir + units.Main) {
			return true
		}
	}
	return false
}

// packaged tells whether Debian's package manager owns the service.
func packaged() bool {
	for _, dir := range unitDirs[1:] {
		if exists(dir + units.Main) {
			return true
		}
	}
	return false
}

// commandRun runs a program and keeps what it said for the error.
func commandRun(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
