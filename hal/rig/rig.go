// Package rig boots an emulated ARM machine with Debian's own kernel and a
// real GPIO chip in it, and moves the chip's wires from outside. Its tests show
// that hal/gpio and the kiosk do on a kernel what they do on the simulated
// board.
//
// The machine is QEMU's virt board with a PL061 of eight lines, whose driver is
// built into the kernel. Two kinds of program are its init:
//
// A Go test binary (package guest) tries the drivers. It asks for what must
// happen outside over the serial console, a line each, and is answered there:
//
//	RIG drive 3 1      put line 3 of the chip high
//	RIG toggle 3 500   change its level 500 times
//	RIG button         push the board's power button, which pulses line 3 for 100 ms
//	RIG chip lm75 gone change a chip on the I2C bus; see Bus.Do
//	RIG exit 0         the tests are over, with that status
//
// Package agentinit runs the agent as it is shipped, on a Disk that forgets what
// was not flushed, with a real Mosquitto and a real centre on this computer.
//
// What QEMU has not is played here, and no kernel of Debian's for ARM has a stub
// for it: the chips of a Bus, to which the kernel's own drivers speak through a
// real driver of a USB adapter.
//
// fetch.sh brings the kernels and the emulators.
package rig

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerTime is how long the emulator may take for one order; it shares the
// computer with other tests.
const answerTime = 30 * time.Second

// Machine is a running machine.
type Machine struct {
	cmd     *exec.Cmd
	console *bufio.Scanner
	keys    interface{ Write([]byte) (int, error) }
	monitor *monitor
	wires   *wires
	bus     *Bus
	usb     *usbPort // nil without a bus
}

// Cache is the directory into which fetch.sh puts the kernel.
func Cache() (string, error) {
	if dir := os.Getenv("KENTONGAN_RIG"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "kentongan-rig"), err
}

// Board is a processor of the machine and its kernel.
type Board struct {
	Name     string // arm64, armhf
	Emulator string
	Machine  string
	CPU      string
	Env      []string // of the Go build
}

// Boards are what Debian has kernels for that find the GPIO chip.
var Boards = []Board{
	{"arm64", "qemu-system-aarch64", "virt", "cortex-a53", []string{"GOARCH=arm64"}},
	{"armhf", "qemu-system-arm", "virt,highmem=off", "cortex-a15", []string{"GOARCH=arm", "GOARM=6"}},
}

// Kernel is the board's kernel in the cache.
func (b Board) Kernel(cache string) string {
	if b.Name == "arm64" {
		return filepath.Join(cache, "vmlinuz")
	}
	return filepath.Join(cache, "vmlinuz-"+b.Name)
}

// Modules are the kernel's modules in the cache, in the order to load them.
func (b Board) Modules(cache string) ([]string, error) { return modules(cache, "modules-"+b.Name) }

// Sensors are those of an I2C bus behind a USB adapter and what is on it.
func (b Board) Sensors(cache string) ([]string, error) { return modules(cache, "sensors-"+b.Name) }

func modules(cache, dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(cache, dir, "*.ko"))
	slices.Sort(all)
	return all, err
}

// Spec is what a machine is made of.
type Spec struct {
	Board
	Kernel, Initrd string
	Dir            string   // for its sockets; its name must be short
	Args           []string // of init
	Append         string   // the kernel's command line; "" is that of an init of ours
	Disk           string   // socket of a Disk; "" is none
	Image          string   // file of a disk that the machine may change; "" is none
	Memory         string   // 256M without it
	Network        bool     // the host is 10.0.2.2 from inside
	Watchdog       bool     // an i6300ESB, whose bite ends the machine
	Keyboard       bool     // whose lights are LEDs
	Bus            *Bus     // behind a USB adapter; nil is none
	Reboots        bool     // a reset starts it again and does not end it
}

// command is the emulator's. The clock stands as on a board without one.
func (s Spec) command(ctx context.Context, qmp, qtest, usb string) *exec.Cmd {
	args := []string{
		"-M", s.Machine, "-cpu", s.CPU, "-accel", "tcg", "-m", cmp.Or(s.Memory, "256M"),
		"-nodefaults", "-display", "none",
		"-rtc", "base=1970-01-01T00:00:00",
		"-serial", "stdio",
		"-qmp", "unix:" + qmp + ",server=on,wait=off",
		"-qtest", "unix:" + qtest + ",server=on,wait=off", "-qtest-log", "none",
		"-kernel", s.Kernel, "-initrd", s.Initrd,
		"-append", cmp.Or(s.Append, "console=ttyAMA0 quiet panic=-1 -- "+strings.Join(s.Args, " ")),
	}
	if !s.Reboots {
		args = append(args, "-no-reboot")
	}
	if s.Disk != "" {
		args = append(args, "-drive", "file=nbd+unix:///?socket="+s.Disk+",if=none,id=d0,format=raw,cache=writeback",
			"-device", "virtio-blk-pci,drive=d0")
	}
	if s.Image != "" {
		args = append(args, "-drive", "file="+s.Image+",if=none,id=i0,format=raw,cache=writeback", "-device", "virtio-blk-pci,drive=i0")
	}
	if s.Network {
		args = append(args, "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=")
	}
	if s.Watchdog {
		args = append(args, "-device", "i6300esb", "-action", "watchdog=reset")
	}
	if s.Keyboard {
		args = append(args, "-device", "virtio-keyboard-pci")
	}
	if s.Bus != nil {
		args = append(args, "-device", "qemu-xhci,id=usb", "-chardev", "socket,id=bus,path="+usb, "-device", "usb-redir,chardev=bus,bus=usb.0")
	}
	return exec.CommandContext(ctx, s.Emulator, args...)
}

// Start boots a machine. It ends with ctx.
func Start(ctx context.Context, s Spec) (*Machine, error) {
	qmp, qtest, usb := filepath.Join(s.Dir, "qmp"), filepath.Join(s.Dir, "qtest"), filepath.Join(s.Dir, "usb")
	for _, old := range []string{qmp, qtest, usb} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err // of a machine before, in the same place
		}
	}
	m := &Machine{cmd: s.command(ctx, qmp, qtest, usb), bus: s.Bus}
	if s.Bus != nil {
		var err error
		if m.usb, err = newUSBPort(&adapter{Bus: s.Bus}, usb); err != nil {
			return nil, err
		}
	}
	if err := m.start(ctx, qmp, qtest); err != nil {
		m.unplug()
		return nil, err
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, qmp, qtest string) error {
	keys, err := m.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		return fmt.Errorf("start emulator: %w", err)
	}
	m.keys, m.console = keys, bufio.NewScanner(out)
	if err := m.connect(ctx, qmp, qtest); err != nil {
		_ = m.cmd.Process.Kill()
		return errors.Join(err, m.cmd.Wait())
	}
	return nil
}

// unplug ends what stands beside the emulator.
func (m *Machine) unplug() {
	if m.usb != nil {
		_ = m.usb.Close() // a socket of ours
	}
}

func (m *Machine) connect(ctx context.Context, qmp, qtest string) (err error) {
	if m.monitor, err = dialMonitor(ctx, qmp); err != nil {
		return err
	}
	chip, err := m.monitor.chip()
	if err != nil {
		return err
	}
	c, err := dial(ctx, qtest)
	if err != nil {
		return err
	}
	m.wires = &wires{conn: c, in: bufio.NewReader(c), chip: chip}
	return nil
}

// Serve answers the machine until it is off. Each line of its console goes to
// say. It returns the status with which the program in it ended.
func (m *Machine) Serve(say func(string)) (status int, err error) {
	status = -1
	for m.console.Scan() {
		line := strings.TrimRight(m.console.Text(), "\r")
		say(line)
		_, order, ok := strings.Cut(line, "RIG ")
		if !ok || err != nil {
			continue
		}
		if n, is := strings.CutPrefix(order, "exit "); is {
			status, err = strconv.Atoi(n)
			continue
		}
		answer := "ok"
		if failed := m.do(strings.Fields(order)); failed != nil {
			answer = failed.Error()
		}
		_, err = fmt.Fprintf(m.keys, "%s\n", answer)
	}
	err = errors.Join(err, m.console.Err(), m.cmd.Wait())
	m.unplug()
	return status, err
}

// Press pushes the board's power button: line 3 is high for 100 ms of the
// machine's time.
func (m *Machine) Press() error { return m.monitor.do("system_powerdown", nil, nil) }

// Set puts a level on a line of the chip, from outside.
func (m *Machine) Set(line, level int) error { return m.wires.set(line, level) }

// Level reads a line of the chip, from outside.
func (m *Machine) Level(line int) (bool, error) { return m.wires.level(line) }

// Driven tells whether the chip drives a line itself: the kernel made it an
// output since the last reset.
func (m *Machine) Driven(line int) (bool, error) { return m.wires.driven(line) }

// Toggle changes the level of a low line n times, each time when the kernel has
// taken the change before.
func (m *Machine) Toggle(line, n int) error { return m.wires.toggle(line, n) }

// Link plugs the network's cable in or out.
func (m *Machine) Link(in bool) error {
	return m.monitor.do("set_link", map[string]any{"name": "n0", "up": in}, nil)
}

// Type writes a line to the machine's console.
func (m *Machine) Type(line string) error {
	_, err := m.keys.Write([]byte(line + "\n"))
	return err
}

// Kill pulls the plug: SIGKILL for the emulator.
func (m *Machine) Kill() { _ = m.cmd.Process.Kill() } // it may be off already

// do carries out one order of the machine.
func (m *Machine) do(order []string) error {
	switch {
	case len(order) == 1 && order[0] == "button":
		return m.monitor.do("system_powerdown", nil, nil)
	case len(order) > 1 && order[0] == "chip" && m.bus != nil:
		return m.bus.Do(order[1:])
	case len(order) == 3 && (order[0] == "drive" || order[0] == "toggle"):
		line, err := strconv.Atoi(order[1])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(order[2])
		if err != nil {
			return err
		}
		if order[0] == "drive" {
			return m.wires.set(line, n)
		}
		return m.wires.toggle(line, n)
	}
	return fmt.Errorf("unknown order %q", order)
}

// dial waits for the emulator to listen.
func dial(ctx context.Context, path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		c, err := net.Dial("unix", path)
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the emulator does not answer: %w", err)
		}
	}
}

// monitor is QEMU's machine protocol.
type monitor struct {
	conn net.Conn
	in   *json.Decoder
}

func dialMonitor(ctx context.Context, path string) (*monitor, error) {
	c, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	m := &monitor{c, json.NewDecoder(c)}
	var greeting json.RawMessage
	if err := m.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("greeting of the monitor: %w", err)
	}
	return m, m.do("qmp_capabilities", nil, nil)
}

// do runs one command; events in between are left out.
func (m *monitor) do(command string, arguments, result any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := m.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("monitor: %s: %w", command, err)
	}
	for {
		var r struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := m.in.Decode(&r); err != nil {
			return fmt.Errorf("monitor: %s: %w", command, err)
		}
		switch {
		case r.Error != nil:
			return fmt.Errorf("monitor: %s: %s", command, r.Error.Desc)
		case r.Return != nil && result != nil:
			return json.Unmarshal(r.Return, result)
		case r.Return != nil:
			return nil
		}
	}
}

// chip finds the GPIO chip among the machine's devices.
func (m *monitor) chip() (string, error) {
	const where = "/machine/unattached"
	var devices []struct{ Name, Type string }
	if err := m.do("qom-list", map[string]any{"path": where}, &devices); err != nil {
		return "", err
	}
	for _, d := range devices {
		if d.Type == "child<pl061>" {
			return where + "/" + d.Name, nil
		}
	}
	return "", errors.New("this emulator's board has no PL061")
}
