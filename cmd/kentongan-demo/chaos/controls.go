package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// mutate returns the file's text with the protection taken out.
func (c Control) mutate(text string) (string, error) {
	if n := strings.Count(text, c.Old); n != 1 {
		return "", fmt.Errorf("%s: %q stands there %d times, want once", c.File, c.Old, n)
	}
	return strings.Replace(text, c.Old, c.New, 1), nil
}

// errNotRun is of a control that had no time.
var errNotRun = errors.New("not run")

// run runs the test without the protection, over an overlay: no file of the tree
// changes. It returns what the failing test said; an error says that the test did not
// notice, or failed for another reason than the meant one.
func (c Control) run(ctx context.Context, o options, t Test) (string, error) {
	path := filepath.Join(o.root, c.File)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	without, err := c.mutate(string(text))
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "chaos-control-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file, overlay := filepath.Join(dir, filepath.Base(c.File)), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: file}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{file: without, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-timeout", patience(t), "-run", t.pattern(), "./"+t.Package)
	// The variable, not the flag: tests that build the programs themselves take it too.
	cmd.Dir, cmd.Env = o.root, append(os.Environ(), append(o.env, "GOFLAGS=-overlay="+overlay)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return c.judge(t, string(out), err)
}

// patience bounds a test without its protection: one of a whole device builds the
// programs first, and waits minutes for what will not come, on a machine that others use.
func patience(t Test) string {
	if t.Package == "cmd/kentongan-demo" {
		return "20m"
	}
	return "6m"
}

// judge looks at what a test without the protection printed.
func (c Control) judge(t Test, out string, err error) (string, error) {
	says, bad := regexp.Compile(c.Says)
	switch {
	case bad != nil:
		return "", bad
	case err == nil:
		return "", fmt.Errorf("the test did not notice:\n%s", out)
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return "", fmt.Errorf("it does not build:\n%s", out)
	case !strings.Contains(out, "--- FAIL: "+t.top()) && !(strings.Contains(out, "panic: test timed out") && strings.Contains(out, t.top()+" (")):
		return "", fmt.Errorf("the test did not fail by itself:\n%s", last(out, 60))
	}
	for line := range strings.Lines(out) {
		if says.MatchString(line) {
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("no line of it says %q:\n%s", c.Says, last(out, 60))
}

// last returns the last n lines.
func last(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// runControls takes out one protection after the other and prints what its test
// said. It returns how many were not noticed, and how many had no time.
func runControls(ctx context.Context, o options, rows []Row) (failed, notRun int) {
	type job struct {
		row     *Row
		control Control
	}
	var jobs []job
	for i := range rows {
		for _, c := range rows[i].Controls {
			jobs = append(jobs, job{&rows[i], c})
		}
	}
	o.random.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	var mu sync.Mutex // guards done, failed and notRun
	var wg sync.WaitGroup
	done, work := 0, make(chan job)
	for range o.jobs {
		wg.Go(func() {
			for j := range work {
				began := time.Now()
				t := j.row.test(j.control)
				said, err := "", errNotRun
				if ctx.Err() == nil {
					said, err = j.control.run(ctx, o, t)
				}
				if err != nil && ctx.Err() != nil {
					err = errNotRun
				}
				mu.Lock()
				done++
				switch {
				case errors.Is(err, errNotRun):
					notRun++
				case err != nil:
					failed++
					fmt.Printf("[%d/%d] NOT NOTICED  %-12s %s: %s\n   %s: %v\n", done, len(jobs), j.row.ID, j.control.File, j.control.Out, t.command(), err)
				default:
					fmt.Printf("[%d/%d] noticed  %-12s %5.1fs  without: %s\n   %s: %s\n", done, len(jobs), j.row.ID, time.Since(began).Seconds(), j.control.Out, t.Name, clip(said))
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		work <- j
	}
	close(work)
	wg.Wait()
	return failed, notRun
}

// clip shortens a line for a terminal.
func clip(s string) string {
	if r := []rune(s); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return s
}
