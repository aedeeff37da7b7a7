package watchdog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/hal"
)

func TestAgree(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		want  time.Duration
		most  int32 // what the board takes
		steps int32 // what it rounds up to
		got   time.Duration
		fails bool
	}{
		"as asked":                 {60 * s, 100, 1, 60 * s, false},
		"a Raspberry Pi's 15 s":    {60 * s, 15, 1, 15 * s, false},
		"an odd one":               {50 * s, 15, 1, 12 * s, false},
		"rounded by the board":     {50 * s, 100, 16, 64 * s, false},
		"none":                     {60 * s, 0, 1, 0, true},
		"a fraction is cut":        {1500 * time.Millisecond, 100, 1, 1 * s, false},
		"the longest that is told": {time.Hour, 1 << 20, 1, time.Hour, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := agree(tt.want, func(v int32) (int32, error) {
				if v > tt.most {
					return 0, unix.EINVAL
				}
				return (v + tt.steps - 1) / tt.steps * tt.steps, nil
			})
			if got != tt.got || (err != nil) != tt.fails {
				t.Errorf("agreed to %v, %v; want %v", got, err, tt.got)
			}
		})
	}
	if _, err := agree(60*s, func(int32) (int32, error) { return 0, unix.ENOTTY }); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a board without timeouts: %v", err)
	}
}

func TestOpenWhatIsNoWatchdog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "watchdog0")
	_, err := Machine{}.OpenWatchdog(hal.WatchdogConfig{Device: file, Timeout: time.Minute})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("no device: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Machine{}.OpenWatchdog(hal.WatchdogConfig{Device: file, Timeout: time.Minute})
	if !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.ENOSYS) || !strings.Contains(err.Error(), file) {
		t.Errorf("a plain file: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "V" {
		t.Errorf("after a failure to set up, %q was written, %v; want the letter that stops it", b, err)
	}
}

func TestNoWayOut(t *testing.T) {
	sys := t.TempDir()
	dir := filepath.Join(sys, "class/watchdog/watchdog0")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"1\n": true, "0\n": false} {
		if err := os.WriteFile(filepath.Join(dir, "nowayout"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, device := range []string{"/dev/watchdog", "/dev/watchdog0"} {
			if got := (Machine{Sys: sys}).noWayOut(device); got != want {
				t.Errorf("nowayout %q of %s: %v", text, device, got)
			}
		}
	}
	if (Machine{Sys: sys}).noWayOut("/dev/watchdog1") {
		t.Error("a watchdog that says nothing of it has a way out")
	}
}
