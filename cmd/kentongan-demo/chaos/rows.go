package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// event is a line of go test -json.
type event struct {
	Action string
	Test   string
	Output string
	Key    string
	Value  string
}

// outcome is what became of one test and its subtests.
type outcome struct {
	state  string // pass, fail, skip; "" while it has not ended
	count  int    // that it told
	leaves int    // subtests that have none of their own
	took   time.Duration
	output []string
}

// results are the outcomes of one package, by the tests' names.
type results map[string]*outcome

func (r results) of(name string) *outcome {
	if r[name] == nil {
		r[name] = &outcome{}
	}
	return r[name]
}

// take reads what go test -json prints.
func (r results) take(in io.Reader, say func(string)) {
	began, inner := map[string]time.Time{}, map[string]bool{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) != nil && len(line) > 0 {
			say(string(line))
		}
		if e.Test == "" && e.Action == "output" || strings.HasPrefix(e.Action, "build") {
			r.of("").output = append(r.of("").output, e.Output)
		}
		if e.Test != "" {
			o := r.of(e.Test)
			switch e.Action {
			case "run":
				began[e.Test] = time.Now()
				if parent, _, ok := cutLast(e.Test); ok {
					inner[parent] = true
				}
			case "attr":
				if n, err := strconv.Atoi(e.Value); err == nil && e.Key == "injections" {
					o.count += n
				}
			case "output":
				o.output = append(o.output, e.Output)
			case "pass", "fail", "skip":
				o.state, o.took = e.Action, time.Since(began[e.Test])
			}
		}
		if err != nil {
			break
		}
	}
	for name, o := range r {
		for other := range r {
			if (other == name || strings.HasPrefix(other, name+"/")) && name != "" && !inner[other] {
				o.leaves++
			}
		}
	}
}

func cutLast(name string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// injections is how many a test made, with those of its subtests.
func (r results) injections(name string) int {
	n := 0
	for other, o := range r {
		if other == name || strings.HasPrefix(other, name+"/") {
			n += o.count
		}
	}
	if n == 0 {
		n = r.of(name).leaves
	}
	return n
}

// verdict is what is said of a row.
type verdict struct {
	ok    bool
	count int
	took  time.Duration
	why   string
}

// judge says whether a row's tests passed with as many injections as it promises.
func (r *Row) judge(of map[string]results, want int) verdict {
	v := verdict{ok: true}
	for _, t := range r.Tests {
		res := of[t.Package]
		name := strings.ReplaceAll(t.Name, " ", "_")
		o := res[name]
		if o == nil || o.state != "pass" {
			state := "not run"
			if o != nil && o.state != "" {
				state = o.state
			}
			v.ok, v.why = false, t.Name+": "+state
			continue
		}
		v.count += res.injections(name)
		v.took += o.took
	}
	if v.ok && v.count < want {
		v.ok, v.why = false, fmt.Sprintf("%d injections, want %d", v.count, want)
	}
	return v
}

// runRows runs the tests of the rows, package by package, two packages at a
// time, and prints each row when its tests are through.
func runRows(ctx context.Context, o options, rows []Row) (failed int) {
	names, order := map[string][]string{}, []string{}
	for _, r := range rows {
		for _, t := range r.Tests {
			if names[t.Package] == nil {
				order = append(order, t.Package)
			}
			if !slices.Contains(names[t.Package], t.top()) {
				names[t.Package] = append(names[t.Package], t.top())
			}
		}
	}
	// The longest first, or the last one alone would hold up the end.
	slices.SortStableFunc(order, func(a, b string) int { return slices.Index(longest, b) - slices.Index(longest, a) })
	all, told := map[string]results{}, map[string]bool{}
	var mu sync.Mutex // guards all, told and failed
	tell := func(final bool) {
		for _, r := range rows {
			waits := slices.ContainsFunc(r.Tests, func(t Test) bool { return all[t.Package] == nil })
			if told[r.ID] || waits && !final {
				continue
			}
			told[r.ID] = true
			want := r.Quick
			if !o.quick {
				want = r.full()
			}
			v := r.judge(all, want)
			mark := "pass"
			if !v.ok {
				mark = "FAIL"
				failed++
			}
			fmt.Printf("%s  %-12s %9s injections %6.1fs  %s%s\n", mark, r.ID, thousands(v.count), v.took.Seconds(), r.Fault, because(v.why))
		}
	}
	work := make(chan string)
	var wg sync.WaitGroup
	for range o.jobs {
		wg.Go(func() {
			for pkg := range work {
				res := runPackage(ctx, o, pkg, names[pkg])
				mu.Lock()
				all[pkg] = res
				tell(false)
				mu.Unlock()
			}
		})
	}
	for _, pkg := range order {
		work <- pkg
	}
	close(work)
	wg.Wait()
	tell(true)
	for _, pkg := range order {
		for name, res := range all[pkg] {
			if res.state == "fail" || name == "" && len(all[pkg]) == 1 {
				fmt.Printf("\n%s %s:\n%s", pkg, name, strings.Join(res.output, ""))
			}
		}
	}
	return failed
}

// longest are the packages that take the longest, the longest last.
var longest = []string{"agent/stream", "agent/spool", "agent/uplink", "cmd/kentongan-demo"}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// runPackage runs some tests of a package.
func runPackage(ctx context.Context, o options, pkg string, tests []string) results {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout", "9m", "-run", "^("+strings.Join(tests, "|")+")$", "./"+pkg)
	cmd.Dir, cmd.Env = o.root, append(os.Environ(), o.env...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	res := results{}
	var wg sync.WaitGroup
	wg.Go(func() { res.take(r, func(s string) { res.of("").output = append(res.of("").output, s) }) })
	_ = cmd.Run() // each test says it itself; one that never ran is not among them
	w.Close()
	wg.Wait()
	return res
}
