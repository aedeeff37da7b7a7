package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"kentongan/agent"
	"kentongan/firmware/units"
)

// ringFile is the agent's newest log lines, in its runtime directory, which is
// memory.
const ringFile = "log.jsonl"

// runtimeDir is what RuntimeDirectory= of the unit makes.
const runtimeDir = "/run/kentongan"

const logsUsage = `kentongan logs [--lines N] [--follow] | --bundle [--output FILE] [--config FILE]

Prints what the agent has logged: from the journal where systemd runs, else from
the agent's own newest lines. Passwords are taken out.

With --bundle it gathers in one archive what support needs: version, configuration,
logs, what waits on the disk, the service, updates, facts of the system, and
doctor's report. Nothing secret is in it, and its README.txt lists what is. It works
while the agent is down; with sudo it has more.

Options:
  --lines N      the newest N lines (default 100)
  --follow       and those that come, until Ctrl-C
  --bundle       gather an archive (tar.gz)
  --output FILE  where it goes (default kentongan-DEVICE-TIME.tar.gz; - is
                 standard output)
  --config FILE  the configuration (default ` + configFile + `)

Status 1: there is no log, or the archive can't be written.

Examples:
  kentongan logs --follow
  sudo kentongan logs --bundle
  sudo kentongan logs --bundle --output - | ssh office 'cat > gate.tar.gz'`

func runLogs(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan logs", logsUsage)
	lines := o.Int("lines", 100, "")
	follow := o.Bool("follow", false, "")
	bundle := o.Bool("bundle", false, "")
	output := o.String("output", "", "")
	file := o.String("config", configFile, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	switch {
	case *lines < 1:
		return o.wrong(e, "--lines %d: write 1 or more", *lines)
	case *bundle && *follow:
		return o.wrong(e, "--bundle and --follow do not go together")
	case !*bundle && *output != "":
		return o.wrong(e, "--output is for --bundle")
	}
	var err error
	if *bundle {
		err = runBundle(ctx, e, *file, *output)
	} else {
		err = printLogs(ctx, e, *lines, *follow)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(e.stderr, "kentongan logs: %v\n", err)
		return exitFailed
	}
	return exitGood
}

// printLogs prints from the journal of the service, or from the agent's own lines.
func printLogs(ctx context.Context, e env, lines int, follow bool) error {
	if exists("/run/systemd/system") && os.Getenv("RUNTIME_DIRECTORY") == "" {
		if journalctl, err := exec.LookPath("journalctl"); err == nil {
			return printJournal(ctx, e, journalctl, lines, follow)
		}
	}
	return printRing(ctx, e.stdout, filepath.Join(runtimeDirectory(), ringFile), lines, follow)
}

func printJournal(ctx context.Context, e env, journalctl string, lines int, follow bool) error {
	args := []string{"--unit=" + units.Main, "--no-pager", "--quiet", "--output=short-iso", "--lines=" + strconv.Itoa(lines)}
	if follow {
		args = append(args, "--follow")
	}
	c := exec.CommandContext(ctx, journalctl, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we end it, and it has not failed
	out, bad := &byLine{w: e.stdout}, &byLine{w: e.stderr}
	c.Stdout, c.Stderr = out, bad
	err := c.Run()
	if ended := errors.Join(out.end(), bad.end()); ended != nil {
		return ended
	}
	if !out.any { // journalctl fails, or not, by how much this user may read
		return fmt.Errorf("the journal shows this user nothing of %s: the service has not run, or sudo is needed", units.Main)
	}
	if err != nil {
		return fmt.Errorf("journalctl: %w", err)
	}
	return nil
}

// maxLine bounds what byLine keeps of a line that does not end.
const maxLine = 64 << 10

// byLine takes secrets out of whole lines: half of one would not be known.
type byLine struct {
	w    io.Writer
	rest []byte // the line that has not ended
	any  bool   // something came
}

func (b *byLine) Write(p []byte) (int, error) {
	b.any = b.any || len(p) > 0
	b.rest = append(b.rest, p...)
	n := 0 // is written
	if at := bytes.LastIndexByte(p, '\n'); at >= 0 {
		n = len(b.rest) - len(p) + at + 1
	} else if len(b.rest) > maxLine {
		n = len(b.rest)
	}
	if n == 0 {
		return len(p), nil
	}
	_, err := b.w.Write(agent.Redact(b.rest[:n]))
	b.rest = append([]byte(nil), b.rest[n:]...)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what stands behind the last line.
func (b *byLine) end() error {
	_, err := b.w.Write(agent.Redact(b.rest))
	b.rest = nil
	return err
}

func runtimeDirectory() string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); filepath.IsAbs(dir) {
		return dir
	}
	return runtimeDir
}

// readRing reads the agent's own lines, the oldest first.
func readRing(file string) ([]byte, error) {
	before, err := os.ReadFile(file + ".1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	now, err := os.ReadFile(file)
	return append(before, now...), err
}

// ringLook is how often new lines are looked for.
const ringLook = 500 * time.Millisecond

func printRing(ctx context.Context, w io.Writer, file string, lines int, follow bool) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no journal here, and no agent keeps its log in %s; one that was started by hand logs to its standard error", filepath.Dir(file))
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	text, err := os.ReadFile(file + ".1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	now, err := io.ReadAll(f) // what comes after it is followed
	if err != nil {
		return err
	}
	out := &byLine{w: w}
	if _, err := out.Write(lastLines(append(text, now...), lines)); err != nil || !follow {
		return errors.Join(err, out.end())
	}
	tick := time.NewTicker(ringLook)
	defer tick.Stop()
	for {
		next, err := begunAnew(file, f)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, f); err != nil { // to its end, if the agent has left it
			return err
		}
		if next != nil {
			_ = f.Close()
			f = next
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// begunAnew opens file if it is another one than f by now. There may be none for a
// moment, or while the agent is down.
func begunAnew(file string, f *os.File) (next *os.File, err error) {
	now, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	was, err := f.Stat()
	if err != nil || os.SameFile(now, was) {
		return nil, err
	}
	next, err = os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return next, err
}

func lastLines(text []byte, n int) []byte {
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for ; n > 0 && at >= 0; n-- {
		at = bytes.LastIndexByte(text[:at], '\n')
	}
	return text[at+1:]
}
