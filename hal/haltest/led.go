package haltest

import (
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
)

// LEDBench is an LED under test and the eye that sees it.
type LEDBench struct {
	Open       func(name string) (hal.Output, error)
	LED        string
	Brightness func() string // begins with 0 when it is out
}

// RunLED runs all tests of an LED as subtests.
func RunLED(t *testing.T, b LEDBench) {
	t.Run("lights", func(t *testing.T) {
		out, err := b.Open(b.LED)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []gpio.Level{gpio.Low, gpio.High, gpio.High, gpio.Low} {
			if err := out.Out(v); err != nil {
				t.Fatal(err)
			}
			if got := b.Brightness(); strings.HasPrefix(got, "0") == bool(v) {
				t.Errorf("brightness %s, was set %v", got, v)
			}
			if got := out.(interface{ Read() gpio.Level }).Read(); got != v {
				t.Errorf("reads %v, was set %v", got, v)
			}
		}
		if err := out.Halt(); err != nil {
			t.Fatal(err)
		}
		if err := out.Out(gpio.High); err == nil {
			t.Error("Out after Halt gave no error")
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, err := b.Open("no-such-led")
		if e := lineError(t, err, hal.Missing); !strings.Contains(e.Error(), b.LED) {
			t.Errorf("the error does not name the LEDs that there are: %v", e)
		}
	})
}
