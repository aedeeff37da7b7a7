package memdisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestCutForgetsRemovedFiles: what was written into files that were removed stayed
// in memory until the next cut, hundreds of MiB of it on a disk that refused each
// flush for some minutes.
func TestCutForgetsRemovedFiles(t *testing.T) {
	disk := New()
	if err := disk.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	disk.Fault = func(op, _ string, _ int64) error {
		if op == "sync" {
			return errors.New("refused")
		}
		return nil
	}
	cut := NewCut(disk)
	disk.Trace = cut.Step
	write := func(name string) {
		t.Helper()
		f, err := disk.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("some"), 0); err != nil {
			t.Fatal(err)
		}
		if f.Sync() == nil {
			t.Fatal("flushed")
		}
	}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	names := func(name string) (seen int) {
		for n := range 100 {
			if cut.Image(rand.New(rand.NewPCG(uint64(n), 1))).Find(name) != nil {
				seen++
			}
		}
		return seen
	}

	write("/d/kept")
	write("/d/moves")
	write("/d/goes")
	do(disk.SyncDir("/d"))
	for n := range 50 {
		name := fmt.Sprintf("/d/%d", n)
		write(name)
		do(disk.SyncDir("/d"), disk.Remove(name))
	}
	do(disk.Rename("/d/moves", "/d/moved"), disk.Remove("/d/goes"))
	if n := len(cut.Writes); n != 4 { // the last of the fifty may come back as well
		t.Errorf("%d writes in memory before the directory is flushed, want 4", n)
	}
	if n := names("/d/goes"); n == 0 || n == 100 {
		t.Errorf("a file whose removal was not flushed is there in %d of 100 images", n)
	}
	do(disk.SyncDir("/d"))
	if len(cut.Writes) != 2 || len(cut.files) > 2 {
		t.Errorf("%d writes and %d files in memory, want those of the two files that are left", len(cut.Writes), len(cut.files))
	}
	if a, b, c := names("/d/kept"), names("/d/moved"), names("/d/goes"); a != 100 || b != 100 || c != 0 {
		t.Errorf("of 100 images %d have the file that was kept, %d the one that was moved, %d the one that was removed", a, b, c)
	}
}
