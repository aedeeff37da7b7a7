package agent

import (
	"testing"

	"kentongan/agent/config"
	"kentongan/agent/onvif/onviftest"
)

// TestRebootByConfiguration: a camera is rebooted with the stream's own user
// name, and only where the configuration allows it.
func TestRebootByConfiguration(t *testing.T) {
	camera, err := onviftest.Start(onviftest.Options{Username: "ops", Password: "rahasia"})
	if err != nil {
		t.Fatal(err)
	}
	defer camera.Close() //nolint:errcheck // a test's server
	cfg, err := config.Parse(t.TempDir()+"/kentongan.yaml", []byte(`
device: gateway-1
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1"}]}
streams:
  - {name: gate, url: "rtsp://ops:rahasia@127.0.0.1/live", onvif: {reboot: true, url: "`+camera.URL()+`"}}
  - {name: yard, url: "rtsp://ops:rahasia@127.0.0.1/live2", onvif: {url: "`+camera.URL()+`"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if r := rebooter(cfg.Streams[1]); r != nil {
		t.Error("a camera may be rebooted that the configuration does not name")
	}
	if err := rebooter(cfg.Streams[0]).Reboot(t.Context()); err != nil || camera.Reboots() != 1 {
		t.Errorf("reboot: %v, %d reboots", err, camera.Reboots())
	}
	if v := camera.Violations(); len(v) > 0 {
		t.Error(v)
	}
}
