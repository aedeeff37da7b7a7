package main

import (
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/firmware/units"
)

func TestFindInit(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		want  string
		wrong string
	}{
		"Debian":               {[]string{"/run/systemd/system", "/etc/init.d", "/etc/rc2.d"}, initSystemd, ""},
		"Alpine":               {[]string{"/sbin/openrc-run", "/etc/init.d"}, initOpenRC, ""},
		"Devuan":               {[]string{"/etc/init.d", "/etc/rc2.d"}, initSysV, ""},
		"OpenWrt":              {[]string{"/sbin/procd", "/etc/init.d"}, "", "procd"},
		"gokrazy":              {[]string{"/perm", "/gokrazy"}, "", "gokrazy"},
		"a container":          {nil, "", "no systemd"},
		"rpm-ostree is no PID": {[]string{"/usr/bin/rpm-ostree"}, "", "no systemd"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := findInit(func(f string) bool { return slices.Contains(tt.files, f) })
			if got != tt.want || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestReadShow: what `is-active` calls activating is a start or a crash loop.
func TestReadShow(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		show string
		want serviceState
	}{
		"runs":                      {"ActiveState=active\nSubState=running\nNRestarts=0\nExecMainStartTimestamp=Thu 2026-11-26 09:59:59 UTC\n", stateRuns},
		"first start":               {"ActiveState=activating\nSubState=start\nNRestarts=0\n", stateStarts},
		"waits to be started again": {"ActiveState=activating\nSubState=auto-restart\nNRestarts=0\nResult=exit-code\nExecMainStatus=3\n", stateCrashLoop},
		"tenth start":               {"ActiveState=activating\nSubState=start\nNRestarts=9\n", stateCrashLoop},
		"came up, again":            {"ActiveState=active\nNRestarts=9\nExecMainStartTimestamp=Thu 2026-11-26 09:59:50 UTC\n", stateCrashLoop},
		"crashed long ago":          {"ActiveState=active\nNRestarts=9\nExecMainStartTimestamp=Thu 2026-11-26 09:50:50 UTC\n", stateRuns},
		"stopped":                   {"ActiveState=inactive\nSubState=dead\n", stateStopped},
		"failed":                    {"ActiveState=failed\nResult=resources\n", stateFailed},
		"no systemd to speak of":    {"", stateStopped},
	} {
		t.Run(name, func(t *testing.T) {
			if got := readShow(tt.show, now); got.State != tt.want {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
	s := readShow("ActiveState=activating\nSubState=auto-restart\nNRestarts=4\nResult=watchdog\nExecMainStatus=6\nStatusText=no broker yet\nUnitFileState=enabled\n", now)
	for _, want := range []string{"MATI BERULANG", "watchdog, status 6", "no broker yet", "enabled", "journalctl"} {
		if !strings.Contains(s.text(), want) {
			t.Errorf("no %q in\n%s", want, s.text())
		}
	}
}

// TestReadScript: what an init script says by its status.
func TestReadScript(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		want   serviceState
		told   string
	}{
		"runs":             {"echo Running", stateRuns, ""},
		"stopped":          {"echo Stopped; exit 3", stateStopped, ""},
		"starts":           {"echo ' * status: starting'; exit 8", stateStarts, ""},
		"dead":             {"echo kentongan-boot ended; exit 1", stateFailed, "kentongan-boot ended"},
		"OpenRC's crashed": {"echo ' * status: crashed'; exit 32", stateFailed, "status: crashed"},
		"says nothing":     {"exit 1", stateFailed, "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command("sh", "-c", tt.script).CombinedOutput()
			got := readScript(strings.TrimSpace(string(out)), err)
			if got.State != tt.want || !strings.Contains(got.LastEnd+got.Trouble, tt.told) {
				t.Errorf("%+v, want %s, %q", got, tt.want, tt.told)
			}
		})
	}
}

// TestPerform: a step that fails undoes those before it, the last first, and
// what was there before stays.
func TestPerform(t *testing.T) {
	var did []string
	mk := func(name string, done, undo bool, err error) step {
		s := step{say: name, done: func() bool { return done }, do: func() error { did = append(did, name); return err }}
		if undo {
			s.undo = func() error { did = append(did, "undo "+name); return nil }
		}
		return s
	}
	err := perform(io.Discard, []step{mk("a", false, true, nil), mk("b", true, true, nil), mk("c", false, false, nil), mk("d", false, true, nil), mk("e", false, true, errors.New("disk full")), mk("f", false, true, nil)})
	if err == nil || err.Error() != "e: disk full" {
		t.Errorf("error %v", err)
	}
	if want := []string{"a", "c", "d", "e", "undo d", "undo a"}; !slices.Equal(did, want) {
		t.Errorf("did %v, want %v", did, want)
	}
}

// TestServiceNamesWhatStays: every program that an init system starts is named
// by a path that no update changes, and no slot.
func TestServiceNamesWhatStays(t *testing.T) {
	for _, system := range []string{initSystemd, initOpenRC, initSysV} {
		if s, err := theService(system); err != nil || s.Platform() != system {
			t.Errorf("%s: %v, %v", system, s, err)
		}
	}
	for _, name := range []string{units.Main, units.OpenRC, units.SysV} {
		if text := units.Text(name); strings.Contains(text, "slots/") || strings.Contains(text, "{{") {
			t.Errorf("%s names a slot, or has what kardianos/service would take for its own:\n%s", name, text)
		}
	}
}
