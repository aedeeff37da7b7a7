package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"kentongan/firmware"
)

// A version on trial has this long from each of its starts to be well, counted
// by a clock that nobody sets.
const trialTime = 10 * time.Minute

func runStart(_ context.Context, e env, args []string) error {
	dir, _, err := flags(e, "start", args, nil)
	if err != nil {
		return err
	}
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return err
	}
	defer done()
	slot, t, err := d.Start(firmware.BootID())
	if slot == "" {
		return err
	}
	if err != nil { // it can start all the same
		fmt.Fprintf(e.stderr, "kentongan-boot start: %v\n", err)
	}
	switch t.State {
	case firmware.Trying:
		fmt.Fprintf(e.stdout, "slot %s: version %s (number %d) on trial, start %d, %d failed, %d cut off\n", slot, t.Version, t.Number, t.Starts, t.Failures, t.Cuts)
	case firmware.WentBack:
		fmt.Fprintf(e.stdout, "slot %s: number %d went back: %s\n", slot, t.Number, t.Reason)
	default:
		fmt.Fprintf(e.stdout, "slot %s\n", slot)
	}
	return nil
}

func runJudge(ctx context.Context, e env, args []string) error {
	var file string
	var within time.Duration
	dir, after, err := flags(e, "judge", args, func(f *flag.FlagSet) {
		f.StringVar(&file, "healthy", healthyFile, "where the agent says that it is well")
		f.DurationVar(&within, "within", trialTime, "go back when it was not well by then")
	})
	if err != nil {
		return err
	}
	t, err := judge(ctx, dir, file, time.Now(), within)
	switch {
	case err != nil || t.State == "":
		return err
	case t.State == firmware.Committed:
		fmt.Fprintf(e.stdout, "version %s (number %d) is committed\n", t.Version, t.Number)
		return nil
	}
	fmt.Fprintf(e.stdout, "version %s (number %d) goes back: %s\n", t.Version, t.Number, t.Reason)
	return restart(ctx, e, after)
}

// restart runs the command that starts the service anew, if there is one.
func restart(ctx context.Context, e env, command []string) error {
	if len(command) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = e.stdout, e.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("restart the service with %q: %w", command, err)
	}
	return nil
}

// judge waits until the trial, which began at began, is over. The zero Trial where
// none runs, or where ctx ended first: the next start goes on with it.
func judge(ctx context.Context, dir, file string, began time.Time, within time.Duration) (firmware.Trial, error) {
	deadline := time.NewTimer(within - time.Since(began))
	defer deadline.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		late := false
		select {
		case <-ctx.Done():
			return firmware.Trial{}, nil
		case <-look.C:
		case <-deadline.C:
			late = true
		}
		t, over, err := judgeOnce(dir, file, within, late)
		if over || err != nil {
			return t, err
		}
	}
}

func judgeOnce(dir, file string, within time.Duration, late bool) (t firmware.Trial, over bool, err error) {
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return t, true, err
	}
	defer done()
	s, err := d.Status()
	if err != nil {
		return t, true, err
	}
	switch {
	case s.Trial == nil:
		return t, true, nil
	case s.Trial.State == firmware.GoingBack: // an error stopped it half way
		t, err = d.Back(s.Trial.Reason)
		return t, true, err
	case s.Trial.State != firmware.Trying:
		return t, true, nil
	}
	if h, err := readHealthy(file); err == nil && h.Number == s.Trial.Number && h.Boot == firmware.BootID() {
		t, err = d.Commit(h.Number)
		return t, true, err
	}
	if late {
		t, err = d.Back(fmt.Sprintf("deadline: it was not well within %s", within))
		return t, true, err
	}
	return t, false, nil
}

// readHealthy reads what another user wrote.
func readHealthy(file string) (h firmware.Healthy, err error) {
	text, err := readSmall(file)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(text, &h)
}

// readSmall reads at most 4 KiB, and waits for nobody.
func readSmall(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	return text, errors.Join(err, f.Close())
}
