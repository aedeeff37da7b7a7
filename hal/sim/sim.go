// Package sim is a board that a PC plays: lines, LEDs, sensors and a watchdog
// that tests set directly and that programs set over a unix socket, for the demo
// and the end-to-end test.
//
// A line of it behaves as one of the kernel's does: edges carry the monotonic
// clock and a number per line, the buffer holds 1,024 of them, and when nobody
// reads, the oldest go and are counted.
//
// What a person does to a line is logical: a button is pressed or it is not.
// So the board keeps that, over closing and opening too, and the wire's level
// follows from it and from the polarity that the line was opened with.
//
// All methods may be called from any goroutine.
package sim

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/hal"
)

// Buffer is how many edges a line keeps for a slow reader: what hal/gpio asks
// of the kernel.
const Buffer = 1024

// ChipName is the name of the board's one chip.
const ChipName = "sim"

// Options of a board. The zero value is a board with the lines GPIO0 to GPIO27
// and the LEDs ACT and PWR of a Raspberry Pi and no socket.
type Options struct {
	Lines  []string             // names by offset; nil is GPIO0 to GPIO27, and the LEDs
	Socket string               // path of the control socket; "" is none
	Now    func() time.Duration // stamps edges; nil is CLOCK_MONOTONIC
	Reset  func()               // called when the watchdog was not fed, by a goroutine of its own; may be nil
}

// ledPrefix is before an LED's name in the list of lines.
const ledPrefix = "led:"

// Board is an open board.
type Board struct {
	now    func() time.Duration
	reset  func()
	lines  []*line // by offset, then the LEDs; the slice never changes
	server *server // nil without a socket

	mu       sync.Mutex // guards what follows and all fields of the lines
	closed   bool
	watchers map[chan Change]bool
	sensors  map[string]*sensor // by our name
	dog      *dog               // the newest that was opened; nil if none was
	resets   int
	gone     chan struct{} // closed by Close
}

// line is one line of the chip; the board's mutex guards it.
type line struct {
	name   string
	offset int
	led    bool
	active bool // logical
	seq    uint32
	cfg    hal.LineConfig
	in     *input  // nil unless open as an input
	out    *output // nil unless open as an output
	pulse  *time.Timer
}

// Open makes a board and, if it has a socket, serves it until Close.
func Open(o Options) (*Board, error) {
	b := &Board{
		now: o.Now, reset: o.Reset, watchers: map[chan Change]bool{},
		sensors: map[string]*sensor{}, gone: make(chan struct{}),
	}
	if b.now == nil {
		b.now = monotonic
	}
	names := o.Lines
	if names == nil {
		for i := range 28 {
			names = append(names, "GPIO"+strconv.Itoa(i))
		}
		names = append(names, ledPrefix+"ACT", ledPrefix+"PWR")
	}
	seen := map[string]bool{}
	for i, n := range names {
		if n == "" || seen[n] {
			return nil, fmt.Errorf("simulated board: line %d: the name %q is empty or given twice", i, n)
		}
		seen[n] = true
		b.lines = append(b.lines, &line{name: n, offset: i, led: strings.HasPrefix(n, ledPrefix)})
	}
	if o.Socket == "" {
		return b, nil
	}
	l, err := listen(o.Socket)
	if err != nil {
		return nil, fmt.Errorf("simulated board: %w", err)
	}
	b.server = serve(b, l)
	return b, nil
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // Linux always has this clock
	}
	return time.Duration(ts.Nano())
}

// Name implements hal.Board.
func (b *Board) Name() string { return "simulated board" }

// Addr is where the control socket listens; nil without one.
func (b *Board) Addr() net.Addr {
	if b.server == nil {
		return nil
	}
	return b.server.listener.Addr()
}

// OpenInput implements hal.Board. Bias is ignored: an input that nobody
// presses is inactive.
func (b *Board) OpenInput(c hal.LineConfig) (hal.Input, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.takeLocked(c)
	if err != nil {
		return nil, err
	}
	l.in = &input{pin: pin{board: b, line: l, ours: c.Name}, pull: c.Bias, edges: make(chan hal.Edge, Buffer)}
	l.seq = 0
	return l.in, nil
}

// OpenOutput implements hal.Board. The output is inactive until Out.
func (b *Board) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.takeLocked(c)
	if err != nil {
		return nil, err
	}
	l.out = &output{pin{board: b, line: l, ours: c.Name}}
	b.setLocked(l, false)
	return l.out, nil
}

// takeLocked finds a line that is free and notes how it is opened.
func (b *Board) takeLocked(c hal.LineConfig) (*line, error) {
	switch {
	case b.closed:
		return nil, &hal.LineError{Line: c, Problem: hal.Refused, Err: net.ErrClosed}
	case c.Chip != "" && c.Chip != ChipName:
		return nil, &hal.LineError{Line: c, Problem: hal.Missing, Detail: fmt.Sprintf("the only chip is %q, and it has %s", ChipName, b.describeLocked(false))}
	}
	name, what := c.Line, fmt.Sprintf("chip %q has ", ChipName)
	if c.LED != "" {
		name, what = ledPrefix+c.LED, "the LEDs are "
	}
	l := b.find(name, c.Chip != "" && c.LED == "")
	if l == nil || l.led != (c.LED != "") {
		return nil, &hal.LineError{Line: c, Problem: hal.Missing, Detail: what + b.describeLocked(c.LED != "")}
	}
	if l.open() {
		return nil, &hal.LineError{Line: c, Problem: hal.Busy, Detail: fmt.Sprintf("%s is used by %q; %s", l.name, l.cfg.Name, what+b.describeLocked(l.led))}
	}
	l.cfg = c
	return l, nil
}

// find looks for a name, or for an offset where the chip is named.
func (b *Board) find(name string, offsets bool) *line {
	for _, l := range b.lines {
		if l.name == name {
			return l
		}
	}
	if n, err := strconv.Atoi(name); offsets && err == nil && n >= 0 && n < len(b.lines) {
		return b.lines[n]
	}
	return nil
}

// describeLocked names the lines, or the LEDs, and who has them.
func (b *Board) describeLocked(leds bool) string {
	var s []string
	for _, l := range b.lines {
		if l.led != leds {
			continue
		}
		if l.open() {
			s = append(s, fmt.Sprintf("%s (used by %q)", l.name, l.cfg.Name))
		} else {
			s = append(s, l.name)
		}
	}
	return strings.Join(s, ", ")
}

func (l *line) open() bool { return l.in != nil || l.out != nil }

// Close gives back all lines, ends the socket and every client of it.
func (b *Board) Close() error {
	b.mu.Lock()
	if !b.closed {
		close(b.gone)
	}
	b.closed = true
	if b.dog != nil {
		b.dog.stopLocked()
	}
	for _, l := range b.lines {
		l.releaseLocked()
		if l.pulse != nil {
			l.pulse.Stop()
		}
	}
	for c := range b.watchers {
		b.unwatchLocked(c)
	}
	b.mu.Unlock()
	if b.server != nil {
		return b.server.close()
	}
	return nil
}

// releaseLocked gives the line back; a second time it does nothing.
func (l *line) releaseLocked() {
	if l.in != nil {
		close(l.in.edges)
	}
	l.in, l.out = nil, nil
	l.cfg = hal.LineConfig{}
}
