package agent

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The agent has a user of its own and reads what root wrote for it.
func TestSavedFileKeepsOwnerAndMode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4321, 4322); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "kentongan.yaml")
	if err := os.WriteFile(old, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(old, 0, 4322); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][3]uint32{old: {0o640, 0, 4322}, filepath.Join(dir, "device.pem"): {0o600, 4321, 4322}} {
		if err := saveFile(file, []byte("x")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if got := [3]uint32{uint32(info.Mode().Perm()), st.Uid, st.Gid}; got != want {
			t.Errorf("%s: mode, owner, group %o %v, want %o %v", filepath.Base(file), got[0], got[1:], want[0], want[1:])
		}
	}
}
