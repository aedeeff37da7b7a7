package stream

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kentongan/agent/nstest"
)

// inNamespace runs the test that calls it in a process with a network of its own,
// and tells whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	ours := nstest.Own(t, nstest.Options{Timeout: 15 * time.Minute})
	if ours {
		run(t, "ip", "link", "set", "lo", "up")
	}
	return ours
}

// run runs a program of the machine and returns what it prints.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath(name)
	if err != nil {
		bin = "/usr/sbin/" + name
	}
	if !there(bin) {
		t.Fatalf("no %s on this machine: apt-get install %s", name, map[string]string{"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}[name])
	}
	out, err := exec.Command(bin, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func there(file string) bool { _, err := os.Stat(file); return err == nil }
