package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The figures of the machine that the agent runs on. What can't be read is 0:
// a board without a temperature has none to report.

// residentBytes is the memory of this process, VmRSS.
func residentBytes() int64 {
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(status) // size resident shared ..., in pages
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// load1 is the load average over a minute.
func load1() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// hottest is the highest temperature of the kernel's thermal zones, in
// thousandths of a degree Celsius.
func hottest() int64 {
	zones, _ := filepath.Glob("/sys/class/thermal/thermal_zone*/temp") // the pattern is well formed
	var most int64
	for _, zone := range zones {
		text, err := os.ReadFile(zone)
		if err != nil {
			continue
		}
		if t, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			most = max(most, t)
		}
	}
	return most
}

// diskFree is what an unprivileged program may still write where dir is.
func diskFree(dir string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
