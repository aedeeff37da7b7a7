package rig

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// rawStatus is the PL061's register of edges that the kernel has not yet taken:
// the chip's address on the virt board and the register's offset (ARM DDI 0190).
const rawStatus = 0x0903_0000 + 0x414

// wires moves the chip's inputs over QEMU's test protocol: a line for each
// order, answered with a line that begins with OK.
type wires struct {
	conn net.Conn
	in   *bufio.Reader
	chip string // path of the device
}

func (w *wires) ask(format string, args ...any) (string, error) {
	if err := w.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return "", err
	}
	order := fmt.Sprintf(format, args...)
	if _, err := w.conn.Write([]byte(order + "\n")); err != nil {
		return "", fmt.Errorf("wires: %s: %w", order, err)
	}
	answer, err := w.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("wires: %s: %w", order, err)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(answer), "OK")
	if !ok {
		return "", fmt.Errorf("wires: %s: %s", order, answer)
	}
	return strings.TrimSpace(rest), nil
}

// set puts a level on a wire.
func (w *wires) set(line, level int) error {
	_, err := w.ask("set_irq_in %s unnamed-gpio-in %d %d", w.chip, line, level)
	return err
}

// Registers of the PL061: the levels, addressed through a mask of lines in bits
// 2 to 9, and the directions, where a 1 is an output.
const (
	data      = 0x0903_0000
	direction = data + 0x400
)

func (w *wires) level(line int) (bool, error) {
	bits, err := w.register(data + 4<<line)
	return bits != 0, err
}

func (w *wires) driven(line int) (bool, error) {
	bits, err := w.register(direction)
	return bits>>line&1 != 0, err
}

func (w *wires) register(at uint64) (uint64, error) {
	v, err := w.ask("readl %#x", at)
	if err != nil {
		return 0, err
	}
	bits, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("wires: register %#x: %w", at, err)
	}
	return bits, nil
}

// toggle changes a low wire's level n times, as fast as the kernel takes the
// edges: a wire that is faster than the interrupt makes one edge of two.
func (w *wires) toggle(line, n int) error {
	for i := range n {
		if err := w.set(line, (i+1)%2); err != nil {
			return err
		}
		if err := w.taken(); err != nil {
			return err
		}
	}
	return nil
}

// taken waits until the kernel has cleared the interrupt, and half a
// millisecond of the emulated machine's time for its thread.
func (w *wires) taken() error {
	for end := time.Now().Add(answerTime); ; {
		bits, err := w.register(rawStatus)
		if err != nil {
			return err
		}
		if bits == 0 {
			time.Sleep(500 * time.Microsecond)
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("wires: the kernel took no edge in %v (register %#x)", answerTime, bits)
		}
	}
}
