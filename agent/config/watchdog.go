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
