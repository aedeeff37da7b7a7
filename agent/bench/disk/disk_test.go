package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat(" 60 0 2112 3 309 401 2018 76 0 60 150 0 0 0 0 202 70\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Count{Bytes: 2018 * 512, Writes: 309, Flushes: 202}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "1 2 3", "1 2 3 4 x 6 7 8 9 10 11 12 13 14 15 16"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestCountsWhatIsWritten writes 100 pages durably, and looks for them in the
// counters, or, where we may not make a loop device, for the reason.
func TestCountsWhatIsWritten(t *testing.T) {
	d, err := Loop(t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Remove(); err != nil {
			t.Error(err)
		}
	}()
	before, err := d.Count()
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(filepath.Join(d.Dir, "file"), 4<<20); err != nil {
		t.Fatal(err)
	}
	after, err := d.Count()
	if err != nil {
		t.Fatal(err)
	}
	got := after.Sub(before)
	if d.Counted() && (got.Bytes < 4<<20 || got.Bytes > 5<<20 || got.Flushes == 0) {
		t.Errorf("4 MiB were counted as %+v", got)
	}
	if !d.Counted() && (d.Why == "" || os.Getuid() == 0 && got.Bytes != 0) {
		t.Errorf("no counters, why %q, counted %+v", d.Why, got)
	}
}
