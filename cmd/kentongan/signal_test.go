package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// signalDeadline bounds one run of the term command. A race build on a busy
// machine starts in about 2 s.
const signalDeadline = 60 * time.Second

// term FILE TEXT PROGRAM ARGS... runs a program, sends SIGTERM, twice, as soon as
// a line with TEXT stands on its standard error, wants exit status 0, and writes
// that standard error into FILE.
func term(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: term FILE TEXT PROGRAM [ARGS...]")
	}
	c := exec.Command(onPath(ts, args[2]), args[3:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "GORACE="+ts.Getenv("GORACE"))
	stderr, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	late := time.AfterFunc(signalDeadline, func() { _ = c.Process.Kill() }) // the wait below then fails
	defer late.Stop()

	var all strings.Builder
	sent := false
	lines := bufio.NewScanner(io.TeeReader(stderr, &all))
	for lines.Scan() {
		if !sent && strings.Contains(lines.Text(), args[1]) {
			sent = true
			for range 2 { // as timeout(1) does
				ts.Check(c.Process.Signal(syscall.SIGTERM))
			}
		}
	}
	err = c.Wait()
	if !sent || err != nil {
		ts.Fatalf("%q seen: %t; ended: %v; standard error:\n%s", args[1], sent, err, all.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o644))
}

// onPath finds a program on the script's path.
func onPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name)
		}
	}
	ts.Fatalf("no program %s on the path", name)
	return ""
}
