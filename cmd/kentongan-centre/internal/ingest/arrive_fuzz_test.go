package ingest

import (
	"log/slog"
	"testing"
	"time"

	"kentongan/agent/report"
)

// FuzzArrive: what somebody publishes on any topic is an arrival of the device
// that the topic names, or an error; it ends no centre.
func FuzzArrive(f *testing.F) {
	topics := report.Topics("kiosk-7")
	f.Add(topics.State(), []byte(`{"v":1,"state":"online","session":"b1.1","since":"2026-11-26T10:00:00Z","epoch":"1122334455667788"}`))
	f.Add(topics.StreamState("gate"), []byte(`{"name":"gate","state":"playing","since":"2026-11-26T10:00:00Z","url":"rtsp://10.0.0.5/"}`))
	f.Add(topics.Alarms(), []byte(`{"v":1,"n":5,"ledger":"x","count":0,"alarms":[{"id":"a","n":1,"source":"stream/gate","condition":"down","severity":"major","state":"raised","since":"2026-11-26T10:00:00Z"}]}`))
	f.Add(topics.Up(report.Event, false, false), []byte(`{"lane":"event","epoch":"1122334455667788","first":1,"next":2}`+"\n"))
	f.Add(topics.Up(report.Telemetry, true, true), []byte{0x1f, 0x8b, 8, 0})
	f.Add("kentongan/v1/kiosk-7/state/app/portal", []byte(`{"name":"portal","state":"ok"}`))
	f.Add("kentongan/v1/kiosk-7/state/checkpoint/event", []byte("kentongan checkpoint kiosk-7 event\n\n"))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		i := &Ingest{log: slog.New(slog.DiscardHandler)}
		a, err := i.read(topic, payload, time.Unix(1795000000, 0))
		if err == nil && a != nil && !report.ValidDevice(a.Device) {
			t.Errorf("an arrival of device %q", a.Device)
		}
	})
}
