package firmware

import (
	"bytes"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ThisBoard says what an update must fit here. The time is known where the
// kernel says that somebody set its clock.
func ThisBoard() Device {
	d := Device{Platform: Own(builtFor()), Boards: boards("/proc/device-tree/compatible")}
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

// BootID names this boot of the kernel; a clock that jumps does not change it.
func BootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// Healthy is what a version on trial writes when it is well. It is a wish,
// nothing more: only the version that is on trial can have it, in the boot in
// which it was written.
type Healthy struct {
	Number uint64 `json:"number"`
	Boot   string `json:"boot"`
}
