package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// settings is how much is measured. The defaults take some ten minutes in all on two
// cores.
type settings struct {
	ctx     context.Context // ends when the run is interrupted
	dir     string          // where the disk image and the backlogs are made, "" for the system's temporary directory
	only    string          // groups, comma-separated; "" for all
	rounds  int             // of durable appends
	records int             // appended one at a time in each round
	drains  int             // rounds of draining
	drain   int             // records drained in each
	opens   int             // rounds of opening
	backlog int             // records of backlog
	files   int             // records of backlog for who makes a file of each
	streams int             // rounds of watching streams
	began   time.Time
}

const usage = `set KENTONGAN_BENCH_ONLY to some of append,hour,drain,backlog,streams,budget-size,budget-start,budget-sites;
KENTONGAN_BENCH_DIR to where the disk is made; and to a number from 1:
KENTONGAN_BENCH_ROUNDS, _RECORDS, _DRAINS, _DRAIN, _OPENS, _BACKLOG, _FILES, _STREAMS`

func readSettings() (*settings, error) {
	s := &settings{
		dir:  os.Getenv("KENTONGAN_BENCH_DIR"),
		only: os.Getenv("KENTONGAN_BENCH_ONLY"), began: time.Now(),
	}
	for _, n := range []struct {
		name string
		to   *int
		def  int
	}{
		{"ROUNDS", &s.rounds, 31},
		{"RECORDS", &s.records, 200},
		{"DRAINS", &s.drains, 3},
		{"DRAIN", &s.drain, 100_000},
		{"OPENS", &s.opens, 5},
		{"BACKLOG", &s.backlog, 1_000_000},
		{"FILES", &s.files, 1_000_000},
		{"STREAMS", &s.streams, 3},
	} {
		*n.to = n.def
		if text := os.Getenv("KENTONGAN_BENCH_" + n.name); text != "" {
			v, err := strconv.Atoi(text)
			if err != nil || v < 1 {
				return nil, fmt.Errorf("KENTONGAN_BENCH_%s is %q: not a number from 1\n%s", n.name, text, usage)
			}
			*n.to = v
		}
	}
	for _, g := range groups {
		if s.only == "" || s.wants(g.name) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("KENTONGAN_BENCH_ONLY is %q, which names no group\n%s", s.only, usage)
}

// progress says on standard error what is being done.
func (s *settings) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%4.0f s] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// step is progress, and an error when the run was interrupted, so that whoever
// takes the next step removes what it made.
func (s *settings) step(format string, args ...any) error {
	if s.ctx.Err() != nil {
		return errors.New("interrupted")
	}
	s.progress(format, args...)
	return nil
}
