package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

func TestConformance(t *testing.T) {
	var board *Board
	high := map[string]bool{}
	drive := func(line string, up bool) error {
		high[line] = up
		return board.Drive(line, up)
	}
	fresh, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	board = fresh
	haltest.Run(t, haltest.Bench{
		Open: func(t *testing.T) hal.Board {
			b, err := Open(Options{})
			if err != nil {
				t.Fatal(err)
			}
			board = b
			return b
		},
		Chip: ChipName, In: "GPIO17", Out: "GPIO22", Buffer: Buffer, Drive: drive,
		Toggle: func(line string, times int) error {
			for range times {
				if err := drive(line, !high[line]); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func TestOpenRefusesDoubleNames(t *testing.T) {
	for name, lines := range map[string][]string{"twice": {"A", "B", "A"}, "empty": {""}} {
		if _, err := Open(Options{Lines: lines}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLinesByOffset(t *testing.T) {
	b := open(t, Options{Lines: []string{"A", "B"}})
	if _, err := b.OpenInput(hal.LineConfig{Name: "button", Chip: ChipName, Line: "1"}); err != nil {
		t.Error(err)
	}
	if _, err := b.OpenInput(hal.LineConfig{Name: "button", Line: "0"}); err == nil {
		t.Error("a number without a chip was taken")
	}
}

func TestPressedWhileClosed(t *testing.T) {
	b := open(t, Options{})
	if err := b.Set("GPIO4", true); err != nil {
		t.Fatal(err)
	}
	in, err := b.OpenInput(hal.LineConfig{Name: "button", Line: "GPIO4", ActiveLow: true})
	if err != nil {
		t.Fatal(err)
	}
	if active, _ := in.Active(); !active {
		t.Error("a button that was held before its line was opened is not active")
	}
}

func TestPulse(t *testing.T) {
	b := open(t, Options{})
	in, err := b.OpenInput(hal.LineConfig{Name: "button", Line: "GPIO4"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Pulse("GPIO4", 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	down, up := <-in.Edges(), <-in.Edges()
	if !down.Active || up.Active || up.At-down.At < 20*time.Millisecond {
		t.Errorf("pulse of 20 ms: %+v, %+v", down, up)
	}
	if err := b.Pulse("GPIO4", 0); err == nil {
		t.Error("a pulse of no length was taken")
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "board.sock")
	b := open(t, Options{Socket: path})
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket is %v, %v; want mode 0600", st.Mode(), err)
	}
	if _, err := Open(Options{Socket: path}); err == nil || !strings.Contains(err.Error(), "another board") {
		t.Errorf("second board on the same socket: %v", err)
	}
	b.server.listener.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false) // as after a SIGKILL
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("no stale socket to test with: %v", err)
	}
	open(t, Options{Socket: path})

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Socket: file}); err == nil {
		t.Error("a file was replaced by the socket")
	}
}

func open(t *testing.T, o Options) *Board {
	t.Helper()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
