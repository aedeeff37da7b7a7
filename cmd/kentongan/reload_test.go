package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// reload LOG STEPS PROGRAM ARGS... runs a program and follows its standard error.
// Each line of the file STEPS is TEXT => ACTION: when a line with TEXT stands there,
// the action is done: cp FROM TO (a rename over TO), process FILE (what ps shows), hup, or term, which
// waits for a file where it names one. The standard error
// goes to the file LOG.
func reload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: reload LOG STEPS PROGRAM [ARGS...]")
	}
	steps := strings.Split(strings.TrimSpace(ts.ReadFile(args[1])), "\n")
	c := exec.Command(onPath(ts, args[2]), args[3:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = os.Environ()
	for _, name := range []string{"GORACE", "CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY"} {
		if value := ts.Getenv(name); value != "" {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	stderr, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	late := time.AfterFunc(2*signalDeadline, func() { _ = c.Process.Kill() }) // the wait below then fails
	defer late.Stop()
	var all strings.Builder
	lines := bufio.NewScanner(io.TeeReader(stderr, &all))
	for lines.Scan() {
		if len(steps) == 0 {
			continue
		}
		text, action, _ := strings.Cut(steps[0], " => ")
		if !strings.Contains(lines.Text(), text) {
			continue
		}
		steps = steps[1:]
		switch words := strings.Fields(action); words[0] {
		case "cp":
			to := ts.MkAbs(words[2])
			ts.Check(os.WriteFile(to+".new", []byte(ts.ReadFile(words[1])), 0o600))
			ts.Check(os.Rename(to+".new", to))
		case "process":
			ts.Check(os.WriteFile(ts.MkAbs(words[1]), lists(c.Process.Pid), 0o600))
		case "hup":
			ts.Check(c.Process.Signal(syscall.SIGHUP))
		case "term":
			for end := time.Now().Add(signalDeadline); len(words) > 1 && !exists(ts.MkAbs(words[1])); {
				if time.Now().After(end) {
					ts.Fatalf("no %s", words[1])
				}
				time.Sleep(10 * time.Millisecond)
			}
			ts.Check(c.Process.Signal(syscall.SIGTERM))
		default:
			ts.Fatalf("no action %q", action)
		}
	}
	err = c.Wait()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o644))
	if len(steps) > 0 || err != nil {
		ts.Fatalf("left %q; ended: %v; standard error:\n%s", steps, err, all.String())
	}
}
