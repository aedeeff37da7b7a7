package console

import (
	"encoding/json"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestInputInWords(t *testing.T) {
	tests := []struct {
		lang  string
		input report.InputState
		want  string
	}{
		{"en", report.InputState{Line: "grid", Kind: "mains", Active: true}, "grid · mains are gone"},
		{"id", report.InputState{Line: "grid", Kind: "mains", Active: true}, "grid · listrik padam"},
		{"id", report.InputState{Line: "cabinet", Kind: "door"}, "cabinet · pintu tertutup"},
		{"en", report.InputState{Line: "roof", Kind: "hail", Active: true}, "roof · hail.on"}, // of a younger device
	}
	for _, tt := range tests {
		body, err := json.Marshal(tt.input)
		if err != nil {
			t.Fatal(err)
		}
		var h store.Happening
		h.Kind, h.Record.Body = report.KindInput, body
		if got := happening(tt.lang, h); got != tt.want {
			t.Errorf("%+v in %s is %q, want %q", tt.input, tt.lang, got, tt.want)
		}
	}
}

func TestWatchdogInWords(t *testing.T) {
	for want, w := range map[string]report.WatchdogState{
		"Watchdog runs · i6300ESB timer · the board was reset because it hung":           {State: "running", Name: "i6300ESB timer", CausedBoot: true},
		"Board is about to be reset: the device hangs · i6300 · journal does not answer": {State: "starving", Name: "i6300", Detail: "journal does not answer"},
	} {
		body, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var h store.Happening
		h.Kind, h.Record.Body = report.KindWatchdog, body
		if got := happening("en", h); got != want {
			t.Errorf("%+v is %q, want %q", w, got, want)
		}
	}
}
