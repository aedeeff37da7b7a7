package main

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzHealthy: the file in which the agent, who may do little, tells root that it
// is well.
func FuzzHealthy(f *testing.F) {
	f.Add([]byte(`{"number":5,"boot":"1f2e3d4c"}`))
	f.Add([]byte(`{"number":-1}`))
	f.Add([]byte(``))
	file := filepath.Join(f.TempDir(), "healthy")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := readHealthy(file)
		if err == nil && len(text) > 0 && h.Number == 0 && h.Boot != "" && text[0] != '{' {
			t.Errorf("%q is %+v", text, h)
		}
	})
}
