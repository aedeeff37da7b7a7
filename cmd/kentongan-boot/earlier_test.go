package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/firmware"
)

// earlier is the version that this one must be able to go back to: the commit of
// the release before. Whoever publishes a release sets it to that release.
const earlier = "89e778c61e2ed624bd5acbe8984955f5af0a99f4" // the first that took updates

// TestGoingBackToAnEarlierVersion takes a device from an earlier version to this
// one, back, and to this one again: each reads what the other kept and goes on.
func TestGoingBackToAnEarlierVersion(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	old := f.buildEarlier(t)
	today := f.build(t, "today")
	f.dir = filepath.Join(f.work, "fw-agent")
	f.run(t, exitGood, "init", "--dir", f.dir, "--keys", filepath.Join(f.work, "keys"), "--program", old)
	data, conf := f.agentConfig(t, nobody)
	log := filepath.Join(f.work, "log")
	args := []string{"--within", "5m", "--incoming", filepath.Join(data, "incoming"), "--", "current/kentongan", "run", "--config", conf}
	update := func(number uint64, with string) {
		t.Helper()
		out, err := exec.Command(with, "update", "apply", "--config", conf, "--from", f.publishFile(t, number, "today", today)).CombinedOutput()
		if err != nil {
			t.Fatalf("update apply: %v\n%s", err, out)
		}
		f.wait(t, firmware.Committed)
	}

	stop := f.superviseAs(t, log, args...)
	f.press(t, 1, data, old)
	update(2, old)
	f.press(t, 2, data, today)
	f.run(t, exitGood, "back", "--dir", f.dir)
	stop()
	stop = f.superviseAs(t, log, args...)
	f.press(t, 3, data, old) // which also reads the second
	if s := f.status(t); s.Running != 0 {
		t.Errorf("number %d runs, want the first, which came from no release", s.Running)
	}
	update(3, old)
	f.press(t, 4, data, today)
	stop()

	for _, lane := range []string{"complaint", "event"} {
		byOld, byToday := dump(t, old, data, lane), dump(t, today, data, lane)
		if byOld != byToday {
			t.Errorf("%s: the two versions read different records:\n%s\n\n%s", lane, byOld, byToday)
		}
		chained(t, lane, byToday)
	}
	if events := dump(t, today, data, "event"); strings.Contains(events, `"kind":"damage"`) || strings.Contains(events, `"kind":"gap"`) {
		t.Errorf("something was lost:\n%s", events)
	}
	for _, program := range []string{old, today} {
		if out, err := exec.Command(program, "spool", "verify", data).CombinedOutput(); err != nil {
			t.Errorf("spool verify: %v\n%s", err, out)
		}
	}
}

// buildEarlier builds the earlier version out of the repository's history.
func (f *fleet) buildEarlier(t *testing.T) (program string) {
	t.Helper()
	if err := exec.Command("git", "cat-file", "-e", earlier+"^{commit}").Run(); err != nil {
		t.Skipf("commit %.7s is not in this checkout (%v): clone the whole history (git fetch --unshallow) to try going back; what that version wrote is tried in agent/spool", earlier, err)
	}
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Fatal(err)
	}
	tree, packed := filepath.Join(f.work, "earlier"), filepath.Join(f.work, "earlier.tar")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*exec.Cmd{
		exec.Command("git", "-C", strings.TrimSpace(string(top)), "archive", "-o", packed, earlier),
		exec.Command("tar", "-xf", packed, "-C", tree),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	program = filepath.Join(f.work, "kentongan-earlier")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=earlier", "-o", program, "./cmd/kentongan")
	build.Dir = tree
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build commit %.7s: %v\n%s", earlier, err, out)
	}
	return program
}

func dump(t *testing.T, program, data, lane string) string {
	t.Helper()
	out, err := exec.Command(program, "spool", "dump", data, "--lane", lane).Output()
	if err != nil {
		t.Fatalf("spool dump: %v", err)
	}
	return string(out)
}

// chained holds a lane to its numbers and hashes, whoever wrote them.
func chained(t *testing.T, lane, lines string) {
	t.Helper()
	var before []byte
	seq := uint64(0)
	for line := range strings.Lines(lines) {
		line = strings.TrimSuffix(line, "\n")
		var r struct {
			Seq  uint64
			Prev string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(before); before != nil && (r.Seq != seq+1 || r.Prev != base64.StdEncoding.EncodeToString(sum[:])) {
			t.Errorf("%s: record %d does not follow record %d: %s", lane, r.Seq, seq, line)
		}
		before, seq = []byte(line), r.Seq
	}
	if seq == 0 {
		t.Errorf("%s: nothing there", lane)
	}
}
