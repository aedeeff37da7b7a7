// Package brokerconfig holds the brokers' real configuration, and the test that
// starts them. There is no code in it for programs to import.
package brokerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/broker-config/brokertest"
)

// Without TLS, on loopback, Mosquitto goes by accounts.
func TestLoopbackRefusesStrangers(t *testing.T) {
	t.Parallel()
	m := brokertest.StartLoopback(t, "kentongan.centre:c", "kiosk-7:k7")
	for name, who := range map[string][2]string{
		"nobody":         {"", ""},
		"unknown":        {"kiosk-9", "x"},
		"wrong password": {"kiosk-7", "k8"},
	} {
		if _, err := dial(t, dialling{addr: m.Addr, id: "x", user: who[0], password: who[1]}); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	centre := mustDial(t, dialling{addr: m.Addr, id: "x", user: "kentongan.centre", password: "c"})
	centre.subscribe(1, "kentongan/v1/+/up/#")
	device := mustDial(t, dialling{addr: m.Addr, id: "x", user: "kiosk-7", password: "k7"})
	device.publish("kentongan/v1/kiosk-8/up/event", "as another")
	device.publish("kentongan/v1/kiosk-7/up/event", "itself")
	centre.wait("kentongan/v1/kiosk-7/up/event", "itself")
	if centre.saw("kentongan/v1/kiosk-8/up/event", "as another") {
		t.Error("kiosk-7 publishes as kiosk-8")
	}
}

// TestDebiansOwnFileTakesOurs reads the mosquitto.conf that Debian installs, with
// ours where the how-to puts it: a setting that both have is an error at start.
func TestDebiansOwnFileTakesOurs(t *testing.T) {
	stock, err := os.ReadFile("/etc/mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatalf("%v (apt-get install mosquitto)", err)
	}
	files, err := filepath.Glob("mosquitto/[kz]*.conf") // not the bridge's, which stands alone
	if err != nil || len(files) < 4 {
		t.Fatalf("%q, %v: where are our files?", files, err)
	}
	var ours []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, text...)
	}
	for line := range strings.Lines(string(stock)) {
		key, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(key, "#") || key == "include_dir" {
			continue
		}
		for own := range strings.Lines(string(ours)) {
			if strings.HasPrefix(own, key+" ") {
				t.Errorf("both Debian's file and ours set %s", key)
			}
		}
	}
}
