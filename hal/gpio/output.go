package gpio

import (
	"fmt"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

// output is an open output line.
type output struct{ pin }

var _ hal.Output = (*output)(nil)

// Out implements gpio.PinOut.
func (o *output) Out(v gpio.Level) error {
	if err := o.wire.setValue(bool(v)); err != nil {
		return fmt.Errorf("set line %s: %w", o, err)
	}
	return nil
}

// Read returns what the kernel says of the line: High is active.
func (o *output) Read() gpio.Level {
	v, _ := o.wire.value()
	return gpio.Level(v)
}

// PWM is not offered by the character device.
func (o *output) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("line %s: a GPIO line has no PWM", o)
}

// Halt gives the line back.
func (o *output) Halt() error {
	var err error
	o.once.Do(func() {
		unregister(o.Name(), o.registered)
		err = o.wire.file.Close()
		o.board.drop(o)
	})
	return err
}
