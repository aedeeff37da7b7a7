package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/firmware"
)

// fleet publishes releases of shell scripts: what they do when they are started
// is all that a launcher sees of a program.
type fleet struct {
	dir      string // the update directory
	work     string
	keys     []byte
	release  string
	healthy  string
	platform firmware.Platform
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	// Not t.TempDir, which nobody else may enter: a new program is tried as the
	// user nobody.
	work, err := os.MkdirTemp("", "kentongan-boot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(work) })
	if err := os.Chmod(work, 0o755); err != nil {
		t.Fatal(err)
	}
	f := &fleet{dir: filepath.Join(work, "fw"), work: work, platform: firmware.ThisBoard().Platform}
	f.healthy = filepath.Join(f.work, "healthy")
	k := firmware.Keys{Version: 1, Threshold: 1}
	root, public := newKey(t, "root")
	k.Root = []string{public}
	f.release, public = newKey(t, "release")
	k.Release = []string{public}
	if f.keys, err = signed(k.Text(), root); err != nil {
		t.Fatal(err)
	}
	keysFile := filepath.Join(f.work, "keys")
	put(t, keysFile, f.keys, 0o644)
	first := filepath.Join(f.work, "one")
	put(t, first, []byte(script("one", well(f, 0))), 0o755)
	f.run(t, exitGood, "init", "--dir", f.dir, "--keys", keysFile, "--program", first)
	return f
}

func newKey(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func signed(text, private string) ([]byte, error) {
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text}, s)
}

// script is a program that says its version when asked, and else does body.
func script(version, body string) string {
	return fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = version ]; then echo '{\"version\":\"%s\"}'; exit; fi\necho started %s >>\"$LOG\"\n%s\n", version, version, body)
}

// well says that the agent is well, as its health gate does, and goes on.
func well(f *fleet, number uint64) string {
	return fmt.Sprintf(`printf '{"number":%d,"boot":"%%s"}' "$(cat /proc/sys/kernel/random/boot_id)" >%s.new; mv %s.new %s; exec sleep 600`, number, f.healthy, f.healthy, f.healthy)
}

// run runs a command of the program and holds it to an exit status.
func (f *fleet) run(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if got := dispatch(t.Context(), env{&out, &out}, args); got != want {
		t.Fatalf("kentongan-boot %s: status %d, want %d\n%s", strings.Join(args, " "), got, want, out.String())
	}
	return out.String()
}

// publish makes a source directory with one release.
func (f *fleet) publish(t *testing.T, number uint64, version, program string) string {
	t.Helper()
	return f.publishAs(t, version, number, version, program)
}

func (f *fleet) publishAs(t *testing.T, name string, number uint64, version, program string) string {
	t.Helper()
	dir := filepath.Join(f.work, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	packed, sum := zstdOf(t, []byte(program))
	r := firmware.Release{Number: number, Version: version, Issued: time.Now(), Keys: 1, Payload: []firmware.Payload{{
		Platform: f.platform, Size: int64(len(program)), SHA256: hash([]byte(program)),
		Packed: firmware.File{Name: "p.zst", Size: int64(len(packed)), SHA256: sum},
	}}}
	note, err := signed(r.Text(), f.release)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "keys"), f.keys, 0o644)
	put(t, filepath.Join(dir, "release"), note, 0o644)
	put(t, filepath.Join(dir, "p.zst"), packed, 0o644)
	return dir
}

func (f *fleet) status(t *testing.T) firmware.Status {
	t.Helper()
	var s firmware.Status
	if err := json.Unmarshal([]byte(f.run(t, exitGood, "status", "--dir", f.dir)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTrials supervises real processes through a trial of each kind, as run
// does on a board without systemd. A pause of a second lies between starts. A
// busy machine may not have come to the new version before its time was over:
// then it gets more.
func TestTrials(t *testing.T) {
	tests := map[string]struct {
		body   func(f *fleet) string
		want   firmware.State
		within time.Duration // at first
		starts int           // of the new version
	}{
		"well":                        {func(f *fleet) string { return well(f, 2) }, firmware.Committed, patience, 1},
		"ends at once":                {func(*fleet) string { return "exit 1" }, firmware.WentBack, patience, 3},
		"runs and is never well":      {func(*fleet) string { return "exec sleep 600" }, firmware.WentBack, 3 * time.Second, 1},
		"says another number is well": {func(f *fleet) string { return well(f, 7) }, firmware.WentBack, 3 * time.Second, 1},
		"ignores that it shall end":   {func(*fleet) string { return "trap '' TERM; while :; do sleep 1; done" }, firmware.WentBack, 2 * time.Second, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			starts := 0
			for within := tt.within; starts == 0 && within <= 2*patience; within *= 4 {
				f := newFleet(t)
				f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", tt.body(f))))
				log := filepath.Join(f.work, "log")
				stop := f.supervise(t, log, within)
				f.wait(t, tt.want)
				want := "one"
				if tt.want == firmware.Committed {
					want = "two"
				}
				f.waitRuns(t, log, want)
				stop()
				starts = strings.Count(read(t, log), "started two")
			}
			if starts != tt.starts {
				t.Errorf("the new version was started %d times, want %d", starts, tt.starts)
			}
		})
	}
}

// supervise runs `kentongan-boot run` as a process of its own, since it sets
// how its children die.
func (f *fleet) supervise(t *testing.T, log string, within time.Duration) (stop func()) {
	t.Helper()
	return f.superviseAs(t, log, "--within", within.String(), "--", "current/kentongan", "run")
}

func (f *fleet) superviseAs(t *testing.T, log string, args ...string) (stop func()) {
	t.Helper()
	args = append([]string{"run", "--dir", f.dir, "--healthy", f.healthy, "--grace", "2s"}, args...)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOG="+log, "KENTONGAN_BOOT_ARGS="+strings.Join(args, "\n"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			if err := cmd.Wait(); err != nil {
				t.Errorf("kentongan-boot run: %v\n%s", err, out.String())
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func TestMain(m *testing.M) {
	if args := os.Getenv("KENTONGAN_BOOT_ARGS"); args != "" {
		os.Args = append([]string{"kentongan-boot"}, strings.Split(args, "\n")...)
		os.Unsetenv("KENTONGAN_BOOT_ARGS")
		main()
		return
	}
	status := m.Run()
	if builds.dir != "" {
		os.RemoveAll(builds.dir)
	}
	os.Exit(status)
}

// patience is for slow machines; nothing here is measured by it.
const patience = 2 * time.Minute

func (f *fleet) wait(t *testing.T, want firmware.State) {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		s := f.status(t)
		if s.Trial != nil && s.Trial.State == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the trial is %+v, want %s", s.Trial, want)
		}
	}
}

func (f *fleet) waitRuns(t *testing.T, log, version string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		b, _ := os.ReadFile(log)
		if lines := strings.Fields(string(b)); len(lines) > 0 && lines[len(lines)-1] == version {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("version %s was not started:\n%s", version, b)
		}
	}
}

// TestProgramsThatDoNotStart are refused by apply, and nothing changes.
func TestProgramsThatDoNotStart(t *testing.T) {
	for name, program := range map[string]string{
		"another version":    script("three", "exit 0"),
		"no such shell":      "#!/no/such/shell\n",
		"no program":         "hello",
		"crashes when asked": "#!/bin/sh\nexit 1\n",
		"says nothing":       "#!/bin/sh\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			said := f.run(t, exitRefused, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", program))
			if !strings.Contains(said, string(firmware.NoRun)) {
				t.Errorf("said %q", said)
			}
			if s := f.status(t); s.Trial != nil || s.Slot != "a" {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// TestHostileIncoming: whoever can write where updates come in cannot make root
// read or wait for something else.
func TestHostileIncoming(t *testing.T) {
	f := newFleet(t)
	secret := filepath.Join(f.work, "secret")
	put(t, secret, []byte("secret"), 0o600)
	for name, prepare := range map[string]func(dir string) error{
		"a link to a secret": func(dir string) error { return os.Symlink(secret, filepath.Join(dir, "release")) },
		"a named pipe":       func(dir string) error { return exec.Command("mkfifo", filepath.Join(dir, "release")).Run() },
		"a directory":        func(dir string) error { return os.Mkdir(filepath.Join(dir, "release"), 0o755) },
	} {
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "keys"), f.keys, 0o644)
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if said := f.run(t, exitRefused, "apply", "--dir", f.dir, "--from", dir); strings.Contains(said, "secret\n") || !strings.Contains(said, string(firmware.Unavailable)) {
			t.Errorf("%s: %q", name, said)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	f.run(t, exitFailed, "apply", "--dir", f.dir, "--from", link)
}

func TestBackByHand(t *testing.T) {
	f := newFleet(t)
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", "exit 0")))
	f.run(t, exitGood, "start", "--dir", f.dir)
	f.run(t, exitGood, "back", "--dir", f.dir)
	if s := f.status(t); s.Slot != "a" || s.Trial.State != firmware.WentBack || len(s.Floor.Failed) > 0 {
		t.Errorf("status %+v, trial %+v", s, s.Trial)
	}
	// It was a person's wish, so the same release may come again.
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", filepath.Join(f.work, "two"))
}

func TestUsage(t *testing.T) {
	f := newFleet(t)
	for _, tt := range []struct {
		args []string
		want int
		says string
	}{
		{nil, exitUsage, "usage"},
		{[]string{"help"}, exitGood, "judge"},
		{[]string{"fly"}, exitUsage, `no command "fly"`},
		{[]string{"apply"}, exitUsage, "--from"},
		{[]string{"start", "--no-such"}, exitUsage, "no-such"},
		{[]string{"run", "--dir", f.dir}, exitUsage, "name the program"},
		{[]string{"status", "--dir", filepath.Join(f.work, "none")}, exitFailed, "no such file"},
	} {
		if said := f.run(t, tt.want, tt.args...); !strings.Contains(said, tt.says) {
			t.Errorf("%v: %q, want %q in it", tt.args, said, tt.says)
		}
	}
}

// TestRunJudgesAgainAfterAnError: a disk that could not be read or written for a
// moment leaves no version on trial, and out of the reach of updates, until the next
// start.
func TestRunJudgesAgainAfterAnError(t *testing.T) {
	f := newFleet(t)
	t.Setenv("LOG", filepath.Join(f.work, "log"))
	ready := filepath.Join(f.work, "ready")
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", "while [ ! -e "+ready+" ]; do sleep 0.05; done\n"+well(f, 2))))
	said, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- once{env{io.Discard, stderr}, f.dir, f.healthy, "", patience, time.Second, nil}.run(ctx, []string{"current/kentongan", "run"})
		stderr.Close()
	}()
	f.waitRuns(t, filepath.Join(f.work, "log"), "two")
	trial := filepath.Join(f.dir, "trial")
	was := read(t, trial)
	put(t, trial, []byte("{"), 0o644)
	for lines := bufio.NewScanner(said); ; {
		if !lines.Scan() {
			t.Fatal("it ended, and told of no error")
		}
		if strings.Contains(lines.Text(), "run: judge: trial: damaged") {
			break
		}
	}
	put(t, trial, []byte(was), 0o644)
	put(t, ready, nil, 0o644)
	f.wait(t, firmware.Committed)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestErrorsGiveATrialNoNewTime: each try after an error gave the version all its time
// again, so one that is never well stayed where errors came back often enough.
func TestErrorsGiveATrialNoNewTime(t *testing.T) {
	f := newFleet(t)
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", "exit 0")))
	synctest.Test(t, func(t *testing.T) {
		const within = 10 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 6*within)
		defer cancel()
		trial := filepath.Join(f.dir, "trial")
		was := read(t, trial)
		var breaks sync.WaitGroup
		breaks.Go(func() { // damaged for some seconds, every two minutes, and never while the judge looks
			time.Sleep(time.Second / 2)
			for {
				time.Sleep(2 * time.Minute)
				if ctx.Err() != nil {
					return
				}
				put(t, trial, []byte("{"), 0o644)
				time.Sleep(5 * time.Second)
				put(t, trial, []byte(was), 0o644)
			}
		})
		began := time.Now()
		var said strings.Builder
		back := once{e: env{io.Discard, &said}, dir: f.dir, healthy: f.healthy, within: within}.goesBack(ctx)
		if took := time.Since(began); !back || took < within || took > within+time.Minute {
			t.Errorf("goes back: %v, after %v; want it after %v", back, took, within)
		}
		if !strings.Contains(said.String(), "run: judge: trial: damaged") {
			t.Errorf("no error came, so the test tests nothing: %q", said.String())
		}
		cancel()
		breaks.Wait()
	})
}

// TestJudgeEndsAGoingBack: one that an error stopped half way leaves a version running
// that was given up; the judge who comes next ends it.
func TestJudgeEndsAGoingBack(t *testing.T) {
	f := newFleet(t)
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", "exit 0")))
	trial := filepath.Join(f.dir, "trial")
	put(t, trial, []byte(strings.Replace(read(t, trial), `"trying"`, `"going-back","reason":"deadline: x"`, 1)), 0o644)
	if said := f.run(t, exitGood, "judge", "--dir", f.dir, "--healthy", f.healthy); !strings.Contains(said, "goes back: deadline: x") {
		t.Errorf("said %q", said)
	}
	if s := f.status(t); s.Slot != "a" || s.Trial.State != firmware.WentBack || len(s.Floor.Failed) != 1 {
		t.Errorf("status %+v, trial %+v", s, s.Trial)
	}
}

// TestJudgeLeavesATrialToTheNextStart: ended in the middle, it decides nothing.
func TestJudgeLeavesATrialToTheNextStart(t *testing.T) {
	f := newFleet(t)
	f.run(t, exitGood, "apply", "--dir", f.dir, "--from", f.publish(t, 2, "two", script("two", "exit 0")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if trial, err := judge(ctx, f.dir, f.healthy, time.Now(), time.Hour); err != nil || trial.State != "" {
		t.Errorf("%+v, %v", trial, err)
	}
	if s := f.status(t); s.Trial.State != firmware.Trying {
		t.Errorf("trial %+v", s.Trial)
	}
}
