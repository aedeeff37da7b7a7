// Chaos runs the fault matrix of docs/reliability.md: the tests of each row with
// many injections, and the negative controls, which take a protection out of the
// program and see that the row's test notices.
//
//	chaos            the rows, then as many controls as there is time for
//	chaos -controls  all controls
//
// `make chaos` and `make chaos-controls` start it.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// options are how the matrix is run.
type options struct {
	root   string
	env    []string // of the tests
	jobs   int      // packages, or controls, at the same time
	quick  bool     // the counts of make test
	random *rand.Rand
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run() error {
	controls := flag.Bool("controls", false, "take out each protection, and see that its test notices")
	quick := flag.Bool("quick", false, "as few injections as make test makes")
	only := flag.String("only", "", "rows whose ID matches this regular expression")
	bound := flag.Duration("bound", 10*time.Minute, "ends after so long; 0 is never")
	jobs := flag.Int("jobs", 2, "so many packages or controls at the same time")
	flag.Parse()

	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KENTONGAN_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("KENTONGAN_SEED: %w", err)
		}
	}
	fmt.Printf("KENTONGAN_SEED=%d repeats this run\n", seed)
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	o := options{
		root:   strings.TrimSuffix(strings.TrimSpace(string(mod)), "/go.mod"),
		env:    []string{fmt.Sprintf("KENTONGAN_SEED=%d", seed)},
		jobs:   *jobs,
		quick:  *quick,
		random: rand.New(rand.NewPCG(seed, 1)),
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	var rows []Row
	for _, r := range matrix() {
		if pattern.MatchString(r.ID) {
			rows = append(rows, r)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *bound > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, *bound)
		defer end()
	}
	return o.run(ctx, rows, *controls)
}

// long is what makes the tests inject more than in make test.
var long = []string{"KENTONGAN_CHAOS=1", "KENTONGAN_CUTS=300000"}

func (o options) run(ctx context.Context, rows []Row, controlsOnly bool) error {
	began, failed := time.Now(), 0
	if !controlsOnly {
		with := o
		if !o.quick {
			with.env = append(with.env, long...)
		}
		failed = runRows(ctx, with, rows)
		fmt.Printf("%d rows, %d failed, %v\n\n", len(rows), failed, time.Since(began).Round(time.Second))
	}
	with := o
	with.env = append(with.env, "KENTONGAN_CUTS=20000") // one that finds nothing there finds nothing anywhere
	notNoticed, notRun := runControls(ctx, with, rows)
	all := 0
	for _, r := range rows {
		all += len(r.Controls)
	}
	fmt.Printf("%d controls: %d noticed, %d not noticed, %d had no time; %v\n", all, all-notNoticed-notRun, notNoticed, notRun, time.Since(began).Round(time.Second))
	if failed > 0 || notNoticed > 0 || controlsOnly && notRun > 0 {
		return fmt.Errorf("%d rows failed, %d controls were not noticed", failed, notNoticed)
	}
	return nil
}
