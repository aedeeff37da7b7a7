package agent

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/nstest"
)

// fault is one thing that is broken, really, at an otherwise healthy site.
type fault struct {
	name string
	// inject breaks the site before it is examined.
	inject func(t *testing.T, s *site)
	want   string // cause of the first finding that is not well
	// consequences are other causes that may stand beside it, since they are
	// true as well.
	also []string
	// waits is a fault that only shows after a wait, so that the checks' limit
	// counts. The others have a patience that no busy machine uses up.
	waits bool
}

// Limits of a check in this test.
const (
	patience = time.Minute
	waiting  = 8 * time.Second
)

// TestDoctorNamesTheCauseFirst breaks a healthy site in each way of the tables,
// and wants the doctor to name the cause first and no other fault; the healthy
// site itself is all ✓. It runs in a network and with mounts of its own.
func TestDoctorNamesTheCauseFirst(t *testing.T) {
	if !inDoctorsNamespace(t) {
		return
	}
	b := newBench(t)
	said := &sayings{dir: b.dir}
	t.Run("alone", func(t *testing.T) {
		// A port, an address and a mount are each row's own.
		for _, f := range slices.Concat(healthy, machineFaults, uplinkFaults, cameraFaults) {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				f.check(t, b, said)
			})
		}
	})
	for _, f := range networkFaults { // of the one network that all have
		t.Run(f.name, func(t *testing.T) { f.check(t, b, said) })
	}
	if n := len(said.rows) - len(healthy); n < 40 && !t.Failed() {
		t.Errorf("%d faults, want 40", n)
	}
	if !t.Failed() && os.Getuid() == 0 { // else rows were skipped
		said.compare(t)
	}
}

func (f fault) check(t *testing.T, b *bench, said *sayings) {
	s := newSite(t, b, f.name)
	if f.inject != nil {
		f.inject(t, s)
	}
	var wrong []string
	for n := range tries {
		s.o.limit = patience
		if f.waits {
			s.o.limit = waiting << (2 * n) // 8, 32, 128 s
		}
		var first doctor.Finding
		if first, wrong = f.examine(t, s.doctor(t)); len(wrong) == 0 {
			said.add(f.name, first)
			return
		}
		t.Logf("again: %s", strings.Join(wrong, "; "))
	}
	t.Error(strings.Join(wrong, "; "))
}

// tries are more than one because the doctor tells what does not answer in time,
// and on a machine that is busy enough that is anything. Each has four times as long
// as the one before.
const tries = 3

// examine runs the doctor once and says what is wrong with what it found.
func (f fault) examine(t *testing.T, d *doctor.Doctor) (first doctor.Finding, wrong []string) {
	var count doctor.Count
	var out strings.Builder
	d.Run(t.Context(), func(found doctor.Finding) {
		count.Add(found)
		doctor.Show{W: &out, Lang: doctor.English}.Finding(found)
		ok := found.State == doctor.OK || found.State == doctor.Skipped && found.Because != "" ||
			found.Cause == f.want || slices.Contains(f.also, found.Cause)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s: %s is not what is wrong", found.Check, found.Cause))
		}
	})
	if count.First.Cause != f.want {
		wrong = append(wrong, fmt.Sprintf("the first is %q, want %q", count.First.Cause, f.want))
	}
	if len(wrong) > 0 {
		t.Logf("\n%s", out.String())
	}
	return count.First, wrong
}

// doctor makes the site's doctor out of its configuration, as the program does.
func (s *site) doctor(t *testing.T) *doctor.Doctor {
	t.Helper()
	file := filepath.Join(s.dir, "kentongan.yaml")
	if s.text == "" {
		s.text = s.yaml()
	}
	if s.text != "-" {
		write(t, file, s.text)
	}
	cfg, err := config.Load(file)
	if err != nil {
		cfg = nil
	}
	s.o.File, s.o.Problem = file, err
	return NewDoctor(cfg, s.o)
}

// sayings are the texts of what was found, for the golden file.
type sayings struct {
	dir  string
	mu   sync.Mutex // guards rows
	rows []saying
}

type saying struct {
	fault string
	found doctor.Finding
}

func (s *sayings) add(fault string, f doctor.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, saying{fault, f})
}

// passing are values that differ from run to run.
var passing = []struct {
	is  *regexp.Regexp
	say string
}{
	{regexp.MustCompile(`/[^ ]*?/00[0-9]`), "DIR"},
	{regexp.MustCompile(`"/[^ ]*…"`), "FILE"},
	{regexp.MustCompile(`DIR/[0-9]{9,}`), "DIR/SERIAL"},
	{regexp.MustCompile(`lookup kamera.invalid.*`), "lookup kamera.invalid: …"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9:]{5,8})?( [+-][0-9:]{5})?`), "DATE"},
	{regexp.MustCompile(`(process|proses|sudo kill) [0-9]+`), "$1 PID"},
	{regexp.MustCompile(`[0-9]+ (K|M|G)iB`), "SIZE"},
	{regexp.MustCompile(`[0-9]+ (inode|of|dari) [0-9]+`), "SOME $1 MORE"},
	{regexp.MustCompile(`byte [0-9]+: [0-9]+ bytes`), "byte N: M bytes"},
	{regexp.MustCompile(`(selama|for) ([0-9]+m)?[0-9]+s`), "$1 TIME"}, // the limit of the try that succeeded
}

// compare holds what was said to testdata/doctor.txt, in both languages.
func (s *sayings) compare(t *testing.T) {
	slices.SortFunc(s.rows, func(a, b saying) int { return cmp.Compare(a.fault, b.fault) })
	var out strings.Builder
	for _, r := range s.rows {
		if r.found.Cause == "" {
			continue
		}
		fmt.Fprintf(&out, "# %s: %s\n", r.fault, r.found.Cause)
		for _, lang := range []doctor.Lang{doctor.Indonesian, doctor.English} {
			seen, next := lang.Of(r.found.Seen), lang.Of(r.found.Next)
			for _, p := range passing {
				seen, next = p.is.ReplaceAllString(seen, p.say), p.is.ReplaceAllString(next, p.say)
			}
			fmt.Fprintf(&out, "%s\n  → %s\n", seen, next)
		}
	}
	const file = "testdata/doctor.txt"
	if os.Getenv("KENTONGAN_UPDATE") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file, out.String())
		return
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != out.String() {
		t.Errorf("%s is not what was said (%v); look, then run KENTONGAN_UPDATE=1 go test -run TestDoctorNamesTheCauseFirst ./agent\n%s", file, err, firstDifference(string(want), out.String()))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			return fmt.Sprintf("line %d: %q, want %q", i+1, g[i], append(w, make([]string, len(g))...)[i])
		}
	}
	return "lines are missing at the end"
}

// inDoctorsNamespace runs the test that calls it in a process with a network
// and mounts of its own, and tells whether this is that process: lo, and lan0,
// behind which nobody is. Many rows mostly wait, so many run at a time.
func inDoctorsNamespace(t *testing.T) bool {
	t.Helper()
	if !nstest.Own(t, nstest.Options{Timeout: 15 * time.Minute, Mounts: true, Parallel: 12}) {
		return false
	}
	for _, args := range []string{
		"link set lo up", "link add lan0 type veth peer name far0", "link set far0 up", "addr add 10.7.0.2/24 dev lan0", "link set lan0 up", "route add default via 10.7.0.1",
	} {
		ip(t, args)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("mounts of its own: %v", err)
	}
	return true
}

// ip changes the network of this process.
func ip(t *testing.T, args string) {
	t.Helper()
	tool(t, "ip", strings.Fields(args)...)
}

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		program = "/usr/sbin/" + name
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
