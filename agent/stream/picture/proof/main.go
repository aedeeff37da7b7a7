// Command proof makes the labelled set that the judgement of pictures is
// proven on, shows it to a Judge, and prints how each verdict did beside
// ffmpeg's own detectors, as Markdown; progress goes to standard error.
//
// A clip is a camera for some minutes of simulated time: a healthy picture
// from which the Judge learns, then a fault, then health again. ffmpeg encodes
// it as H.264, H.265 or MJPEG, and its keyframes are decoded to 160x90 pixels
// as on the device. Clips come from a seed and are not stored. Two thirds are
// for tuning; the rest, from another seed, is held out.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	if err := prove(); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func prove() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	fmt.Printf("Seeds %d and %d (held out), %s, %d cores.\n", tuningSeed, s.held, runtime.GOARCH, runtime.NumCPU())
	began := time.Now()
	if err := s.proveClips(ctx); err != nil {
		return err
	}
	if err := s.proveDays(ctx); err != nil {
		return err
	}
	fmt.Printf("\nTook %.0f s.\n", time.Since(began).Seconds())
	return nil
}

// blurThreshold is blurdetect's best on the whole tuning part, for a run
// without it.
const blurThreshold = 7.25

// proveClips makes and judges both parts of the set.
func (s *settings) proveClips(ctx context.Context) error {
	threshold := blurThreshold
	for _, part := range []struct {
		name, title string
		seed        uint64
		share       float64
	}{
		{"tuning", "Tuning part", tuningSeed, 2. / 3},
		{"heldout", "Part that was held out", s.held, 1. / 3},
	} {
		if !s.wants(part.name) {
			continue
		}
		results, err := s.judgeAll(ctx, set(part.seed, part.share*s.share))
		if err != nil {
			return err
		}
		if part.name == "tuning" {
			threshold = bestBlur(results)
		}
		printVerdicts(os.Stdout, fmt.Sprintf("%s: %d clips", part.title, len(results)), results)
		printPeers(os.Stdout, results, threshold)
	}
	return nil
}

// judgeAll makes and judges clips, as many at a time as there are cores.
func (s *settings) judgeAll(ctx context.Context, clips []*clip) ([]result, error) {
	results := make([]result, len(clips))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	began := time.Now()
	for i, c := range clips {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d, err := c.make(ctx, s.cache)
			if err != nil {
				return err
			}
			results[i] = c.judge(d)
			fmt.Fprintf(os.Stderr, "[%4.0f s] clip %d of %d: %s\n", time.Since(began).Seconds(), i+1, len(clips), c.describe())
			return nil
		})
	}
	return results, g.Wait()
}

// proveDays shows the healthy days.
func (s *settings) proveDays(ctx context.Context) error {
	hours := 24 * s.share
	rows := make([][]string, len(days))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i := range days {
		if !s.wants("days") && !s.wants(fmt.Sprint("day", i+1)) {
			continue
		}
		g.Go(func() error {
			began := time.Now()
			events, err := days[i].run(ctx, s.held+1, hours)
			if err != nil {
				return err
			}
			n, last := 0, "–"
			for _, e := range events {
				fmt.Fprintf(os.Stderr, "%s, %5.2f h: %+v\n", days[i].name, e.At/hourOf+morning, e.Verdict)
				if e.Present && !e.Info {
					n++
					last = fmt.Sprintf("%s at %.1f h: %s", e.Condition, e.At/hourOf+morning, e.Detail)
				}
			}
			fmt.Fprintf(os.Stderr, "[%4.0f s] %s\n", time.Since(began).Seconds(), days[i].name)
			rows[i] = []string{days[i].name, fmt.Sprint(int(hours * hourOf / lookEvery)), fmt.Sprint(n), last}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return row == nil })
	if len(rows) == 0 {
		return nil
	}
	printTable(os.Stdout, fmt.Sprintf("Healthy days, %.0f h each", hours), []string{"scene", "looks", "false alarms", "the last of them"}, rows)
	return nil
}
