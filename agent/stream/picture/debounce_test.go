package picture

import (
	"strings"
	"testing"
	"time"
)

func TestDebounce(t *testing.T) {
	tests := map[string]struct {
		looks string // x shows it, . does not; 5 s apart
		want  string // after each look: P present, - not
	}{
		"after 20 s":                   {"xxxxx", "----P"},
		"not a moment before":          {"xxxx.", "-----"},
		"one dissenting look delays":   {"xxx.xxxx", "-------P"},
		"every second look is nothing": {"x.x.x.x.x.x.", "------------"},
		"ends after 30 s":              {"xxxxx......", "----PPPPPP-"},
		"goes on when seen once more":  {"xxxxx.....x.....", "----PPPPPPPP----"},
		"never seen":                   {".....", "-----"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := debounce{raise: 20 * time.Second, clear: 30 * time.Second}
			var got strings.Builder
			for _, look := range tt.looks {
				before := d.present
				score := float32(0)
				if look == 'x' {
					score = 1
				}
				if changed := d.add(score, 5*time.Second); changed != (d.present != before) {
					t.Errorf("changed %v, present %v before and %v after", changed, before, d.present)
				}
				got.WriteByte("-P"[map[bool]int{true: 1}[d.present]])
			}
			if got.String() != tt.want {
				t.Errorf("looks %s: %s, want %s", tt.looks, got.String(), tt.want)
			}
		})
	}
}
