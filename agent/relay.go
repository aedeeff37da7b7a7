package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

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
