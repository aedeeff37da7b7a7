package brokerconfig

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnits has systemd read the units, each with the program that it starts
// replaced by one that is on every machine.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("no systemd-analyze (apt-get install systemd)")
	}
	dir := t.TempDir()
	put := func(name, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(`(?m)^(ExecStart=)\S+`).ReplaceAll(text, []byte("${1}/bin/true"))
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("kentongan-mosquitto.service", "mosquitto/systemd/kentongan-mosquitto.service")
	put("kentongan-police-bridge.service", "mosquitto/systemd/kentongan-police-bridge.service")
	put("nats@n1.service", "nats/systemd/nats@.service")
	put("mosquitto.service", "/lib/systemd/system/mosquitto.service")
	put("mosquitto.service.d/kentongan.conf", "mosquitto/systemd/mosquitto.service.d/kentongan.conf")
	for _, unit := range []string{"kentongan-mosquitto.service", "kentongan-police-bridge.service", "nats@n1.service", "mosquitto.service"} {
		out, err := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, unit)).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, dir) || strings.Contains(line, unit) {
				t.Errorf("%s", line)
			}
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
		// 10 is no protection at all; Debian's own unit for Mosquitto has 9.2.
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=40", filepath.Join(dir, unit)).CombinedOutput(); err != nil {
			t.Errorf("%s exposes more than 4.0: %v\n%s", unit, err, out[max(0, len(out)-200):])
		}
	}
}
