// Package hal says what a board offers to the agent: input lines with edges,
// output lines and LEDs, sensors, a hardware watchdog. Drivers are in the
// packages below it: hal/gpio for a Linux GPIO chip, hal/sensors, hal/leds and
// hal/watchdog for what else the kernel has, hal/sim for a board that a PC
// plays.
//
// It speaks periph's words (periph.io/x/conn/v3/gpio) where periph has them,
// and adds what a public button needs and periph leaves out: the kernel's time
// stamp and sequence number of each edge, and the count of edges that were
// lost.
package hal

import (
	"fmt"
	"io"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Edge is one change of an input's level, after debouncing by the kernel if
// the line has it.
type Edge struct {
	Line   string
	Active bool          // the new logical level: pressed, open, wet
	At     time.Duration // CLOCK_MONOTONIC, stamped when it happened
	Seq    uint32        // of this line, by the kernel, from 1; a jump means lost edges
}

// LineConfig names a line and says how to open it.
type LineConfig struct {
	Name      string        // ours: what records and the configuration call it
	Chip      string        // the chip's name, label or /dev path; "" is any chip that has Line
	Line      string        // the kernel's line name ("GPIO17"), or its offset in Chip in decimal
	ActiveLow bool          // pressed connects to ground
	Bias      gpio.Pull     // gpio.PullNoChange leaves it as it is
	Debounce  time.Duration // asked of the kernel; 0 is none
	LED       string        // instead of Chip and Line, of an output: the kernel's name of an LED
}

// Input is an open input line. Edges may be read by one goroutine; the other
// methods may be called from any.
type Input interface {
	gpio.PinIn
	// Edges delivers each change until Halt or Close of the board closes it.
	Edges() <-chan Edge
	// Active reads the logical level.
	Active() (bool, error)
	// Lost counts edges that the kernel or the reader had to drop.
	Lost() uint64
}

// Output is an open output line. Out(gpio.High) makes it active, whatever the
// polarity of the wire. All methods may be called from any goroutine.
type Output interface {
	gpio.PinOut
}

// Board opens lines. Close gives back all of them.
type Board interface {
	// Name is for people: what board this is.
	Name() string
	OpenInput(LineConfig) (Input, error)
	OpenOutput(LineConfig) (Output, error)
	io.Closer
}

// Problems of a line.
const (
	Missing = "missing" // no such chip or line
	Busy    = "busy"    // somebody else has it
	Refused = "refused" // the kernel said no for another reason
)

// NoChip is the detail of a Missing line where there is nothing at all.
const NoChip = "this machine has no GPIO chip"

// LineError says why a line could not be opened, and what there is instead.
type LineError struct {
	Line    LineConfig
	Problem string // Missing, Busy, Refused
	Detail  string // who has it, or which chips and lines there are
	Err     error
}

func (e *LineError) Error() string {
	s := fmt.Sprintf("line %s (chip %q, line %q): %s", e.Line.Name, e.Line.Chip, e.Line.Line, e.Problem)
	if e.Line.LED != "" {
		s = fmt.Sprintf("line %s (LED %q): %s", e.Line.Name, e.Line.LED, e.Problem)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *LineError) Unwrap() error { return e.Err }
