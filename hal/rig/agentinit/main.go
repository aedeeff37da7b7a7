// Command agentinit is the first process of an emulated machine that runs the
// whole agent: it loads the kernel's modules, mounts the disk, brings the
// network up, takes a line of the GPIO chip for itself, starts the agent, loads
// the modules of sensors, and does what the serial console says:
//
//	stop        stop the agent as if it hung (SIGSTOP)
//	go          let it go on (SIGCONT)
//	kill        kill the agent (SIGKILL), and start no other
//	clock N     set the wall clock to N seconds after 1970
//	memory      say how much memory the agent has
//	end         end the agent in order and switch off
//	update URL  bring a release in and hand it over, as `kentongan update apply` does
//	status      say what the update directory holds
//	hash        say the SHA-256 of the program that runs
//
// Where the launcher is there, the agent is started by it, out of an update
// directory on the disk. Its own lines begin with INIT.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kentongan/hal"
	"kentongan/hal/gpio"
)

const (
	disk    = "/dev/vda"
	address = "\x0a\x00\x02\x0f" // 10.0.2.15, what QEMU's user network gives
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "agentinit is the first process of hal/rig's machine and runs nowhere else")
		os.Exit(2)
	}
	if err := run(); err != nil {
		say("failed: %v", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func say(format string, args ...any) { fmt.Printf("INIT "+format+"\n", args...) }

func run() error {
	if err := mounts(); err != nil {
		return err
	}
	if err := load("/modules"); err != nil {
		return err
	}
	if err := freeButton(); err != nil {
		return fmt.Errorf("take the button from the kernel: %w", err)
	}
	if err := mountDisk(); err != nil {
		return err
	}
	if err := network(); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	other := gpio.New(gpio.Options{Consumer: "modem"})
	defer other.Close()
	if _, err := other.OpenOutput(hal.LineConfig{Name: "reset", Chip: "gpiochip0", Line: "5"}); err != nil {
		return fmt.Errorf("take a line before the agent does: %w", err)
	}
	agent, err := theAgent()
	if err != nil {
		return err
	}
	if err := agent.Start(); err != nil {
		return err
	}
	say("agent begun after %v", uptime())
	if err := load("/late"); err != nil { // a press waits for no sensor
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	orders := make(chan string)
	go read(orders)
	for {
		select {
		case err := <-ended:
			say("agent ended: %v", err)
			if killed(agent) {
				continue // until the watchdog resets the board
			}
			return unix.Unmount("/data", 0)
		case o := <-orders:
			if err := do(o, agent.Process); err != nil {
				say("order %q: %v", o, err)
				continue
			}
			say("order %q: done", o)
		}
	}
}

// killed tells whether a process that ended was killed, and not by itself.
func killed(c *exec.Cmd) bool {
	st, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	return ok && st.Signaled() && st.Signal() == syscall.SIGKILL
}

// mounts makes /dev, /proc and /sys, and keeps the console from repeating what
// is typed.
func mounts() error {
	for _, m := range []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	console, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	console.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(0, unix.TCSETS, console)
}

// load loads all modules of a directory, in the order of their names.
func load(dir string) error {
	files, err := filepath.Glob(dir + "/*.ko")
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// freeButton takes the board's power button from the kernel's driver of keys,
// where that is built in.
func freeButton() error {
	const driver = "/sys/bus/platform/drivers/gpio-keys"
	bound, err := filepath.Glob(driver + "/*/driver")
	if err != nil {
		return err
	}
	for _, b := range bound {
		name := filepath.Base(filepath.Dir(b))
		if err := os.WriteFile(driver+"/unbind", []byte(name), 0); err != nil {
			return err
		}
	}
	return nil
}

func mountDisk() error {
	if err := await(disk); err != nil {
		return err
	}
	if err := os.MkdirAll("/data", 0o700); err != nil {
		return err
	}
	if err := unix.Mount(disk, "/data", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", disk, err)
	}
	return nil
}

// await waits for a device that the kernel finds late.
func await(path string) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return nil
		} else if time.Now().After(end) {
			return err
		}
	}
}

// network gives eth0 its address. The host is on the same net, so there is no
// route to set.
func network() error {
	if err := await("/sys/class/net/eth0"); err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for _, set := range []struct {
		request uint
		name    string
		value   []byte
	}{
		{unix.SIOCSIFADDR, "eth0", inet(address)},
		{unix.SIOCSIFNETMASK, "eth0", inet("\xff\xff\xff\x00")},
		{unix.SIOCSIFFLAGS, "eth0", []byte{unix.IFF_UP, 0}},
		{unix.SIOCSIFFLAGS, "lo", []byte{unix.IFF_UP, 0}},
	} {
		var r [40]byte // struct ifreq: a name of 16 bytes and a union
		copy(r[:16], set.name)
		copy(r[16:], set.value)
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(s), uintptr(set.request), uintptr(unsafe.Pointer(&r))); e != 0 {
			return fmt.Errorf("%s: %#x: %w", set.name, set.request, e)
		}
	}
	return nil
}

// inet is a struct sockaddr_in on a little-endian machine.
func inet(ip string) []byte { return append([]byte{unix.AF_INET, 0, 0, 0}, ip...) }

func read(orders chan<- string) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		orders <- strings.TrimSpace(in.Text())
	}
}

func do(order string, agent *os.Process) error {
	word, rest, _ := strings.Cut(order, " ")
	switch word {
	case "stop":
		return agent.Signal(unix.SIGSTOP)
	case "go":
		return agent.Signal(unix.SIGCONT)
	case "kill":
		return agent.Signal(unix.SIGKILL)
	case "end":
		return agent.Signal(unix.SIGTERM)
	case "clock":
		n, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			return err
		}
		tv := unix.NsecToTimeval(n * int64(time.Second))
		return unix.Settimeofday(&tv)
	case "update":
		go update(rest)
		return nil
	case "status":
		return status()
	case "hash":
		return hash()
	case "memory":
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", agent.Pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "Rss") {
				say("%s", strings.Join(strings.Fields(line), " "))
			}
		}
		say("memory told")
		return nil
	}
	return errors.New("no such order")
}

func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano()).Round(10 * time.Millisecond)
}
