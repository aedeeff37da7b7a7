package rig

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests of this package are a part of `make test` that waits for machines, so
// they share one bound: ten minutes, or KENTONGAN_RIG_BOUND. Past it everything
// that they started ends, and what was waited for is told.
const usualBound = 10 * time.Minute

// inTime ends at the bound, with a cause that says so.
var (
	inTime  context.Context
	boundAt time.Time
)

func TestMain(m *testing.M) {
	bound, err := time.ParseDuration(cmp.Or(os.Getenv("KENTONGAN_RIG_BOUND"), usualBound.String()))
	if err != nil || bound <= 0 {
		fmt.Fprintf(os.Stderr, "KENTONGAN_RIG_BOUND: %q is no time; write one as 6m\n", os.Getenv("KENTONGAN_RIG_BOUND"))
		os.Exit(2)
	}
	over := fmt.Errorf("all tests of hal/rig together are bounded to %v, which is over (KENTONGAN_RIG_BOUND sets another)", bound)
	boundAt = time.Now().Add(bound)
	ctx, cancel := context.WithDeadlineCause(context.Background(), boundAt, over)
	inTime = ctx
	if full() {
		slow = 6 * time.Minute
	}
	time.AfterFunc(bound+time.Minute, func() { panic(fmt.Errorf("%w, and they do not end by themselves", over)) })
	status := m.Run()
	cancel()
	if full() {
		figures.print()
	}
	os.Exit(status)
}

// bounded is a test's context: it ends with the test, and at the bound.
func bounded(t *testing.T) context.Context {
	t.Helper()
	check(t, "it has not begun")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := context.AfterFunc(inTime, func() { cancel(context.Cause(inTime)) })
	t.Cleanup(func() { stop() })
	return ctx
}

// check ends the test when the bound is over.
func check(t *testing.T, doing string) {
	t.Helper()
	if inTime.Err() != nil {
		t.Fatalf("%v: %s", context.Cause(inTime), doing)
	}
}

// progress tells what goes on, and how long it may.
func progress(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("%s; %v until the bound", fmt.Sprintf(format, args...), time.Until(boundAt).Round(time.Second))
}

// figures are what a whole run found, by board, for docs/benchmarks.md.
var figures table

type table struct {
	mu   sync.Mutex
	rows []row
}

type row struct {
	what  string
	cells map[string][]string // by board
}

// add notes a figure; several of one kind stand side by side.
func (f *table) add(board, what, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.rows, func(r row) bool { return r.what == what })
	if i < 0 {
		i = len(f.rows)
		f.rows = append(f.rows, row{what, map[string][]string{}})
	}
	f.rows[i].cells[board] = append(f.rows[i].cells[board], fmt.Sprintf(format, args...))
}

// print writes them as Markdown.
func (f *table) print() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out strings.Builder
	out.WriteString("\n| |")
	for _, b := range Boards {
		out.WriteString(" " + b.Name + " |")
	}
	out.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(Boards)) + "\n")
	for _, r := range f.rows {
		out.WriteString("| " + r.what + " |")
		for _, b := range Boards {
			out.WriteString(" " + strings.Join(r.cells[b.Name], ", ") + " |")
		}
		out.WriteString("\n")
	}
	fmt.Print(out.String())
}

// spread is the least, the median and the most of some times.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	all = slices.Sorted(slices.Values(all))
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
	return fmt.Sprintf("%s to %s s, median %s s (%d boots)", seconds(all[0]), seconds(all[len(all)-1]), seconds(all[len(all)/2]), len(all))
}
