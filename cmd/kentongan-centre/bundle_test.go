package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBundleFromKeysToFile goes the way of who publishes for the first time.
func TestBundleFromKeysToFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	do := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if got := dispatch(t.Context(), env{&out, &out}, append([]string{"bundle"}, args...)); got != want {
			t.Fatalf("bundle %s: status %d, want %d\n%s", strings.Join(args, " "), got, want, out.String())
		}
		return strings.TrimSpace(out.String())
	}
	keys := []string{"keys", "--version", "1", "--out", at("keys")}
	for _, name := range []string{"root-a", "root-b", "root-c"} {
		keys = append(keys, "--root", do(exitGood, "keygen", "--out", at(name), name))
	}
	keys = append(keys, "--release", do(exitGood, "keygen", "--out", at("release-key"), "release-2026"))
	if info, err := os.Stat(at("release-key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret: %v, %v", info.Mode(), err)
	}
	do(exitFailed, "keygen", "--out", at("root-a"), "root-a") // never overwrites a key
	do(exitGood, keys...)
	program := at("kentongan")
	if err := os.WriteFile(program, bytes.Repeat([]byte("program "), 5000), 0o755); err != nil {
		t.Fatal(err)
	}
	make := []string{"make", "--number", "7", "--version", "v1.2.3", "--keys", at("keys"), "--out", at("out"), "linux/arm/6=" + program}
	if said := do(exitFailed, make...); !strings.Contains(said, "not a signed note") {
		t.Errorf("with an unsigned key list: %s", said)
	}
	do(exitGood, "sign", "--key", at("root-a"), at("keys"))
	if said := do(exitFailed, make...); !strings.Contains(said, "few-roots") {
		t.Errorf("with one root: %s", said)
	}
	do(exitGood, "sign", "--key", at("root-c"), at("keys"))
	do(exitGood, make...)
	if said := do(exitFailed, "pack", "--out", at("x.bundle"), at("out")); !strings.Contains(said, "tampered") {
		t.Errorf("unsigned: %s", said)
	}
	do(exitGood, "sign", "--key", at("release-key"), at("out/release"))
	do(exitGood, "pack", "--out", at("x.bundle"), at("out"))
	if said := do(exitGood, "inspect", at("x.bundle")); !strings.Contains(said, "number 7, version v1.2.3") || !strings.Contains(said, "good:") {
		t.Errorf("inspect: %s", said)
	}
	b, err := os.ReadFile(at("x.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("x.bundle"), b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if said := do(exitFailed, "inspect", "--json", at("x.bundle")); !strings.Contains(said, `"good":false`) {
		t.Errorf("inspect of half a bundle: %s", said)
	}
	do(exitUsage, "make", "--number", "7", "linux/arm/6")
	do(exitUsage, "sign", at("keys"))
	do(exitUsage, "fly")
}
