//go:build rigguest

package guest

import (
	"strconv"
	"testing"
	"time"

	"kentongan/hal"
	"kentongan/hal/gpio"
	"kentongan/hal/haltest"
)

const (
	chip   = "9030000.pl061" // its label
	button = "3"             // the board's power button
)

// high is how the wires stand.
var high = map[string]bool{}

func drive(line string, up bool) error {
	high[line] = up
	level := 0
	if up {
		level = 1
	}
	return outside("drive %s %d", line, level)
}

func TestConformance(t *testing.T) {
	haltest.Run(t, haltest.Bench{
		Open: func(*testing.T) hal.Board { return gpio.New(gpio.Options{}) },
		Chip: chip, In: button, Out: "4", Drive: drive,
		Toggle:     func(line string, times int) error { return outside("toggle %s %d", line, times) },
		Buffer:     gpio.Buffer,
		InRegistry: true,
	})
}

// The chip by its other names, and the machine's name.
func TestChipByName(t *testing.T) {
	b := gpio.New(gpio.Options{})
	defer b.Close()
	t.Logf("board %q", b.Name())
	for _, name := range []string{"gpiochip0", "/dev/gpiochip0", chip} {
		in, err := b.OpenInput(hal.LineConfig{Name: "road", Chip: name, Line: button})
		if err != nil {
			t.Error(err)
			continue
		}
		if err := in.Halt(); err != nil {
			t.Error(err)
		}
	}
}

// The kernel's debouncing takes away what is shorter, and says when a level
// has come to rest.
func TestKernelDebounce(t *testing.T) {
	if err := drive(button, false); err != nil {
		t.Fatal(err)
	}
	b := gpio.New(gpio.Options{})
	defer b.Close()
	in, err := b.OpenInput(hal.LineConfig{Name: "road", Chip: chip, Line: button, Debounce: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := outside("toggle %s 20", button); err != nil { // ends low, in far less than 300 ms
		t.Fatal(err)
	}
	if err := drive(button, true); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-in.Edges():
		if !e.Active || e.Seq != 1 {
			t.Errorf("first edge %+v, want the press, numbered 1", e)
		}
	case <-time.After(90 * time.Second):
		t.Error("no edge")
	}
}

// A press of the board's own button: 100 ms by the emulator's clock.
func TestRealButton(t *testing.T) {
	if err := drive(button, false); err != nil {
		t.Fatal(err)
	}
	b := gpio.New(gpio.Options{})
	defer b.Close()
	in, err := b.OpenInput(hal.LineConfig{Name: "road", Chip: chip, Line: button})
	if err != nil {
		t.Fatal(err)
	}
	// Of five presses: where the computer is busy, the board sees an edge late, or
	// none.
	var down hal.Edge
	for range 5 {
		if err := outside("button"); err != nil {
			t.Fatal(err)
		}
		for waits := true; waits; {
			select {
			case e := <-in.Edges():
				if e.Active {
					down = e
					break
				}
				waits = false
				held := e.At - down.At
				t.Logf("held for %s ms by the kernel's time stamps", strconv.FormatFloat(held.Seconds()*1000, 'f', 3, 64))
				if down.Active && held >= 90*time.Millisecond && held <= 5*time.Second {
					return
				}
			case <-time.After(10 * time.Second):
				waits = false
			}
		}
	}
	t.Error("no press of 100 ms")
}
