package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"kentongan/firmware"
)

// A program that ends is started again after a pause that grows up to
// maxPause, and for ever: a board that nobody visits never gives up.
const (
	minPause  = time.Second
	maxPause  = time.Minute
	wellAfter = 2 * time.Minute // the pause is short again after a run of that length
)

// runRun does what systemd and the service's unit do elsewhere.
func runRun(ctx context.Context, e env, args []string) error {
	var file, name string
	var within, grace time.Duration
	dir, argv, err := flags(e, "run", args, func(f *flag.FlagSet) {
		f.StringVar(&file, "healthy", healthyFile, "where the agent says that it is well")
		f.StringVar(&name, "user", "", "run the program as this user")
		f.DurationVar(&within, "within", trialTime, "go back when it was not well by then")
		f.DurationVar(&grace, "grace", 20*time.Second, "kill the program when it did not end by then")
	})
	if err != nil {
		return err
	}
	if len(argv) == 0 || filepath.IsAbs(argv[0]) {
		return usageError("name the program below the update directory, as in `-- current/kentongan run`")
	}
	as, err := credential(name)
	if err != nil {
		return err
	}
	pause := minPause
	for ctx.Err() == nil {
		began := time.Now()
		if err := once(ctx, e, dir, file, within, grace, argv, as); err != nil {
			fmt.Fprintf(e.stderr, "kentongan-boot run: %v\n", err)
		}
		if time.Since(began) > wellAfter {
			pause = minPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// once is one start of the program, with a judge beside it while it is on
// trial.
func once(ctx context.Context, e env, dir, file string, within, grace time.Duration, argv []string, as *syscall.Credential) error {
	if err := runStart(ctx, e, []string{"--dir", dir}); err != nil {
		return err
	}
	// The kernel ends the program with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, argv[0]), argv[1:]...)
	cmd.Stdout, cmd.Stderr = e.stdout, e.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	judged := make(chan error, 1)
	go func() {
		t, err := judge(ctx, dir, file, within)
		if t.State == firmware.WentBack {
			end()
		}
		judged <- err
	}()
	err := cmd.Run()
	end()
	return errors.Join(err, <-judged)
}

// credential is the user that a program runs as; nil is our own.
func credential(name string) (*syscall.Credential, error) {
	if name == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if groups, err := u.GroupIds(); err == nil {
		for _, g := range groups {
			if n, err := strconv.ParseUint(g, 10, 32); err == nil {
				c.Groups = append(c.Groups, uint32(n))
			}
		}
	}
	return c, nil
}
