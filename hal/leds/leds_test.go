package leds

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

// sysfs makes an LED as the kernel's class has it.
func sysfs(t *testing.T) (sys string, read func(file string) string) {
	t.Helper()
	sys = t.TempDir()
	dir := filepath.Join(sys, "class/leds/ACT")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"brightness": "255", "max_brightness": "255\n", "trigger": "none [mmc0] heartbeat\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sys, func(file string) string {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestConformance(t *testing.T) {
	sys, read := sysfs(t)
	haltest.RunLED(t, haltest.LEDBench{
		Open:       func(name string) (hal.Output, error) { return Open(sys, hal.LineConfig{Name: "saved", LED: name}) },
		LED:        "ACT",
		Brightness: func() string { return strings.TrimSpace(read("brightness"))[:1] },
	})
	if !strings.HasPrefix(read("trigger"), "none") {
		t.Errorf("trigger is %q", read("trigger"))
	}
}

func TestRefusesPaths(t *testing.T) {
	sys, _ := sysfs(t)
	for _, name := range []string{"../ACT", "a/b", "..", ".", "green"} {
		_, err := Open(sys, hal.LineConfig{Name: "saved", LED: name})
		e, ok := errors.AsType[*hal.LineError](err)
		if !ok || e.Problem != hal.Missing || !strings.Contains(e.Error(), "the LEDs are ACT") {
			t.Errorf("LED %q: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir(), hal.LineConfig{Name: "saved", LED: "ACT"}); err == nil || !strings.Contains(err.Error(), "has no LED") {
		t.Errorf("on a machine without LEDs: %v", err)
	}
}

// TestLookLeavesTheLED finds an LED and does not touch it.
func TestLookLeavesTheLED(t *testing.T) {
	sys, read := sysfs(t)
	if err := Look(sys, hal.LineConfig{Name: "saved", LED: "ACT"}); err != nil {
		t.Error(err)
	}
	if read("brightness") != "255" || read("trigger") != "none [mmc0] heartbeat\n" {
		t.Errorf("it is %q now, trigger %q", read("brightness"), read("trigger"))
	}
	for _, name := range []string{"green", "../ACT"} {
		err := Look(sys, hal.LineConfig{Name: "saved", LED: name})
		if e, ok := errors.AsType[*hal.LineError](err); !ok || e.Problem != hal.Missing {
			t.Errorf("%s: %v, want it missing", name, err)
		}
	}
}
