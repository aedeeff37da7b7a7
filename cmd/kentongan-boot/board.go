package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/firmware"
)

// board says what an update must fit here.
func board() firmware.Device {
	d := firmware.Device{Platform: firmware.Own(builtFor()), Boards: boards("/proc/device-tree/compatible")}
	if synced() {
		d.Now = time.Now()
	}
	return d
}

// builtFor is the instruction set that this program was built for, on 32-bit
// ARM. It is the package's, so it is what the board can do.
func builtFor() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "GOARM" {
			v, _, _ := strings.Cut(s.Value, ",")
			return v
		}
	}
	return ""
}

// boards reads the devicetree's names of this board, the most exact first; nil
// where there is none (a PC).
func boards(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
}

// synced tells whether the kernel's clock was set by somebody who knows.
func synced() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR
}

// bootID names this boot of the kernel; a clock that jumps does not change it.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
