package spool

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestLogOfARefusingDiskStaysShort: the log had a line for each measurement while the
// cursor could not be saved, and some for each new file on a disk that others had
// filled, for as long as that went on.
func TestLogOfARefusingDiskStaysShort(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse
		most int // lines in an hour
	}{
		"the cursor is not saved":  {refuse{err: syscall.EIO, ops: "write sync create", part: "cursor"}, 2},
		"no file is made":          {refuse{err: syscall.ENOSPC, ops: "create"}, 2 + 2*int(time.Hour/warnAgain)},
		"nothing is written":       {refuse{err: syscall.EIO, ops: "write sync create"}, 6},
		"every third flush is not": {refuse{}, 4 + 4*int(time.Hour/warnAgain)}, // of each place
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := memdisk.New()
				o := small(disk)
				var log heard
				o.Log = slog.New(&log)
				s := mustOpen(t, "/s", o)
				if tt.err != nil {
					tt.on(disk, 1<<40)
				} else {
					n := 0
					disk.Mu.Lock()
					disk.Fault = func(op, _ string, _ int64) error {
						if n++; op == "sync" && n%3 == 0 {
							return syscall.EIO
						}
						return nil
					}
					disk.Mu.Unlock()
				}
				for range 360 {
					for _, lane := range []report.Lane{report.Event, report.Telemetry} {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						_, _ = s.Append(ctx, lane, "test", noise())
						cancel()
					}
					time.Sleep(10 * time.Second)
				}
				said := log.about("disk refuses")
				if n := strings.Count(said, "disk refuses"); n == 0 || n > tt.most {
					t.Errorf("%d lines in an hour, want 1 to %d: %.2000s", n, tt.most, said)
				}
				if other := log.about("not saved"); other != "" {
					t.Errorf("%.300s", other)
				}
				(&refuse{}).on(disk, 0)
			})
		})
	}
}

// TestForgetsWhatWasLoggedLongAgo: each cause was kept for ever, and a disk may word
// the next failure in another way.
func TestForgetsWhatWasLoggedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(memdisk.New())
		var log heard
		o.Log = slog.New(&log)
		s := mustOpen(t, "/s", o)
		const failures = 1000
		for n := range failures {
			s.refused(placeCursor, fmt.Errorf("failure %d", n), 1, 0)
			s.taken(placeCursor)
			time.Sleep(time.Minute)
		}
		if n := strings.Count(log.about("disk refuses"), "disk refuses"); n != failures {
			t.Fatalf("%d lines, want %d: the test tests nothing", n, failures)
		}
		s.trouble.mu.Lock()
		defer s.trouble.mu.Unlock()
		if n, most := len(s.trouble.warned), int(warnAgain/time.Minute); n > most {
			t.Errorf("%d causes are kept, want at most the %d of %v", n, most, warnAgain)
		}
	})
}
