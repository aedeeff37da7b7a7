package config

import (
	"errors"
	"strings"
	"time"
)

// Watchdog is the board's hardware watchdog; no Device is none.
type Watchdog struct {
	Device  string
	Timeout time.Duration
}

func (w *Watchdog) fields() []field {
	return []field{
		text("device", &w.Device, checkWatchdog).like("/dev/watchdog0").
			says("The watchdog's device; none is fed without it. With driver sim it may be any name."),
		duration("timeout", &w.Timeout, 10*time.Second, 10*time.Minute).defaults("1m").
			says("Time without food after which the board resets. A board that takes less than that gets the longest that it takes: a Raspberry Pi 15s."),
	}
}

func checkWatchdog(s string) error {
	if !strings.HasPrefix(s, "/dev/") {
		return errors.New("is no device; write /dev/watchdog0")
	}
	return nil
}

// ledPrefix stands before an LED's name in the place of a line.
const ledPrefix = "led:"

// checkLEDs names LEDs where an input is meant, and keys that mean nothing for
// one.
func (d *decoder) checkLEDs(inputs []wire, lamps []namedLamp) {
	for _, w := range inputs {
		if strings.HasPrefix(w.line, ledPrefix) && !d.bad[w.path] {
			d.addf(d.at(w.path), w.path, "%s is an LED, which nobody can press; write a line", show(w.line))
		}
	}
	for _, l := range lamps {
		if !strings.HasPrefix(l.lamp.Line, ledPrefix) {
			continue
		}
		for _, key := range []string{"chip", "active_low"} {
			if at := join(l.path, key); d.given(at) {
				d.addf(d.at(at), at, "means nothing for an LED; remove it")
			}
		}
	}
}
