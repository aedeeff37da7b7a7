package brokerauth

import (
	"strings"
	"testing"

	"kentongan/agent/report"
)

// FuzzReadDevices: a list of devices is ids that a broker's file may hold, or an error
// that names the line.
func FuzzReadDevices(f *testing.F) {
	f.Add("kiosk-7\n# old\nkiosk-8 # yard\n\n")
	f.Add("a\r\nuser: root\x00")
	f.Add(strings.Repeat("x", 70000))
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadDevices(strings.NewReader(text), "devices")
		if err != nil && !strings.HasPrefix(err.Error(), "devices:") {
			t.Errorf("error %q", err)
		}
		for _, id := range all {
			if !report.ValidDevice(id) {
				t.Errorf("device %q", id)
			}
		}
	})
}
