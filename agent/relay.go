package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/hal"
)

// relay cuts a camera's power through an output line. The line is opened when
// the agent starts and kept: one that is given back may float, and one that an
// agent left cut when it was killed has to let the power through again.
//
// The recovery of one stream uses it, one step at a time.
type relay struct {
	board hal.Board
	line  hal.LineConfig
	off   time.Duration
	out   hal.Output
}

// relay returns the relay of a line, which is opened once and kept while any
// camera has it: a camera whose configuration changes does not lose its power.
// It is called by who makes units.
func (a *Agent) relay(line hal.LineConfig, off time.Duration) *relay {
	for _, r := range a.relays {
		if r.line == line {
			r.off = off
			return r
		}
	}
	r := &relay{board: a.board, line: line, off: off}
	if err := r.open(); err != nil { // it is tried again when it is needed
		a.o.Log.Error("relay not opened", "part", "agent", "line", line.Line, "err", err)
	}
	a.relays = append(a.relays, r)
	return r
}

// dropRelays gives back the lines of relays that the configuration has no more.
func (a *Agent) dropRelays(c *config.Config) {
	a.relays = slices.DeleteFunc(a.relays, func(r *relay) bool {
		for _, s := range c.Streams {
			if p := s.Recovery.Power; p.Line == r.line.Line && p.Chip == r.line.Chip && p.ActiveLow == r.line.ActiveLow && s.Name+" power" == r.line.Name {
				return false
			}
		}
		if r.out != nil {
			_ = r.out.Halt() // nothing of ours hangs on it any more
		}
		return true
	})
}

// open takes the line, which then lets the power through.
func (r *relay) open() error {
	if r.out != nil {
		return nil
	}
	out, err := r.board.OpenOutput(r.line)
	if err != nil {
		return err
	}
	if err := out.Out(gpio.Low); err != nil {
		_ = out.Halt()
		return fmt.Errorf("line %s: %w", r.line.Line, err)
	}
	r.out = out
	return nil
}

// Cycle implements stream.PowerCycler. The power comes back whatever happens,
// short of a board that does not obey.
func (r *relay) Cycle(ctx context.Context) error {
	if err := r.open(); err != nil {
		return fmt.Errorf("cut power: %w", err)
	}
	cut := r.out.Out(gpio.High)
	if cut == nil {
		off := time.NewTimer(r.off)
		defer off.Stop()
		select {
		case <-off.C:
		case <-ctx.Done():
		}
	}
	if err := errors.Join(cut, r.out.Out(gpio.Low)); err != nil {
		_ = r.out.Halt() // it does not work anyway, and is opened anew the next time
		r.out = nil
		return fmt.Errorf("cut power by line %s: %w", r.line.Line, err)
	}
	return nil
}

// savedFile is a stream.Memory in a file.
type savedFile string

// maxSaved is the most that is read of one.
const maxSaved = 64 << 10

func (f savedFile) Load() ([]byte, error)  { return loadFile(string(f), maxSaved) }
func (f savedFile) Save(text []byte) error { return saveFile(string(f), text) }
