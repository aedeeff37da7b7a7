// Package ptytest runs a program on a pseudo-terminal, as a person at a keyboard
// has it: with echo, lines and Ctrl-C by the kernel's own line discipline.
package ptytest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is for slow machines; nothing is measured by it.
const patience = 90 * time.Second

// CtrlC is what the key sends.
const CtrlC = "\x03"

// Terminal is a terminal with one program on it. Its methods are for the test's
// goroutine.
type Terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File      // held, as a shell does, so that its settings can be read at the end
	over   chan struct{} // closed when everything has been read
	left   chan struct{} // closed when the program has ended
	seen   int           // of said, what was expected

	mu   sync.Mutex // guards what follows
	said strings.Builder
	more chan struct{} // closed when said grows
}

// Start runs a program on a terminal of its own, which is what it has as input,
// output, error, and controlling terminal.
func Start(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	master, slave, err := open()
	if err != nil {
		t.Fatal(err)
	}
	x := &Terminal{t: t, cmd: cmd, master: master, slave: slave, over: make(chan struct{}), left: make(chan struct{}), more: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		_, _ = master.Close(), slave.Close()
		t.Fatal(err)
	}
	go x.read()
	go func() {
		defer close(x.left)
		_ = cmd.Wait() // Ends looks at the status
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, unless the test failed
		<-x.left
		_, _ = slave.Close(), master.Close()
		<-x.over
		if t.Failed() {
			t.Logf("on the terminal:\n%s", x.Said())
		}
	})
	return x
}

func open() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		_ = master.Close()
		return nil, nil, fmt.Errorf("unlock the pseudo-terminal: %w", err)
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	fd, err = unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = master.Close()
		return nil, nil, fmt.Errorf("open %s: %w", name, err)
	}
	return master, os.NewFile(uintptr(fd), name), nil
}

// read reads until nobody has the terminal any more.
func (x *Terminal) read() {
	defer close(x.over)
	buf := make([]byte, 4096)
	for {
		n, err := x.master.Read(buf)
		x.mu.Lock()
		x.said.Write(buf[:n])
		close(x.more)
		x.more = make(chan struct{})
		x.mu.Unlock()
		if err != nil {
			return // EIO, or the test closed it
		}
	}
}

func (x *Terminal) now() (said string, more <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.String(), x.more
}

// Said is everything that the terminal has shown, the echo with it.
func (x *Terminal) Said() string {
	said, _ := x.now()
	return said
}

// Expect waits for a text behind the one that was expected before.
func (x *Terminal) Expect(text string) {
	x.t.Helper()
	late := time.After(patience)
	for {
		said, more := x.now()
		if at := strings.Index(said[x.seen:], text); at >= 0 {
			x.seen += at + len(text)
			return
		}
		select {
		case <-more:
		case <-late:
			x.t.Fatalf("no %q within %v behind %q", text, patience, said[:x.seen])
		case <-x.over:
			x.t.Fatalf("no %q before the end", text)
		}
	}
}

// Type presses keys.
func (x *Terminal) Type(keys string) {
	x.t.Helper()
	if _, err := x.master.WriteString(keys); err != nil {
		x.t.Fatalf("type %q: %v", keys, err)
	}
}

// Answer waits for a question and types a line.
func (x *Terminal) Answer(question, line string) {
	x.t.Helper()
	x.Expect(question)
	x.Expect(": ")
	x.Type(line + "\n")
}

// Ends waits for the program's end and wants its exit status, and a terminal that
// shows again what is typed. Said is whole after it.
func (x *Terminal) Ends(status int) {
	x.t.Helper()
	select {
	case <-x.left:
	case <-time.After(patience):
		x.t.Fatalf("it has not ended within %v", patience)
	}
	if got := x.cmd.ProcessState.ExitCode(); got != status {
		x.t.Errorf("it ended with %v, want status %d", x.cmd.ProcessState, status)
	}
	settings, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatalf("read the terminal's settings: %v", err)
	}
	if settings.Lflag&unix.ECHO == 0 || settings.Lflag&unix.ICANON == 0 {
		x.t.Errorf("it left a terminal that does not echo, or has no lines: %#x", settings.Lflag)
	}
	_ = x.slave.Close()
	select {
	case <-x.over:
	case <-time.After(patience):
		x.t.Fatal("something that it started still has the terminal")
	}
}
