package erase

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var groups = []Group{
	{"keys", []string{"identity/*", "record.key"}},
	{"records", []string{"spool/complaint/*", "spool/cursor"}},
}

// lay writes files, each with its own name in it.
func lay(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// there is every file and directory below dir.
func there(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func on(string) error { return nil }

func TestOursGoesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "identity/device.pem", "identity/device.pem.new", "record.key", "record.key.damaged", "spool/complaint/000001.seg", "spool/cursor", "tickets", "lost+found/x")
	f, err := Look(Place{Dir: dir, Groups: groups, Keep: []string{"tickets"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Counts; got[0].Files != 4 || got[1].Files != 2 || got[1].Bytes != int64(len("spool/complaint/000001.seg")+len("spool/cursor")) || f.Files() != 6 {
		t.Errorf("counted %+v", got)
	}
	if raw, err := f.Remove(t.Context(), on); err != nil || len(raw) > 0 {
		t.Errorf("remove: %v, not overwritten %q", err, raw)
	}
	if got := there(t, dir); !slices.Equal(got, []string{"lost+found", "lost+found/x", "tickets"}) {
		t.Errorf("left are %q", got)
	}
}

// A directory that is wrong, or leads out, is refused before anything is changed.
func TestRefused(t *testing.T) {
	outside := t.TempDir()
	lay(t, outside, "000001.seg")
	link := func(name string) func(dir string) error {
		return func(dir string) error { return os.Symlink(outside, filepath.Join(dir, name)) }
	}
	tests := map[string]struct {
		do   func(dir string) error
		why  Why
		name string
	}{
		"a link in the place of a directory":  {link("identity"), Link, "identity"},
		"a link in the place of a file":       {link("spool/cursor"), Link, "spool/cursor"},
		"a link deep within":                  {link("spool/complaint/000002.seg"), Link, "spool/complaint/000002.seg"},
		"a file in the place of a directory":  {func(d string) error { return os.WriteFile(filepath.Join(d, "identity"), nil, 0o600) }, Foreign, "identity"},
		"a link that is not ours":             {link("photos"), Foreign, "photos"},
		"a file of somebody":                  {func(d string) error { return os.WriteFile(filepath.Join(d, "letter.txt"), nil, 0o600) }, Foreign, "letter.txt"},
		"a directory of somebody":             {func(d string) error { return os.Mkdir(filepath.Join(d, "Documents"), 0o700) }, Foreign, "Documents"},
		"a directory of somebody in ours":     {func(d string) error { return os.Mkdir(filepath.Join(d, "identity/x"), 0o700) }, Foreign, "identity/x"},
		"a file of somebody beside the lanes": {func(d string) error { return os.WriteFile(filepath.Join(d, "spool/a"), nil, 0o600) }, Foreign, "spool/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, "spool/complaint/000001.seg", "record.key")
			if !strings.HasPrefix(tt.name, "identity") || tt.name == "identity/x" {
				lay(t, dir, "identity/device.pem")
			}
			if err := tt.do(dir); err != nil {
				t.Fatal(err)
			}
			before := there(t, dir)
			_, err := Look(Place{Dir: dir, Groups: groups})
			no, ok := errors.AsType[*Refused](err)
			if !ok || no.Why != tt.why || !slices.Equal(no.Names, []string{tt.name}) {
				t.Errorf("%v, want %s of %s", err, tt.why, tt.name)
			}
			if got := there(t, dir); !slices.Equal(got, before) {
				t.Errorf("it changed %q to %q", before, got)
			}
		})
	}
	if got := there(t, outside); !slices.Equal(got, []string{"000001.seg"}) {
		t.Errorf("outside there is %q", got)
	}
	byLink := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink("/var/lib", byLink); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/", "/home", "/home/budi", "/var/lib", "/root", "/etc/", "/usr/../", byLink} {
		if no, ok := errors.AsType[*Refused](second(Look(Place{Dir: dir, Groups: groups, Shared: true}))); !ok || no.Why != System {
			t.Errorf("%s is not refused: %v", dir, no)
		}
	}
}

func second(_ *Found, err error) error { return err }

// A link that is put there after the look is not followed either.
func TestLinkAfterTheLook(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	lay(t, dir, "identity/device.pem", "record.key")
	lay(t, outside, "device.pem", "record.key")
	f, err := Look(Place{Dir: dir, Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.RemoveAll(filepath.Join(dir, "identity")), os.Remove(filepath.Join(dir, "record.key")),
		os.Symlink(outside, filepath.Join(dir, "identity")), os.Symlink(filepath.Join(outside, "record.key"), filepath.Join(dir, "record.key")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Remove(t.Context(), on); err == nil {
		t.Error("a directory that leads out is no error")
	}
	for _, name := range []string{"device.pem", "record.key"} {
		if text, err := os.ReadFile(filepath.Join(outside, name)); err != nil || string(text) != name {
			t.Errorf("outside %s is %q, %v", name, text, err)
		}
	}
}

// What has another name elsewhere keeps its content there; what somebody else has in a
// mirror stays.
func TestOtherNamesAndOtherFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	lay(t, dir, "record.key", "holiday.jpg", "films/a")
	other := filepath.Join(outside, "copy")
	if err := os.Link(filepath.Join(dir, "record.key"), other); err != nil {
		t.Fatal(err)
	}
	f, err := Look(Place{Dir: dir, Groups: groups, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.Remove(t.Context(), on)
	if text, bad := os.ReadFile(other); err != nil || bad != nil || string(text) != "record.key" || !slices.Equal(raw, []string{"record.key"}) {
		t.Errorf("%v; the other name holds %q, %v; not overwritten %q", err, text, bad, raw)
	}
	if got := there(t, dir); !slices.Equal(got, []string{"films", "films/a", "holiday.jpg"}) || !slices.Equal(f.Left, []string{"films", "holiday.jpg"}) {
		t.Errorf("left are %q, told %q", got, f.Left)
	}
}

// The content is gone before the name: who opened the file sees zeros.
func TestContentIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "record.key")
	if err := os.WriteFile(filepath.Join(dir, "record.key"), []byte(strings.Repeat("geheim", 30_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(dir, "record.key"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	f, err := Look(Place{Dir: dir, Groups: groups})
	if err == nil {
		_, err = f.Remove(context.Background(), on)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 180_000)
	if n, err := open.ReadAt(text, 0); n != len(text) || strings.Trim(string(text), "\x00") != "" {
		t.Errorf("%d bytes are left of it, %v", n, err)
	}
}
