package report

import "testing"

func TestTopicsComeBack(t *testing.T) {
	d := Topics("kiosk-7")
	tests := map[string]Topic{
		d.Up(Complaint, false, false): {Device: "kiosk-7", Branch: "up", Lane: Complaint},
		d.Up(Telemetry, true, true):   {Device: "kiosk-7", Branch: "up", Lane: Telemetry, Backlog: true, Gzip: true},
		d.Up(Event, false, true):      {Device: "kiosk-7", Branch: "up", Lane: Event, Gzip: true},
		d.Up(Event, true, false):      {Device: "kiosk-7", Branch: "up", Lane: Event, Backlog: true},
		d.Ack(Event):                  {Device: "kiosk-7", Branch: "ack", Lane: Event},
		d.State():                     {Device: "kiosk-7", Branch: "state"},
		d.StreamState("gate_2"):       {Device: "kiosk-7", Branch: "state", Kind: "stream", Name: "gate_2"},
		d.Alarms():                    {Device: "kiosk-7", Branch: "state", Kind: "alarms"},
		d.AppState("e-lpse"):          {Device: "kiosk-7", Branch: "state", Kind: "app", Name: "e-lpse"},
		d.Checkpoint(Event):           {Device: "kiosk-7", Branch: "state", Kind: "checkpoint", Lane: Event},
		Root + "/kiosk-7/cmd/restart": {Device: "kiosk-7", Branch: "cmd", Name: "restart"},
	}
	for topic, want := range tests {
		if got, err := ParseTopic(topic); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", topic, got, err, want)
		}
	}
}

func TestParseTopicRefuses(t *testing.T) {
	for _, topic := range []string{
		"", "kentongan", "kentongan/v1", "kentongan/v1/", "kentongan/v1/k", "kentongan/v2/k/state",
		"kentongan/v1/K/state", "kentongan/v1/-k/state", "kentongan/v1/+/state", "kentongan/v1//state",
		"kentongan/v1/k/up", "kentongan/v1/k/up/x", "kentongan/v1/k/up/event/x", "kentongan/v1/k/up/event/gz/backlog",
		"kentongan/v1/k/ack", "kentongan/v1/k/ack/x", "kentongan/v1/k/state/stream", "kentongan/v1/k/state/stream/a/b",
		"kentongan/v1/k/state/stream/A B", "kentongan/v1/k/cmd", "kentongan/v1/k/else",
	} {
		if got, err := ParseTopic(topic); err == nil {
			t.Errorf("%q was read as %+v", topic, got)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add("kentongan/v1/kiosk-7/up/event/backlog/gz")
	f.Add("kentongan/v1/kiosk-7/state/stream/gate")
	f.Fuzz(func(t *testing.T, topic string) {
		got, err := ParseTopic(topic)
		if err == nil && !ValidDevice(got.Device) {
			t.Fatalf("%q has device %q", topic, got.Device)
		}
	})
}
