package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRelease has `make release` run twice, in two directories without .git, and
// holds everything against each other. It takes minutes; make release-test.
func TestRelease(t *testing.T) {
	if os.Getenv("KENTONGAN_RELEASE") == "" {
		t.Skip("long; make release-test")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another place", "b")
	release := func(dir, keys string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		shell(t, "bash", "-c", `cd "$1" && git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -cf - | tar -xf - -C "$2"`, "bash", root, dir)
		cmd := exec.Command("make", "release", "VERSION=v1.0.0")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "NUMBER=1", "EPOCH=1790000000")
		if keys != "" {
			cmd.Env = append(cmd.Env, "KEYS="+keys+"/keys", "RELEASE_KEY="+keys+"/release.key")
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make release in %s: %v\n%s", dir, err, out)
		}
		t.Logf("%s", out)
	}
	release(first, "")
	release(second, filepath.Join(first, "dist/trial-keys"))
	names := filesOf(t, filepath.Join(first, "dist/release"))
	if again := filesOf(t, filepath.Join(second, "dist/release")); !slices.Equal(names, again) {
		t.Fatalf("%v in one directory, %v in the other", names, again)
	}
	count := map[string]int{}
	s := schema(t)
	for _, name := range names {
		count[filepath.Ext(name)]++
		a, err := os.ReadFile(filepath.Join(first, "dist/release", name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, "dist/release", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s has other bytes in the other directory", name)
		}
		if strings.HasSuffix(name, ".cdx.json") {
			if err := validate(t, s, a); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if count[".deb"] != 4 || count[".bundle"] != 1 || count[".json"] != 6 {
		t.Errorf("made %v", names)
	}
	check := exec.Command("sha256sum", "--strict", "-c", "SHA256SUMS")
	check.Dir = filepath.Join(first, "dist/release")
	if out, err := check.CombinedOutput(); err != nil || bytes.Count(out, []byte(": OK\n")) != len(names)-2 {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
}

func filesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
