package units

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMachineEndsWithItsTest kills a test program that has a machine, and sees
// that the machine is gone as well: nothing else would end it.
func TestMachineEndsWithItsTest(t *testing.T) {
	const child = "KENTONGAN_MACHINE_CHILD"
	if os.Getenv(child) != "" {
		m := start(t, systemd, t.TempDir())
		m.until("started", func() bool { return m.first() != 0 })
		fmt.Printf("\nmachine %d %d\n", m.nspawn.Process.Pid, m.first())
		time.Sleep(patience) // until it is killed
		return
	}
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a container needs root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMachineEndsWithItsTest$")
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	for lines := bufio.NewScanner(out); pids == nil && lines.Scan(); {
		if said, ok := strings.CutPrefix(lines.Text(), "machine "); ok {
			pids = strings.Fields(said)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if len(pids) != 2 {
		t.Fatal("it started no machine")
	}
	for _, pid := range pids {
		for end := time.Now().Add(patience); alive(pid); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %s of the machine goes on %v after its test", pid, patience)
			}
		}
	}
}

// alive tells whether a process runs; one that nobody has waited for does not.
func alive(pid string) bool {
	if n, err := strconv.Atoi(pid); err != nil || n == 0 {
		return false
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
