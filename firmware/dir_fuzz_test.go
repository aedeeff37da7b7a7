package firmware

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzBundle: a file that is said to be a bundle is refused with a code, or is the one
// that was signed.
func FuzzBundle(f *testing.F) {
	p := newPublisher(f)
	good := tarOf(f, p.bundle(f, 5, "five"))
	f.Add(good)
	f.Add(good[:700])
	f.Add([]byte("\x1f\x8b"))
	file := filepath.Join(f.TempDir(), "bundle")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSource(file)
		if err != nil {
			t.Fatal(err)
		}
		_, release, err := ReadNotes(s)
		if err != nil {
			if CodeOf(err) == "" {
				t.Errorf("no code: %v", err)
			}
			return
		}
		if len(release) > MaxNoteBytes+1 {
			t.Errorf("a release of %d bytes", len(release))
		}
	})
}

// FuzzState: what stands in the launcher's own files, after a card that failed, ends
// no start: a whole version is named, or an error.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"number":2,"version":"two","slot":"b","previous":"a","before":1,"state":"trying","boot":"b1"}`), uint8(0))
	f.Add([]byte(`{"slot":"../../etc","previous":"x","state":"going-back"}`), uint8(0))
	f.Add([]byte("7\n"), uint8(1))
	f.Add([]byte(`{"offer":"x","number":18446744073709551615}`), uint8(2))
	f.Add([]byte(nil), uint8(3))
	p := newPublisher(f)
	one := p.bundle(f, 1, "one")
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		dir := t.TempDir()
		disk, err := OpenDisk(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		d := NewDir(disk)
		if err := d.InitFrom(one, dev); err != nil {
			t.Fatal(err)
		}
		name := []string{trialFile, floorFile, resultFile, keysFile}[which%4]
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = d.Status()
		_, _ = d.Result()
		_, _ = d.Keys()
		slot, _, err := d.Start("boot-2")
		if err == nil && slot != "a" && slot != "b" {
			t.Errorf("slot %q", slot)
		}
		if name != keysFile && d.runnable("a") != nil {
			t.Error("the version that was whole is not any more")
		}
		_, _ = d.Commit(1)
		_, _ = d.Back("x")
	})
}

// tarOf is a bundle with the files, the notes first.
func tarOf(t testing.TB, s files) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(s[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(s[name]); err != nil {
			t.Fatal(err)
		}
	}
	put(KeysName)
	put(ReleaseName)
	for name := range s {
		if name != KeysName && name != ReleaseName {
			put(name)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
