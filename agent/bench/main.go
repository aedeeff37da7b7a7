// Command bench measures the spool, the uplink and the watching of streams beside
// what one would use in their place, all in one run, and prints one Markdown table for each group.
//
// The contestants of a group take turns in each round, so that a machine which
// is busy for a while is busy for all of them, and a figure is the median of the
// rounds. Ratios are made within a round. Nothing passes or fails by time; what
// fails is a record that did not arrive.
//
// It is a module of its own: nothing of the peers enters the device's go.mod.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// group is one table, or a few that come out of one measurement.
type group struct {
	name string
	run  func(*settings) ([]table, error)

	asked bool // it is run only where it is named
}

var groups = []group{
	{name: "append", run: measureAppend},
	{name: "hour", run: measureHour},
	{name: "drain", run: measureDrain},
	{name: "backlog", run: measureBacklog},
	{name: "streams", run: measureStreams},
	{name: "budget-size", run: measured((*budget).sizes), asked: true},
	{name: "budget-start", run: measured((*budget).starts), asked: true},
	{name: "budget-sites", run: measured((*budget).watching), asked: true},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == hourWord {
		hourChild(os.Args[2])
	}
	if len(os.Args) > 1 && os.Args[1] == childWord {
		os.Exit(child(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == streamsWord {
		os.Exit(streamsChild(os.Args[2:]))
	}
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	s.ctx = ctx
	machine, err := describe(s)
	if err != nil {
		return err
	}
	fmt.Println(machine)
	for _, g := range groups {
		if !s.wants(g.name) || g.asked && s.only == "" {
			continue
		}
		load, began := loadavg(), time.Now()
		tables, err := g.run(s)
		if err != nil {
			return fmt.Errorf("group %s: %w", g.name, err)
		}
		for _, t := range tables {
			fmt.Print(t.markdown())
		}
		fmt.Printf("\nMeasured in %.0f s; load average %s before, %s after.\n", time.Since(began).Seconds(), load, loadavg())
	}
	return nil
}

// wants tells whether the group was asked for.
func (s *settings) wants(name string) bool {
	return s.only == "" || slices.Contains(strings.Split(s.only, ","), name)
}
