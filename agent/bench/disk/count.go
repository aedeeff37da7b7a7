package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Count is what a block device was asked to do.
type Count struct {
	Bytes   int64 // written
	Writes  int64 // requests
	Flushes int64 // requests to make durable what was written
}

// Sub returns what was done between b and c.
func (c Count) Sub(b Count) Count {
	return Count{Bytes: c.Bytes - b.Bytes, Writes: c.Writes - b.Writes, Flushes: c.Flushes - b.Flushes}
}

// Add returns both together.
func (c Count) Add(b Count) Count {
	return Count{Bytes: c.Bytes + b.Bytes, Writes: c.Writes + b.Writes, Flushes: c.Flushes + b.Flushes}
}

// Counted tells whether the disk has counters of its own.
func (d *Disk) Counted() bool { return d.loop != "" }

// Count writes out what the file system holds back, then reads the counters.
// Without a device of its own they are zero.
func (d *Disk) Count() (Count, error) {
	if err := Sync(d.Dir); err != nil || !d.Counted() {
		return Count{}, err
	}
	text, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.loop), "stat"))
	if err != nil {
		return Count{}, fmt.Errorf("read counters of %s: %w", d.loop, err)
	}
	return parseStat(string(text))
}

// parseStat reads the fields of Documentation/block/stat.rst in the kernel:
// 5 write I/Os, 7 write sectors (always 512 bytes), 16 flush I/Os.
func parseStat(text string) (Count, error) {
	f := strings.Fields(text)
	if len(f) < 16 {
		return Count{}, fmt.Errorf("block device counters: %d fields in %q, want 16 or more (Linux 5.5)", len(f), text)
	}
	var n [3]int64
	for i, at := range [3]int{4, 6, 15} {
		var err error
		if n[i], err = strconv.ParseInt(f[at], 10, 64); err != nil {
			return Count{}, fmt.Errorf("block device counters: field %d: %v", at+1, err)
		}
	}
	return Count{Writes: n[0], Bytes: n[1] * 512, Flushes: n[2]}, nil
}
