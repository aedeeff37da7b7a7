//go:build rigguest

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/hal"
	"kentongan/hal/gpio"
	"kentongan/hal/haltest"
	"kentongan/hal/watchdog"
)

// loadModules loads all of /modules, in the order of their names.
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// TestWatchdog tries the kernel's driver of an i6300ESB. A watchdog that is not
// stopped would end the machine, and with it the other tests.
func TestWatchdog(t *testing.T) {
	haltest.RunWatchdog(t, haltest.WatchdogBench{
		Open: func(d time.Duration) (hal.Watchdog, error) {
			return watchdog.Machine{}.OpenWatchdog(hal.WatchdogConfig{Device: "/dev/watchdog0", Timeout: d})
		},
	})
}

// TestLED lights a keyboard's light, through the board as a lamp does.
func TestLED(t *testing.T) {
	const light = "*::capslock"
	var found []string
	for end := time.Now().Add(90 * time.Second); len(found) == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		found, _ = filepath.Glob("/sys/class/leds/" + light) // the pattern is good
	}
	if len(found) == 0 {
		t.Fatal("the keyboard has no light")
	}
	b := gpio.New(gpio.Options{})
	defer b.Close()
	haltest.RunLED(t, haltest.LEDBench{
		Open: func(name string) (hal.Output, error) { return b.OpenOutput(hal.LineConfig{Name: "saved", LED: name}) },
		LED:  filepath.Base(found[0]),
		Brightness: func() string {
			text, err := os.ReadFile(found[0] + "/brightness")
			if err != nil {
				t.Error(err)
			}
			return string(text)
		},
	})
}
