package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where the kernel's word on this board is read. The zero value is
// this machine.
type Machine struct {
	Sys  string // "" is /sys
	Proc string // "" is /proc
}

func (m Machine) sys(parts ...string) string {
	return filepath.Join(append([]string{orElse(m.Sys, "/sys")}, parts...)...)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Bits of the Raspberry Pi firmware's word get_throttled (Documentation of
// vcgencmd): what is now, and the same 16 bits up since the start.
const (
	lowNow     = 1 << 0
	slowNow    = 1 << 2
	softHotNow = 1 << 3
	since      = 16
)

// Power checks voltage and throttling.
func (m Machine) Power(context.Context) Verdict {
	temp := "-"
	if t, ok := m.hottest(); ok {
		temp = fmt.Sprintf("%.0f °C", t)
	}
	flags, source, ok := m.throttled()
	low, hot := uint64(lowNow), uint64(slowNow|softHotNow)
	switch say := func(cause string) Verdict { return Say(cause, "source", source, "temp", temp) }; {
	case !ok:
		return say("power.unknown")
	case flags&low != 0:
		return say("power.undervoltage")
	case flags&hot != 0:
		return say("power.throttled")
	case flags>>since&low != 0:
		return say("power.was_low")
	case flags>>since&hot != 0:
		return say("power.was_hot")
	default:
		return say("power.ok")
	}
}

// throttled reads the firmware's word, or the alarm that hwmon has of it.
func (m Machine) throttled() (flags uint64, source string, ok bool) {
	if text, err := oneLine(m.sys("devices/platform/soc/soc:firmware/get_throttled")); err == nil {
		flags, err = strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
		return flags, "get_throttled 0x" + strings.TrimPrefix(text, "0x"), err == nil
	}
	for _, dir := range glob(m.sys("class/hwmon/hwmon*")) {
		if name, err := oneLine(filepath.Join(dir, "name")); err != nil || name != "rpi_volt" {
			continue
		}
		alarm, err := oneLine(filepath.Join(dir, "in0_lcrit_alarm"))
		if err != nil {
			continue
		}
		if alarm != "0" {
			flags = lowNow
		}
		return flags, "rpi_volt", true
	}
	return 0, "", false
}

// hottest is the highest temperature of the thermal zones, in degrees Celsius.
func (m Machine) hottest() (most float64, ok bool) {
	for _, zone := range glob(m.sys("class/thermal/thermal_zone*/temp")) {
		text, err := oneLine(zone)
		if err != nil {
			continue
		}
		if t, err := strconv.ParseFloat(text, 64); err == nil && (!ok || t/1000 > most) {
			most, ok = t/1000, true
		}
	}
	return most, ok
}

// lowMemory is the least share of the memory that must be available: below, the
// kernel begins to kill.
const (
	lowMemory      = 0.04
	lowMemoryBytes = 12 << 20 // what the agent needs to start
)

// Memory checks that there is some left.
func (m Machine) Memory(context.Context) Verdict {
	file := filepath.Join(orElse(m.Proc, "/proc"), "meminfo")
	text, err := os.ReadFile(file)
	if err != nil {
		return Say("memory.low", "free", err.Error(), "total", "-")
	}
	kib := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			kib[k], _ = strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64) // what is no figure is not asked for
		}
	}
	free, total := kib["MemAvailable"]<<10, kib["MemTotal"]<<10
	cause := "memory.ok"
	if free < lowMemoryBytes || float64(free) < lowMemory*float64(total) {
		cause = "memory.low"
	}
	return Say(cause, "free", bytesText(free), "total", bytesText(total))
}

// Bounds of a file system's free space.
const (
	fullBytes = 8 << 20 // the event and the telemetry lane can't grow any more
	fullShare = 0.005
	lowShare  = 0.05
)

// Disk checks the file system that holds dir.
func (m Machine) Disk(dir string) func(context.Context) Verdict {
	return func(context.Context) Verdict {
		var s unix.Statfs_t
		info, err := os.Stat(dir)
		if err == nil {
			err = unix.Statfs(dir, &s)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Say("disk.missing", "dir", dir)
		case err != nil:
			return Say("disk.refuses", "dir", dir, "detail", err.Error())
		case !info.IsDir():
			return Say("disk.missing", "dir", dir)
		case s.Flags&unix.ST_RDONLY != 0:
			return Say("disk.readonly", "dir", dir)
		}
		free, total := s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize) // #nosec: a block size is positive
		space := []string{"free", bytesText(free), "total", bytesText(total), "dir", dir}
		switch {
		case total > 0 && (free < fullBytes || float64(free) < fullShare*float64(total)):
			return Say("disk.full", space...)
		case s.Files > 0 && float64(s.Ffree) < fullShare*float64(s.Files):
			return Say("disk.inodes", "free", strconv.FormatUint(s.Ffree, 10), "total", strconv.FormatUint(s.Files, 10))
		}
		if err := writable(dir); err != nil {
			return Say("disk.refuses", "dir", dir, "detail", err.Error())
		}
		if total > 0 && float64(free) < lowShare*float64(total) {
			return Say("disk.low", space...)
		}
		return Say("disk.ok", space...)
	}
}

// writable tries to make a file without a name, which leaves nothing behind.
// What has no such files is asked for its permission.
func writable(dir string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOENT) {
		return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS)
	}
	return err
}

// Wear checks what the storage below dir says of itself: ext4's count of errors,
// and the life of an eMMC (JEDEC JESD84, EXT_CSD 267 to 269: tenths of its life
// that are used, 0x0b is over).
func (m Machine) Wear(dir string) func(context.Context) Verdict {
	return func(context.Context) Verdict {
		device, sys := m.deviceOf(dir)
		if sys == "" {
			return Say("wear.unknown", "device", device)
		}
		errorsText, noErrors := oneLine(m.sys("fs/ext4", device, "errors_count"))
		if n, err := strconv.ParseUint(errorsText, 10, 64); noErrors == nil && err == nil && n > 0 {
			return Say("wear.errors", "device", device, "count", errorsText)
		}
		used, life, noLife := eMMCLife(sys)
		switch {
		case used >= 0x0b:
			return Say("wear.worn", "device", device, "life", life)
		case used >= 0x09:
			return Say("wear.old", "device", device, "life", life)
		case noErrors != nil && noLife:
			return Say("wear.unknown", "device", device)
		}
		return Say("wear.ok", "device", device)
	}
}

// deviceOf is the block device of dir's file system, and its directory in
// sysfs; "" where it has none, as an overlay.
func (m Machine) deviceOf(dir string) (name, sys string) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return dir, ""
	}
	at := m.sys("dev/block", fmt.Sprintf("%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)))
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return dir, ""
	}
	return filepath.Base(real), real
}

// eMMCLife reads how much of its life a partition's eMMC has used, in tenths
// plus one. A card that says nothing has none.
func eMMCLife(sys string) (used uint64, text string, none bool) {
	for _, dir := range []string{sys, filepath.Dir(sys)} {
		life, err := oneLine(filepath.Join(dir, "device/life_time"))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(life) {
			n, err := strconv.ParseUint(strings.TrimPrefix(f, "0x"), 16, 8)
			if err == nil {
				used = max(used, n)
			}
		}
		text = "life_time " + life
		eol, err := oneLine(filepath.Join(dir, "device/pre_eol_info"))
		if err == nil {
			text += ", pre_eol_info " + eol
			if n, err := strconv.ParseUint(strings.TrimPrefix(eol, "0x"), 16, 8); err == nil && n >= 2 {
				used = max(used, 0x09+2*(n-2)) // 2 is a warning, 3 urgent
			}
		}
		return used, text, false
	}
	return 0, "", true
}

// Owner checks that what is in dir belongs to dir's owner: a file that root made
// there by hand stops the agent. It looks at the first few hundred.
func Owner(dir string) (file string, owner uint32, same bool) {
	var top unix.Stat_t
	if err := unix.Stat(dir, &top); err != nil {
		return "", 0, true
	}
	const look = 500
	n := 0
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var s unix.Stat_t
		if n++; err != nil || n > look || unix.Lstat(path, &s) != nil {
			return filepath.SkipAll
		}
		if s.Uid != top.Uid {
			file = path
			return filepath.SkipAll
		}
		return nil
	})
	return file, top.Uid, file == ""
}

// Locker is the process that holds a flock on a file or directory; pid is 0 when
// nobody does.
func (m Machine) Locker(file string) (pid int, name string, err error) {
	var s unix.Stat_t
	if err := unix.Stat(file, &s); err != nil {
		return 0, "", err
	}
	proc := orElse(m.Proc, "/proc")
	text, err := os.ReadFile(filepath.Join(proc, "locks"))
	if err != nil {
		return 0, "", err
	}
	// 1: FLOCK  ADVISORY  WRITE 4711 b3:02:1234 0 EOF
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		f := strings.Fields(in.Text())
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		at := strings.Split(f[5], ":")
		if len(at) != 3 || at[2] != strconv.FormatUint(s.Ino, 10) {
			continue
		}
		if !sameDevice(at[0], at[1], s.Dev) && !opened(filepath.Join(proc, f[4], "fd"), s) {
			continue
		}
		pid, _ = strconv.Atoi(f[4]) // of another namespace it is 0
		name, _ = oneLine(filepath.Join(proc, f[4], "comm"))
		if pid == 0 {
			pid = -1
		}
		return pid, name, nil
	}
	return 0, "", nil
}

// sameDevice compares a device of /proc/locks.
func sameDevice(major, minor string, dev uint64) bool {
	a, err1 := strconv.ParseUint(major, 16, 32)
	b, err2 := strconv.ParseUint(minor, 16, 32)
	return err1 == nil && err2 == nil && a == uint64(unix.Major(dev)) && b == uint64(unix.Minor(dev))
}

// opened tells whether a process has a file open. Some file systems (btrfs,
// overlay) have another device in /proc/locks than their files say.
func opened(fds string, file unix.Stat_t) bool {
	for _, fd := range glob(filepath.Join(fds, "*")) {
		var s unix.Stat_t
		if unix.Stat(fd, &s) == nil && s.Ino == file.Ino && s.Dev == file.Dev {
			return true
		}
	}
	return false
}

func glob(pattern string) []string {
	all, _ := filepath.Glob(pattern) // the patterns are good
	return all
}

func oneLine(file string) (string, error) {
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// bytesText is a size for people.
func bytesText(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
