// Package nstest gives a test a network of its own, as the kernel has it: real
// links, addresses and filters, and nothing of the machine's.
package nstest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options are of the process that Own starts.
type Options struct {
	Timeout  time.Duration
	Mounts   bool // it has mounts of its own, too
	Parallel int  // tests beside each other; 0 is as the test binary has it
}

const mark = "KENTONGAN_TEST_NAMESPACE"

// Own runs the test that calls it in a process with a network of its own, and
// tells whether this is that process; its loopback is down yet. The namespace goes
// with the process. Without root it takes a user namespace, where the kernel lets
// it, else the test is skipped.
func Own(t *testing.T, o Options) bool {
	t.Helper()
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout="+o.Timeout.String())
	if o.Parallel > 0 {
		cmd.Args = append(cmd.Args, fmt.Sprintf("-test.parallel=%d", o.Parallel))
	}
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if o.Mounts {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS
	}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// The kernel kills it with the thread that started it, and what else the test
	// program does (a decoder, a tunnel) ends threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if os.Getuid() != 0 {
			t.Skipf("no namespaces without root on this kernel (%v); run the test as root", err)
		}
		t.Fatalf("start in a namespace: %v", err)
	}
	err := cmd.Wait()
	t.Log(out.String())
	if err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Errorf("in its namespace: %v", err)
	}
	return false
}
