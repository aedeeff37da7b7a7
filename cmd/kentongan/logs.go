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
		err = printLogs(ctx, e.stdout, *lines, *follow)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(e.stderr, "kentongan logs: %v\n", err)
		return exitFailed
	}
	return exitGood
}

// printLogs prints from the journal of the service, or from the agent's own lines.
func printLogs(ctx context.Context, w io.Writer, lines int, follow bool) error {
	if exists("/run/systemd/system") && os.Getenv("RUNTIME_DIRECTORY") == "" {
		if journalctl, err := exec.LookPath("journalctl"); err == nil {
			args := []string{"--unit=" + units.Main, "--no-pager", "--quiet", "--output=short-iso", "--lines=" + strconv.Itoa(lines)}
			if follow {
				args = append(args, "--follow")
			}
			c := exec.CommandContext(ctx, journalctl, args...)
			c.Stdout, c.Stderr = redacted{w}, redacted{w}
			if err := c.Run(); err != nil {
				return fmt.Errorf("journalctl: %w", err)
			}
			return nil
		}
	}
	return printRing(ctx, w, filepath.Join(runtimeDirectory(), ringFile), lines, follow)
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
	text, err := readRing(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no journal here, and no agent keeps its log in %s; one that was started by hand logs to its standard error", filepath.Dir(file))
	}
	if err != nil {
		return err
	}
	if _, err := w.Write(agent.Redact(lastLines(text, lines))); err != nil || !follow {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	tick := time.NewTicker(ringLook)
	defer tick.Stop()
	for {
		if _, err := io.Copy(redacted{w}, f); err != nil {
			return err
		}
		now, err := os.Stat(file)
		if was, err2 := f.Stat(); err == nil && err2 == nil && !os.SameFile(now, was) {
			next, err := os.Open(file)
			if err != nil {
				return err
			}
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

func lastLines(text []byte, n int) []byte {
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for ; n > 0 && at >= 0; n-- {
		at = bytes.LastIndexByte(text[:at], '\n')
	}
	return text[at+1:]
}
