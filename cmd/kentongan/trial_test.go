package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/config"
)

// Whoever looks at a device does not use up the starts of a configuration on trial.
func TestLookingCountsNoStart(t *testing.T) {
	dir := t.TempDir()
	file, order := filepath.Join(dir, "k.yaml"), filepath.Join(dir, "data", "config-order.json")
	text := "device: kiosk-7\ndata: data\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:9\"}]}\n"
	trial, err := json.Marshal(map[string]any{
		"v": 1, "version": 3,
		"now":   map[string]any{"version": 3, "text": text + "log: {level: debug}\n", "base": config.VersionOf(text)},
		"trial": map[string]any{"id": "o-1", "boot": "b", "since": 1, "starts": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(order), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{file: text, order: string(trial)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runs := map[string]func(context.Context, env, []string) int{"doctor": runDoctor, "test": runTest}
	over, cancel := context.WithCancel(t.Context())
	cancel() // how the device is does not matter here
	for range 6 {
		for _, args := range [][]string{{"doctor", "--config", file}, {"test", "lamp", "--config", file}} {
			var out strings.Builder
			runs[args[0]](over, env{strings.NewReader(""), &out, &out}, args[1:])
		}
	}
	if got, err := os.ReadFile(order); err != nil || string(got) != string(trial) {
		t.Errorf("the trial is %s, %v; it was %s", got, err, trial)
	}
}
