package agent

import (
	"log/slog"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/kiosk"
)

// 0s in the file is none, as its reference says, and not the kiosk's default.
func TestKioskTakesZeroForNone(t *testing.T) {
	tests := map[string]struct{ cooldown, want time.Duration }{
		"none":      {0, none},
		"as it was": {3 * time.Second, 3 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := kioskConfig(config.Kiosk{Cooldown: tt.cooldown, Buttons: []config.Button{{Name: "road", Wire: config.Wire{Line: "GPIO17"}}}})
			if k.Cooldown != tt.want || k.Debounce != none || k.Buttons[0].Line.Debounce != 0 {
				t.Errorf("cooldown %v, debounce %v and %v, want %v, none and 0", k.Cooldown, k.Debounce, k.Buttons[0].Line.Debounce, tt.want)
			}
			if _, err := kiosk.New(k, noBoard{}, nil, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
}
