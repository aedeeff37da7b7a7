package gpio

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
)

// periph's registry takes pins that are both input and output; a line is what
// it was opened as, and says so when it is asked for the other.

type asInput struct{ *input }

func (a *asInput) Out(gpio.Level) error {
	return fmt.Errorf("line %s is open as an input", a.input)
}

func (a *asInput) PWM(gpio.Duty, physic.Frequency) error { return a.Out(gpio.Low) }

type asOutput struct{ *output }

func (a *asOutput) In(gpio.Pull, gpio.Edge) error {
	return fmt.Errorf("line %s is open as an output", a.output)
}

func (a *asOutput) WaitForEdge(time.Duration) bool { return false }
func (a *asOutput) Pull() gpio.Pull                { return gpio.PullNoChange }
func (a *asOutput) DefaultPull() gpio.Pull         { return gpio.PullNoChange }

// register puts a line into periph's registry. A name that is there already
// (periph's own driver was loaded) stays with its first owner.
func register(p gpio.PinIO) bool { return gpioreg.Register(p) == nil }

func unregister(name string, registered bool) {
	if registered {
		_ = gpioreg.Unregister(name) // it is there
	}
}
