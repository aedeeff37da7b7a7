package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"kentongan/firmware"
	"kentongan/firmware/units"
)

// commandLink makes the running version a command.
const commandLink = "/usr/local/bin/kentongan"

const (
	sysusersFile = "/etc/sysusers.d/kentongan.conf"
	rulesFile    = "/etc/udev/rules.d/60-kentongan.rules"
	unitDir      = "/etc/systemd/system/"
)

type installFlags struct {
	keys, launcher string
	noStart        bool
	self           string // the program that is installed
}

// find looks for what an installation needs, before anything is changed.
func (f *installFlags) find() (err error) {
	if f.self, err = os.Executable(); err != nil {
		return err
	}
	if f.launcher == "" {
		f.launcher = filepath.Join(filepath.Dir(f.self), "kentongan-boot")
		if !exists(f.launcher) && exists(units.Launcher) {
			f.launcher = units.Launcher
		}
	}
	if _, err := exec.Command(f.launcher, "help").Output(); err != nil {
		return fmt.Errorf("launcher %s: %w; put kentongan-boot for this board beside this program, or name it with --launcher", f.launcher, err)
	}
	if f.keys == "" {
		if exists(filepath.Join(units.UpdateDir, "keys")) {
			return nil
		}
		return errors.New("no --keys FILE: the list of keys that sign new versions, as `kentongan-centre bundle` made it")
	}
	text, err := os.ReadFile(f.keys)
	if err != nil {
		return err
	}
	if _, err := firmware.FirstKeys(text); err != nil {
		return fmt.Errorf("%s: %w", f.keys, err)
	}
	return nil
}

// steps install the service.
func (f *installFlags) steps(system string) []step {
	all := f.user(system)
	all = append(all,
		copyStep(f.launcher, units.Launcher),
		step{
			say:  "make the update directory " + units.UpdateDir + " with this program in it",
			done: func() bool { return exists(units.Program) },
			do: func() error {
				if err := os.MkdirAll(units.UpdateDir, 0o755); err != nil {
					return err
				}
				err := commandRun(units.Launcher, "init", "--keys", f.keys, "--program", f.self)
				if err != nil {
					err = errors.Join(err, os.RemoveAll(units.UpdateDir))
				}
				return err
			},
			undo: func() error { return os.RemoveAll(units.UpdateDir) },
		},
		step{
			say:  "make the command " + commandLink,
			done: func() bool { to, err := os.Readlink(commandLink); return err == nil && to == units.Program },
			do: func() error {
				if fi, err := os.Lstat(commandLink); err == nil && fi.Mode()&fs.ModeSymlink == 0 {
					same, err := sameFile(commandLink, f.self)
					if err != nil || !same {
						return errors.Join(err, errors.New("another file is there; move it away"))
					}
				}
				return link(units.Program, commandLink)
			},
			undo: ifNew(commandLink, func() error { return os.Remove(commandLink) }),
		},
		folderStep(filepath.Dir(units.Config)), folderStep(units.Data),
	)
	if system == initSystemd {
		return append(all, f.systemd()...)
	}
	return append(all, f.script(system)...)
}

func (f *installFlags) user(system string) []step {
	there := func() bool { _, err := user.Lookup(units.User); return err == nil }
	if system == initSystemd {
		return []step{textStep(sysusersFile, units.Sysusers), {
			say:  "make the user " + units.User + " and its groups",
			done: there,
			do:   func() error { return commandRun("systemd-sysusers", sysusersFile) },
		}}
	}
	all := []step{{
		say:  "make the user " + units.User,
		done: there,
		do: func() error {
			if shadow() {
				return commandRun("useradd", "--system", "--user-group", "--home-dir", units.Data, "--shell", "/sbin/nologin", units.User)
			}
			if err := commandRun("addgroup", "-S", units.User); err != nil { // busybox
				return err
			}
			return commandRun("adduser", "-S", "-D", "-H", "-h", units.Data, "-s", "/sbin/nologin", "-G", units.User, units.User)
		},
	}}
	for _, g := range units.Groups() {
		all = append(all, groupStep(g))
	}
	if exists("/etc/udev") { // eudev; elsewhere the devices' groups are whatever makes them
		all = append(all, textStep(rulesFile, units.Rules), udevStep)
	}
	return all
}

// shadow tells whether the system has the usual commands for users, or busybox's.
func shadow() bool {
	_, err := exec.LookPath("useradd")
	return err == nil
}

// groupStep puts the user into a group, which it makes where there is none.
func groupStep(group string) step {
	return step{
		say: "put the user " + units.User + " into the group " + group,
		done: func() bool {
			u, err := user.Lookup(units.User)
			if err != nil {
				return false
			}
			g, err := user.LookupGroup(group)
			if err != nil {
				return false
			}
			ids, err := u.GroupIds()
			return err == nil && slices.Contains(ids, g.Gid)
		},
		do: func() error {
			_, err := user.LookupGroup(group)
			if missing := err != nil; shadow() {
				if missing {
					err = commandRun("groupadd", "--system", group)
				}
				return errors.Join(err, commandRun("usermod", "--append", "--groups", group, units.User))
			} else if missing {
				err = commandRun("addgroup", "-S", group)
			}
			return errors.Join(err, commandRun("addgroup", units.User, group))
		},
	}
}

// systemd are the steps for the units. The main one goes through
// kardianos/service, whose shortcomings are mended here: a failed installation
// leaves an empty unit, and an old unit is not replaced.
func (f *installFlags) systemd() []step {
	all := []step{textStep(rulesFile, units.Rules)}
	for _, u := range units.Units[1:] {
		all = append(all, textStep(unitDir+u, u))
	}
	main := unitDir + units.Main
	enabled := "multi-user.target.wants/"
	all = append(all,
		step{
			say:  "install and enable " + units.Main,
			done: func() bool { return hasText(main, units.Text(units.Main)) && exists(unitDir+enabled+units.Main) },
			do: func() error {
				s, err := theService(initSystemd)
				if err != nil {
					return err
				}
				// A new unit, or one of an older version in its place.
				if err := os.Remove(main); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				if err := commandRun("systemctl", "daemon-reload"); err != nil {
					return err
				}
				if err := s.Install(); err != nil {
					return errors.Join(err, os.Remove(main))
				}
				return syncFile(main)
			},
			undo: ifNew(main, func() error {
				return errors.Join(commandRun("systemctl", "disable", units.Main), os.Remove(main), commandRun("systemctl", "daemon-reload"))
			}),
		},
		step{
			say:  "enable kentongan-apply.path",
			done: func() bool { return exists(unitDir + enabled + "kentongan-apply.path") },
			do:   func() error { return commandRun("systemctl", "enable", "--now", "kentongan-apply.path") },
			undo: func() error { return commandRun("systemctl", "disable", "--now", "kentongan-apply.path") },
		},
		udevStep)
	return append(all, f.start(initSystemd)...)
}

var udevStep = step{
	say:  "let udev read its rules",
	done: func() bool { return !exists("/run/udev/control") },
	do: func() error {
		return errors.Join(commandRun("udevadm", "control", "--reload"), commandRun("udevadm", "trigger", "--subsystem-match=gpio", "--subsystem-match=i2c-dev", "--subsystem-match=watchdog", "--subsystem-match=leds"))
	},
}

func (f *installFlags) script(system string) []step {
	text := units.Text(units.OpenRC)
	if system == initSysV {
		text = units.Text(units.SysV)
	}
	return append([]step{{
		say:  "install and enable " + initScript,
		done: func() bool { return hasText(initScript, text) },
		do: func() error {
			s, err := theService(system)
			if err != nil {
				return err
			}
			if exists(initScript) {
				return writeFile(initScript, text, 0o755)
			}
			err = s.Install()
			if err == nil && system == initSysV {
				err = registerSysV()
			}
			if err != nil {
				return errors.Join(err, removeScript(system))
			}
			return syncFile(initScript)
		},
		undo: ifNew(initScript, func() error { return removeScript(system) }),
	}}, f.start(system)...)
}

func (f *installFlags) start(system string) []step {
	if f.noStart || !exists(units.Config) {
		return nil
	}
	return []step{{
		say:  "start the service",
		done: func() bool { s := lookAtService().State; return s == stateRuns || s == stateStarts },
		do: func() error {
			s, err := theService(system)
			if err != nil {
				return err
			}
			return s.Start()
		},
	}}
}

// removal are the steps back. The programs go, data stays.
func removal(system string) []step {
	remove := func(file string) step {
		return step{say: "remove " + file, done: func() bool { return !exists(file) }, do: func() error { return os.RemoveAll(file) }}
	}
	gone := func() bool { return !installed(system) }
	all := []step{{say: "end the service", done: gone, do: func() error {
		s, err := theService(system)
		if err != nil {
			return err
		}
		return s.Stop() // kardianos/service's Uninstall lets it run
	}}}
	if system == initSystemd {
		all = append(all,
			step{say: "disable kentongan-apply.path", done: gone, do: func() error { return commandRun("systemctl", "disable", "--now", "kentongan-apply.path") }},
			step{say: "disable and remove " + units.Main, done: gone, do: func() error {
				s, err := theService(system)
				if err != nil {
					return err
				}
				return s.Uninstall()
			}})
		for _, u := range units.Units[1:] {
			all = append(all, remove(unitDir+u))
		}
		all = append(all, remove(rulesFile), remove(sysusersFile), step{say: "let systemd forget it", do: func() error {
			_ = commandRun("systemctl", "reset-failed", "kentongan*") // an error when nothing had failed
			return commandRun("systemctl", "daemon-reload")
		}})
	} else {
		all = append(all, step{say: "remove " + initScript, done: gone, do: func() error { return removeScript(system) }}, remove(rulesFile))
	}
	return append(all, remove(filepath.Dir(units.Launcher)), remove(units.UpdateDir), step{
		say:  "remove " + commandLink,
		done: func() bool { to, err := os.Readlink(commandLink); return err != nil || to != units.Program },
		do:   func() error { return os.Remove(commandLink) },
	})
}

// registerSysV has Debian's update-rc.d make the links, where it is: its init starts
// what stands in files that insserv makes of the scripts' heads, and would pass over
// the links of kardianos/service.
func registerSysV() error {
	if _, err := exec.LookPath("update-rc.d"); err != nil {
		return nil
	}
	var errs []error
	for _, l := range sysVLinks() {
		errs = append(errs, os.Remove(l))
	}
	return errors.Join(append(errs, commandRun("update-rc.d", units.User, "defaults"))...)
}

func sysVLinks() []string {
	links, _ := filepath.Glob("/etc/rc[0-6S].d/[SK][0-9][0-9]" + units.User) // the pattern is well formed
	return links
}

// removeScript removes an init script with its links, which kardianos/service
// leaves on SysV.
func removeScript(system string) error {
	if system == initOpenRC {
		s, err := theService(system)
		if err != nil {
			return err
		}
		return s.Uninstall()
	}
	var errs []error
	for _, l := range append(sysVLinks(), initScript) {
		errs = append(errs, os.Remove(l))
	}
	if _, err := exec.LookPath("update-rc.d"); err == nil {
		errs = append(errs, commandRun("update-rc.d", units.User, "remove"))
	}
	return errors.Join(errs...)
}

// textStep lays down one of the texts of package units.
func textStep(file, name string) step {
	text := units.Text(name)
	return step{
		say:  "write " + file,
		done: func() bool { return hasText(file, text) },
		do:   func() error { return writeFile(file, text, 0o644) },
		undo: ifNew(file, func() error { return os.Remove(file) }),
	}
}

// folderStep makes a folder of the agent's user. What root makes in it, as when a
// technician enrols with sudo, then belongs to that user as well.
func folderStep(dir string) step {
	return step{
		say:  "make the folder " + dir,
		done: func() bool { return exists(dir) },
		do: func() error {
			u, err := user.Lookup(units.User)
			if err != nil {
				return err
			}
			uid, uerr := strconv.Atoi(u.Uid)
			gid, gerr := strconv.Atoi(u.Gid)
			if err := errors.Join(uerr, gerr, os.Mkdir(dir, 0o750)); err != nil {
				return err
			}
			return os.Chown(dir, uid, gid)
		},
		undo: ifNew(dir, func() error { return os.Remove(dir) }),
	}
}

func copyStep(from, to string) step {
	return step{
		say:  "copy " + from + " to " + to,
		done: func() bool { same, err := sameFile(from, to); return err == nil && same },
		do: func() error {
			text, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			return writeFile(to, string(text), 0o755)
		},
		undo: ifNew(to, func() error { return os.RemoveAll(filepath.Dir(to)) }),
	}
}

// ifNew is undo where file is not there yet. What a failed installation was to
// replace stays as it became, and goes on working.
func ifNew(file string, undo func() error) func() error {
	if exists(file) {
		return nil
	}
	return undo
}

func hasText(file, text string) bool {
	b, err := os.ReadFile(file)
	return err == nil && string(b) == text
}

func sameFile(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return bytes.Equal(x, y), err
}

// writeFile writes a file whole or not at all.
func writeFile(file, text string, perm fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp := file + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncFile(filepath.Dir(file))
}

// syncFile brings a file or a folder to the disk.
func syncFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// link makes a symbolic link in the place of what was there.
func link(to, file string) error {
	tmp := file + ".new"
	if err := os.Symlink(to, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, file); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncFile(filepath.Dir(file))
}
