package publish

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/firmware"
)

// keyring makes three roots and a release key, and the note of their list.
func keyring(t testing.TB) (keysNote []byte, release string, roots []string) {
	t.Helper()
	k := firmware.Keys{Version: 1, Threshold: 2}
	for _, name := range []string{"root-a", "root-b", "root-c"} {
		private, public, err := NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		k.Root, roots = append(k.Root, public), append(roots, private)
	}
	release, public, err := NewKey("release-2026")
	if err != nil {
		t.Fatal(err)
	}
	k.Release = []string{public}
	keysNote = []byte(k.Text())
	for _, root := range roots[:2] {
		if keysNote, err = Sign(keysNote, root); err != nil {
			t.Fatal(err)
		}
	}
	return keysNote, release, roots
}

func keyringFor(t testing.TB) []byte {
	keysNote, _, _ := keyring(t)
	return keysNote
}

// program is something like a program: long, and much like its next version.
func program(t *testing.T, version string) string {
	t.Helper()
	b := []byte("\x7fELF")
	for i := range 20000 {
		b = fmt.Appendf(b, "%x.", i*2654435761)
		if i == 10000 {
			b = append(b, version...)
		}
	}
	file := filepath.Join(t.TempDir(), "kentongan-"+version)
	if err := os.WriteFile(file, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func make2(t *testing.T, keysNote []byte, release string, one, two string) (dir string, r firmware.Release) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	r, err := Make(dir, Spec{Number: 2, Version: "two", Issued: time.Unix(1_795_000_000, 0), KeysNote: keysNote,
		Programs: map[firmware.Platform]string{"linux/arm/6": two, "linux/arm64": two},
		Bases:    map[firmware.Platform][]string{"linux/arm/6": {one, two}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "release"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := Sign(text, release)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "release"), signed, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, r
}

// TestBundleReachesABoard: what is published here is taken there, by its patch
// where the base is what runs.
func TestBundleReachesABoard(t *testing.T) {
	keysNote, release, _ := keyring(t)
	one, two := program(t, "one"), program(t, "two")
	dir, r := make2(t, keysNote, release, one, two)
	if len(r.Payload) != 2 || len(r.Payload[0].Patch) != 1 {
		t.Fatalf("payloads %+v, want two and one patch (none from itself)", r.Payload)
	}
	if patch, whole := r.Payload[0].Patch[0].Packed.Size, r.Payload[0].Packed.Size; patch*10 > whole {
		t.Errorf("patch of %d bytes beside %d", patch, whole)
	}
	bundle := filepath.Join(t.TempDir(), "two.bundle")
	if err := Pack(dir, bundle); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again.bundle")
	if err := Pack(dir, again); err != nil {
		t.Fatal(err)
	}
	if a, b := read(t, bundle), read(t, again); !bytes.Equal(a, b) {
		t.Error("packed twice, the bytes differ")
	}
	for name, from := range map[string]string{"file": bundle, "directory": dir} {
		t.Run(name, func(t *testing.T) {
			board := t.TempDir()
			disk, err := firmware.OpenDisk(board)
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			d := firmware.NewDir(disk)
			if err := d.Init(keysNote, bytes.NewReader(read(t, one)), nil); err != nil {
				t.Fatal(err)
			}
			source, err := firmware.OpenSource(from)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Apply(context.Background(), source, firmware.Options{Device: firmware.Device{Platform: "linux/arm/7"}}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, filepath.Join(board, "current", "kentongan")), read(t, two)) {
				t.Error("another program arrived")
			}
		})
	}
}

// TestNothingBadGoesOut: what no board would take is not packed.
func TestNothingBadGoesOut(t *testing.T) {
	keysNote, release, roots := keyring(t)
	one, two := program(t, "one"), program(t, "two")
	tests := map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"unsigned": {func(t *testing.T, dir string) {
			text, _, _ := strings.Cut(string(read(t, filepath.Join(dir, "release"))), "\n\n")
			put(t, filepath.Join(dir, "release"), []byte(text+"\n"))
		}, "tampered"},
		"signed by a root, not by a release key": {func(t *testing.T, dir string) {
			text, _, _ := strings.Cut(string(read(t, filepath.Join(dir, "release"))), "\n\n")
			signed, err := Sign([]byte(text+"\n"), roots[0])
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "release"), signed)
		}, "unknown-key"},
		"a payload changed": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "kentongan-2-linux-arm64.zst"), []byte("x")) }, "truncated"},
		"a patch changed": {func(t *testing.T, dir string) {
			names, err := filepath.Glob(filepath.Join(dir, "*-from-*"))
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			put(t, names[0], []byte("x"))
		}, "mixed"},
		"keys of one root": {func(t *testing.T, dir string) {
			text, _, _ := strings.Cut(string(keysNote), "\n\n")
			signed, err := Sign([]byte(text+"\n"), roots[2])
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "keys"), signed)
		}, "few-roots"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, _ := make2(t, keysNote, release, one, two)
			tt.change(t, dir)
			err := Pack(dir, filepath.Join(t.TempDir(), "x.bundle"))
			if string(firmware.CodeOf(err)) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	keysNote, release, roots := keyring(t)
	for name, tt := range map[string]struct {
		text []byte
		key  string
		want string
	}{
		"twice by one root": {keysNote, roots[0], "already"},
		"an order":          {[]byte("kentongan/v1/kiosk-7/cmd/restart\nid 1\n"), release, "neither a release"},
		"no key":            {keysNote, "hello", "signing key"},
	} {
		if _, err := Sign(tt.text, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
