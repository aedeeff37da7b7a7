package sim

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

var (
	_ hal.Board  = (*Board)(nil)
	_ hal.Input  = (*input)(nil)
	_ hal.Output = (*output)(nil)
)

var errClosed = errors.New("line is closed")

// pin is what inputs and outputs have in common.
type pin struct {
	board *Board
	line  *line
	ours  string // the name in our configuration
}

func (p *pin) String() string   { return p.ours + " (" + p.line.name + ")" }
func (p *pin) Name() string     { return p.line.name }
func (p *pin) Number() int      { return p.line.offset }
func (p *pin) Function() string { return "" }

// input is an open input. The board's mutex guards closing and pushing.
type input struct {
	pin
	pull  gpio.Pull
	edges chan hal.Edge
	lost  atomic.Uint64
}

// pushLocked keeps the newest edges, as the kernel does: a reader that comes
// late learns how the line stands now.
func (i *input) pushLocked(e hal.Edge) {
	for {
		select {
		case i.edges <- e:
			return
		default:
		}
		select {
		case <-i.edges:
			i.lost.Add(1)
		default: // the reader was faster
		}
	}
}

// In implements gpio.PinIn: it forgets the edges so far. All edges are always
// delivered, whatever edge says.
func (i *input) In(pull gpio.Pull, _ gpio.Edge) error {
	i.board.mu.Lock()
	defer i.board.mu.Unlock()
	if i.line.in != i {
		return fmt.Errorf("line %s: %w", i, errClosed)
	}
	i.pull = pull
	for len(i.edges) > 0 {
		<-i.edges
	}
	return nil
}

// Read implements gpio.PinIn: High is active, whatever the polarity.
func (i *input) Read() gpio.Level {
	active, _ := i.Active()
	return gpio.Level(active)
}

func (i *input) Active() (bool, error) {
	i.board.mu.Lock()
	defer i.board.mu.Unlock()
	if i.line.in != i {
		return false, fmt.Errorf("read line %s: %w", i, errClosed)
	}
	return i.line.active, nil
}

// WaitForEdge implements gpio.PinIn; it takes the edge out of Edges.
func (i *input) WaitForEdge(timeout time.Duration) bool {
	return hal.WaitForEdge(i.edges, timeout)
}

func (i *input) Pull() gpio.Pull {
	i.board.mu.Lock()
	defer i.board.mu.Unlock()
	return i.pull
}

func (i *input) DefaultPull() gpio.Pull { return gpio.PullNoChange }
func (i *input) Edges() <-chan hal.Edge { return i.edges }
func (i *input) Lost() uint64           { return i.lost.Load() }

// Halt gives the line back and closes Edges.
func (i *input) Halt() error {
	i.board.mu.Lock()
	defer i.board.mu.Unlock()
	if i.line.in == i {
		i.line.releaseLocked()
	}
	return nil
}

// output is an open output.
type output struct{ pin }

func (o *output) Out(v gpio.Level) error {
	o.board.mu.Lock()
	defer o.board.mu.Unlock()
	if o.line.out != o {
		return fmt.Errorf("set line %s: %w", o, errClosed)
	}
	o.board.setLocked(o.line, bool(v))
	return nil
}

// Read returns what the line was set to: High is active.
func (o *output) Read() gpio.Level {
	o.board.mu.Lock()
	defer o.board.mu.Unlock()
	return gpio.Level(o.line.active)
}

func (o *output) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("line %s: the simulated board has no PWM", o)
}

// Halt gives the line back; its level stays.
func (o *output) Halt() error {
	o.board.mu.Lock()
	defer o.board.mu.Unlock()
	if o.line.out == o {
		o.line.releaseLocked()
	}
	return nil
}
