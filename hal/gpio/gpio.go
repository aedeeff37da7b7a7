// Package gpio is the board of a Linux machine: the lines of its GPIO chips,
// by the second version of the kernel's character device (Linux 5.10 and up).
//
// It reads the device itself. What periph's driver for it lacks is what a
// public button needs: the kernel's debouncing, its time stamp and number of
// each edge, a buffer that bridges a stall of the program, and a wait that
// ends at once. While a line is open, it is also in periph's gpioreg, under
// the kernel's name of the line.
//
// Chips are numbered as the kernel finds them, which differs from boot to
// boot, so lines are looked up by name at each opening.
//
// High means active everywhere, whatever the polarity of the wire.
package gpio

import (
	"fmt"
	"net"
	"sync"

	"periph.io/x/host/v3/distro"

	"kentongan/hal"
	"kentongan/hal/leds"
)

// Buffer is how many edges the kernel is asked to keep for a line while the
// program is busy: a second of the fastest thumb, and a stall of eight seconds
// with an ordinary bouncing contact.
const Buffer = 1024

// Options of a board. The zero value is right for a normal machine.
type Options struct {
	Dir      string // where the gpiochip devices are; "" is /dev
	Sys      string // where sysfs is, for LEDs; "" is /sys
	Consumer string // what the kernel shows as the user of a line, before its name; "" is kentongan
}

// Board opens lines. Its methods may be called from any goroutine.
type Board struct {
	dir      string
	sys      string
	consumer string

	mu     sync.Mutex // guards what follows
	closed bool
	open   map[closer]bool
}

// closer is an open line.
type closer interface{ Halt() error }

var _ hal.Board = (*Board)(nil)

// New returns the board of this machine. Nothing is opened yet, so it works on
// a machine without GPIO too; opening a line tells.
func New(o Options) *Board {
	b := &Board{dir: o.Dir, sys: o.Sys, consumer: o.Consumer, open: map[closer]bool{}}
	if b.dir == "" {
		b.dir = "/dev"
	}
	if b.consumer == "" {
		b.consumer = "kentongan"
	}
	return b
}

// Name implements hal.Board: the model from the device tree, if there is one.
func (b *Board) Name() string {
	const none = "<unknown>" // what periph says without a device tree
	if model := distro.DTModel(); model != none {
		return model
	}
	return "Linux GPIO"
}

// OpenInput implements hal.Board. It starts a goroutine that reads edges until
// Halt or Close, or until the chip is gone.
func (b *Board) OpenInput(c hal.LineConfig) (hal.Input, error) {
	w, err := b.request(c, inputConfig(c))
	if err != nil {
		return nil, err
	}
	in := newInput(b, w, c)
	if err := b.add(in, in.start); err != nil {
		_ = w.file.Close()
		return nil, &hal.LineError{Line: c, Problem: hal.Refused, Err: err}
	}
	return in, nil
}

// OpenOutput implements hal.Board. The output is inactive until Out. With
// LineConfig.LED it is one of the machine's LEDs.
func (b *Board) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	if c.LED != "" {
		return leds.Open(b.sys, c)
	}
	w, err := b.request(c, outputConfig(c))
	if err != nil {
		return nil, err
	}
	out := &output{pin: pin{wire: w, ours: c.Name, board: b}}
	if err := b.add(out, func() { out.registered = register(&asOutput{out}) }); err != nil {
		_ = w.file.Close()
		return nil, &hal.LineError{Line: c, Problem: hal.Refused, Err: err}
	}
	return out, nil
}

// Close gives back all lines and returns when their goroutines have ended. The
// kernel decides what an output does then; most chips leave it as it was.
func (b *Board) Close() error {
	b.mu.Lock()
	b.closed = true
	var all []closer
	for c := range b.open {
		all = append(all, c)
	}
	b.mu.Unlock()
	var first error
	for _, c := range all {
		if err := c.Halt(); err != nil && first == nil {
			first = fmt.Errorf("close board: %w", err)
		}
	}
	return first
}

// add notes an open line and starts it, so that Close meets none half open.
func (b *Board) add(c closer, start func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	b.open[c] = true
	start()
	return nil
}

func (b *Board) drop(c closer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}
