// Package watchdog is the hardware watchdog of a Linux machine, /dev/watchdog:
// a timer that resets the board when nobody feeds it, whatever the kernel and
// the program do (Documentation/watchdog/watchdog-api.rst).
//
// One program may have it. Where systemd does (RuntimeWatchdogSec in
// system.conf), opening says that it is busy.
package watchdog

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kentongan/hal"
)

// Machine is where watchdogs are looked for. The zero value is this machine.
type Machine struct {
	Sys string // "" is /sys
}

var _ hal.Watchdogs = Machine{}

// dog is an open watchdog.
type dog struct {
	file     *os.File
	identity string
	timeout  time.Duration
	reset    bool
	stops    bool // closing can stop it

	mu     sync.Mutex // guards closed
	closed bool
}

// OpenWatchdog implements hal.Watchdogs. The timeout is what the board agrees
// to, the longest that it takes up to the one that is asked for.
func (m Machine) OpenWatchdog(c hal.WatchdogConfig) (hal.Watchdog, error) {
	if c.Timeout < time.Second {
		return nil, fmt.Errorf("watchdog %s: timeout %v: must be a second at least", c.Device, c.Timeout)
	}
	f, err := os.OpenFile(c.Device, os.O_WRONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("watchdog %s: %s: another program has it; if that is systemd, remove RuntimeWatchdogSec from /etc/systemd/system.conf, or watchdog from this configuration: %w", c.Device, hal.Busy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	d := &dog{file: f}
	if err := d.setUp(m, c); err != nil {
		_ = d.Close() // so that it does not bite for our failure
		return nil, fmt.Errorf("watchdog %s: %w", c.Device, err)
	}
	return d, nil
}

// setUp asks what the watchdog is and agrees to a timeout.
func (d *dog) setUp(m Machine, c hal.WatchdogConfig) error {
	fd := int(d.file.Fd())
	info, err := unix.IoctlGetWatchdogInfo(fd)
	if err != nil {
		return fmt.Errorf("ask what it is: %w", err)
	}
	d.identity, _, _ = strings.Cut(string(info.Identity[:]), "\x00")
	d.stops = info.Options&unix.WDIOF_MAGICCLOSE != 0 && !m.noWayOut(c.Device)
	if status, err := unix.IoctlGetInt(fd, unix.WDIOC_GETBOOTSTATUS); err == nil {
		d.reset = status&unix.WDIOF_CARDRESET != 0
	}
	d.timeout, err = agree(c.Timeout, func(s int32) (int32, error) { return d.setTimeout(fd, s) })
	return err
}

// agree tries shorter timeouts where the board refuses one as too long.
func agree(want time.Duration, try func(seconds int32) (int32, error)) (time.Duration, error) {
	for s := int32(want / time.Second); s > 0; s /= 2 {
		got, err := try(s)
		if err == nil {
			return time.Duration(got) * time.Second, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			return 0, fmt.Errorf("set the timeout to %d s: %w", s, err)
		}
	}
	return 0, fmt.Errorf("it takes no timeout up to %v", want)
}

// setTimeout returns what the driver made of it.
func (d *dog) setTimeout(fd int, s int32) (int32, error) {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.WDIOC_SETTIMEOUT, uintptr(unsafe.Pointer(&s)))
	if e != 0 {
		return 0, e
	}
	return s, nil
}

// class is where sysfs has the watchdogs.
func (m Machine) class() string { return filepath.Join(cmp.Or(m.Sys, "/sys"), "class/watchdog") }

// nameOf is a device's name in sysfs.
func nameOf(device string) string {
	if name := filepath.Base(device); name != "watchdog" {
		return name
	}
	return "watchdog0" // whose old name that is
}

// noWayOut tells whether the kernel was built or told to never stop it.
func (m Machine) noWayOut(device string) bool {
	b, err := os.ReadFile(filepath.Join(m.class(), nameOf(device), "nowayout"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

func (d *dog) Timeout() time.Duration { return d.timeout }
func (d *dog) Identity() string       { return d.identity }
func (d *dog) CausedBoot() bool       { return d.reset }

// Feed implements hal.Watchdog.
func (d *dog) Feed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("feed the watchdog: it is closed")
	}
	if err := unix.IoctlWatchdogKeepalive(int(d.file.Fd())); err != nil {
		return fmt.Errorf("feed the watchdog: %w", err)
	}
	return nil
}

// Close writes the letter that stops it, the magic close.
func (d *dog) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	_, err := d.file.Write([]byte("V"))
	err = errors.Join(err, d.file.Close())
	if err == nil && d.identity != "" && !d.stops {
		err = fmt.Errorf("it can't be stopped, and resets the board within %v", d.timeout)
	}
	if err != nil {
		return fmt.Errorf("close the watchdog: %w", err)
	}
	return nil
}
