package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCard(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"boot", "network"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := &fleet{work: dir}
	card := func(want int, command ...string) string {
		t.Helper()
		args := []string{"card", "--boot", filepath.Join(dir, "boot"), "--network", filepath.Join(dir, "network"), "--state", filepath.Join(dir, "state"), "--config", filepath.Join(dir, "kentongan.yaml")}
		return f.run(t, want, append(args, command...)...)
	}
	settings := filepath.Join(dir, "boot", "kentongan.txt")
	put(t, settings, []byte("wfi = Pos\n"), 0o644)
	if said := card(exitFailed); !strings.Contains(said, "kentongan.txt:1:") {
		t.Errorf("said %q", said)
	}
	put(t, settings, []byte("link = https://centre.example/enrol#AAAA\n"), 0o644)
	if said := card(exitGood); !strings.Contains(said, "THE SETTINGS WERE TAKEN") {
		t.Errorf("said %q", said)
	}
	for status, want := range map[string]int{"1": exitFailed, "4": exitRefused} {
		if said := card(want, "--", "sh", "-c", "echo no; exit "+status); !strings.Contains(said, "NOT ENROLLED YET") {
			t.Errorf("status %s: said %q", status, said)
		}
	}
	if said := card(exitGood, "--", "true"); !strings.Contains(said, "THE DEVICE IS ENROLLED") {
		t.Errorf("said %q", said)
	}
	if said := card(exitGood, "--", "false"); said != "" {
		t.Errorf("enrolled already, said %q", said)
	}
}
