package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// process is a program of ours that the demo starts, ends and starts again. Its
// methods may be called from any goroutine, one at a time.
type process struct {
	name string
	path string
	args []string
	log  *tail

	mu   sync.Mutex // guards cmd and done
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended and was waited for
}

func newProcess(name, path string, args ...string) *process {
	return &process{name: name, path: path, args: args, log: newTail(200)}
}

// start runs the program. What it prints goes to its log.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runningLocked() {
		return nil
	}
	cmd := exec.Command(p.path, p.args...)
	// When the demo itself is killed, nothing of it stays behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go p.log.copy(r)
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		w.Close()
		close(done)
	}()
	return nil
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runningLocked()
}

func (p *process) runningLocked() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the program as a power cut does: at once, wherever it is.
func (p *process) kill() { p.end(syscall.SIGKILL, 0) }

// stop asks the program to end and waits; after 5 s it is killed.
func (p *process) stop() { p.end(syscall.SIGTERM, 5*time.Second) }

func (p *process) end(sig syscall.Signal, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runningLocked() {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	if patience > 0 {
		select {
		case <-p.done:
			return
		case <-time.After(patience):
			_ = p.cmd.Process.Kill()
		}
	}
	<-p.done
}

// waitLine waits for a line that f accepts, among those printed already and
// those to come.
func (p *process) waitLine(ctx context.Context, f func(line string) bool) error {
	lines, cancel := p.log.follow()
	defer cancel()
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	for {
		select {
		case line := <-lines:
			if f(line) {
				return nil
			}
		case <-done:
			return fmt.Errorf("%s ended by itself:\n%s", p.name, p.log.text())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", p.name, ctx.Err())
		}
	}
}

// tail keeps the newest lines and hands them to followers.
type tail struct {
	mu        sync.Mutex // guards all below
	lines     []string
	keep      int
	followers map[chan string]bool
}

func newTail(keep int) *tail {
	return &tail{keep: keep, followers: map[chan string]bool{}}
}

func (t *tail) copy(r io.Reader) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			t.add(line)
		}
		if err != nil {
			return
		}
	}
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > t.keep {
		t.lines = slices.Delete(t.lines, 0, len(t.lines)-t.keep)
	}
	for f := range t.followers {
		select {
		case f <- line:
		default: // a follower that does not read misses lines
		}
	}
}

// follow returns the lines kept so far and those to come.
func (t *tail) follow() (lines <-chan string, cancel func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := make(chan string, t.keep+4096)
	for _, line := range t.lines {
		f <- line
	}
	t.followers[f] = true
	return f, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.followers, f)
	}
}

func (t *tail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines[max(0, len(t.lines)-n):])
}

func (t *tail) text() string {
	var s string
	for _, line := range t.last(30) {
		s += line
	}
	return s
}
