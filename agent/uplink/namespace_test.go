package uplink

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// inNamespace runs the test that calls it in a process with a network of its
// own, and tells whether this is that process. The namespace goes with the
// process. Without root it takes a user namespace, where the kernel lets it.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "KENTONGAN_TEST_NAMESPACE"
	if os.Getenv(mark) == t.Name() {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout=4m")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		if os.Getuid() != 0 {
			t.Skipf("no network namespace without root on this kernel (%v); run the test as root", err)
		}
		t.Fatalf("start in a network namespace: %v", err)
	}
	err := cmd.Wait()
	t.Log(out.String())
	if err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Errorf("in its namespace: %v", err)
	}
	return false
}

// run runs a program of the machine and returns what it prints.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath(name)
	if err != nil {
		bin = "/usr/sbin/" + name
	}
	if !isFile(bin) {
		t.Fatalf("no %s on this machine: apt-get install %s", name, map[string]string{"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}[name])
	}
	out, err := exec.Command(bin, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// nftDrop loads a rule that drops what matches and counts it.
func nftDrop(t testing.TB, match string) {
	t.Helper()
	run(t, "nft", "add table inet faults; add chain inet faults in { type filter hook input priority 0; }; add rule inet faults in "+match+" counter drop")
}

// nftDropped is how many packets were dropped.
func nftDropped(t testing.TB) int {
	t.Helper()
	m := regexp.MustCompile(`counter packets (\d+)`).FindStringSubmatch(run(t, "nft", "list", "ruleset"))
	if m == nil {
		t.Fatal("nft counts nothing")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func nftPass(t testing.TB) { t.Helper(); run(t, "nft", "delete", "table", "inet", "faults") }
