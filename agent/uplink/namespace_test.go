package uplink

import (
	"os/exec"
	"regexp"
	"strconv"
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
