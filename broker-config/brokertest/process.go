package brokertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a broker may take to begin on a busy machine.
const patience = 120 * time.Second

// scripts is the folder of the brokers' configuration.
func scripts() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}

// process is a program that was started, and its end.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs a program, in a process group of its own.
func start(t testing.TB, log *os.File, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // it is killed
	}()
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill is SIGKILL, for it and for what it has started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// logOf shows a log when the test has failed.
func logOf(t testing.TB, dir, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	must(t, err)
	t.Cleanup(func() {
		f.Close() //nolint:errcheck // it is a log
		if !t.Failed() {
			return
		}
		text, err := os.ReadFile(f.Name())
		t.Logf("%s: %v\n%s", f.Name(), err, text[max(0, len(text)-4000):])
	})
	return f
}

// listens waits until somebody listens at addr; p is who should.
func listens(t testing.TB, p *process, addr string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close() //nolint:errcheck // it was a question only
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended", p.cmd.Path)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen at %s after %v", p.cmd.Path, addr, patience)
}

var buildOnce sync.Mutex // one build at a time is faster than two

// Build builds a Go program of this module or of one in go.mod, and returns
// where it is.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	buildOnce.Lock()
	defer buildOnce.Unlock()
	file := filepath.Join(t.TempDir(), filepath.Base(filepath.Dir(pkg+"/")))
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir = scripts()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return file
}
