package sensors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// tree is a copy of the kernel's files that a test may change.
type tree struct{ dir string }

func newTree(t *testing.T) tree {
	t.Helper()
	tr := tree{t.TempDir()}
	for _, archive := range []string{"testdata/kernel.txtar", "testdata/board.txtar"} {
		tr.add(t, archive)
	}
	return tr
}

func (tr tree) add(t *testing.T, archive string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		path := tr.path(f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if to, ok := strings.CutPrefix(string(f.Data), "link: "); ok {
			err = os.Symlink(strings.TrimSpace(to), path)
		} else {
			err = os.WriteFile(path, f.Data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (tr tree) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr tree) machine() Machine { return Machine{Sys: tr.path("sys"), Dev: tr.path("dev")} }

func (tr tree) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(tr.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files of the tree
const (
	w1Dir    = "sys/devices/w1_bus_master1/28-0316a2794bff"
	ahtDir   = "sys/devices/i2c-1/1-0038/hwmon/hwmon5"
	w1File   = w1Dir + "/w1_slave"
	i2cDir   = "sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:03.0/usb1/1-1/1-1:1.0/i2c-0"
	shtDir   = i2cDir + "/0-0044/hwmon/hwmon1"
	bmeDir   = i2cDir + "/0-0076/iio:device0"
	zoneFile = "sys/devices/virtual/thermal/thermal_zone0/temp"
)
