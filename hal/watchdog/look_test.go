package watchdog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Look reads a sysfs as Linux 6.12 fills it for a Raspberry Pi.
func TestLook(t *testing.T) {
	sys := t.TempDir()
	dir := filepath.Join(sys, "class/watchdog/watchdog0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"identity": "Broadcom BCM2835 Watchdog timer\n", "state": "active\n", "timeout": "15\n", "timeleft": "13\n", "nowayout": "1\n", "bootstatus": "32\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := Facts{"/dev/watchdog", "Broadcom BCM2835 Watchdog timer", true, 15 * time.Second, 13 * time.Second, true, true}
	if got, err := (Machine{Sys: sys}).Look("/dev/watchdog"); err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if _, err := (Machine{Sys: sys}).Look("/dev/watchdog1"); err == nil || !strings.Contains(err.Error(), "there is /dev/watchdog0") {
		t.Errorf("another one: %v", err)
	}
	if _, err := (Machine{Sys: t.TempDir()}).Look("/dev/watchdog0"); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("none: %v", err)
	}
}
