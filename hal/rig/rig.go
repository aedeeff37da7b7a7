// Package rig boots an emulated ARM machine with Debian's own kernel and a
// real GPIO chip in it, and moves the chip's wires from outside. Its tests show
// that hal/gpio and the kiosk do on a kernel what they do on the simulated
// board.
//
// The machine is QEMU's virt board with a PL061 of eight lines, whose driver is
// built into the kernel. The program in it is a Go test binary (package guest)
// that is its own init; there is no other file. It asks for what must happen
// outside over the serial console, a line each, and is answered there:
//
//	RIG drive 3 1      put line 3 of the chip high
//	RIG toggle 3 500   change its level 500 times
//	RIG button         push the board's power button, which pulses line 3 for 100 ms
//	RIG exit 0         the tests are over, with that status
//
// fetch.sh brings the kernel and the emulator.
package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
}

// Cache is the directory into which fetch.sh puts the kernel.
func Cache() (string, error) {
	if dir := os.Getenv("KENTONGAN_RIG"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "kentongan-rig"), err
}

// Start boots the kernel with that first RAM disk. dir, which must have a short
// name, is for its sockets. The machine ends with ctx.
func Start(ctx context.Context, kernel, initrd, dir string, args ...string) (*Machine, error) {
	qmp, qtest := filepath.Join(dir, "qmp"), filepath.Join(dir, "qtest")
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64",
		"-M", "virt", "-cpu", "cortex-a53", "-accel", "tcg", "-m", "256M",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-rtc", "base=1970-01-01T00:00:00", // as on a board without a clock
		"-serial", "stdio",
		"-qmp", "unix:"+qmp+",server=on,wait=off",
		"-qtest", "unix:"+qtest+",server=on,wait=off", "-qtest-log", "none",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyAMA0 quiet panic=-1 -- "+strings.Join(args, " "))
	keys, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	m := &Machine{cmd: cmd, keys: keys, console: bufio.NewScanner(out)}
	if err := m.connect(ctx, qmp, qtest); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	return m, nil
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
	return status, errors.Join(err, m.console.Err(), m.cmd.Wait())
}

// do carries out one order of the machine.
func (m *Machine) do(order []string) error {
	switch {
	case len(order) == 1 && order[0] == "button":
		return m.monitor.do("system_powerdown", nil, nil)
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
