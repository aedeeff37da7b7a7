package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
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
	var file, name, in string
	var within, grace time.Duration
	dir, argv, err := flags(e, "run", args, func(f *flag.FlagSet) {
		f.StringVar(&file, "healthy", healthyFile, "where the agent says that it is well")
		f.StringVar(&in, "incoming", "", "where the agent lays a new version; it is applied from there")
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
	signal.Ignore(syscall.SIGPIPE) // nobody reads the log any more: no reason to end
	pause := minPause
	for ctx.Err() == nil {
		began := time.Now()
		if err := (once{e, dir, file, in, within, grace, as}).run(ctx, argv); err != nil {
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
// trial, and somebody who applies what it brings in.
type once struct {
	e                      env
	dir, healthy, incoming string
	within, grace          time.Duration
	as                     *syscall.Credential
}

func (o once) run(ctx context.Context, argv []string) error {
	if err := runStart(ctx, o.e, []string{"--dir", o.dir}); err != nil {
		return err
	}
	// The kernel ends the program with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(ctx, filepath.Join(o.dir, argv[0]), argv[1:]...)
	cmd.Stdout, cmd.Stderr = o.e.stdout, o.e.stderr
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+filepath.Dir(o.healthy)) // as systemd says it
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = o.grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.as, Pdeathsig: syscall.SIGKILL}
	var beside sync.WaitGroup
	beside.Go(func() {
		if o.goesBack(ctx) {
			end()
		}
	})
	beside.Go(func() {
		if o.applies(ctx) {
			end()
		}
	})
	err := cmd.Run()
	ours := ctx.Err() != nil // its end was our wish
	end()
	beside.Wait()
	if ours {
		return nil
	}
	return err
}

// goesBack judges a version on trial, again after an error, as the judge's unit
// does; true when the version before is to be started. An error gives the version no
// new time.
func (o once) goesBack(ctx context.Context) bool {
	began := time.Now()
	for told := ""; ; {
		t, err := judge(ctx, o.dir, o.healthy, began, o.within)
		if err != nil && err.Error() != told {
			told = err.Error()
			fmt.Fprintf(o.e.stderr, "kentongan-boot run: judge: %v\n", err)
		}
		if err == nil || t.State == firmware.WentBack {
			return t.State == firmware.WentBack
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(minPause):
		}
	}
}

// applies waits for what the agent lays down, and applies it; true when there
// is something new to start.
func (o once) applies(ctx context.Context) bool {
	if o.incoming == "" {
		return false
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	offer := filepath.Join(o.incoming, "ready")
	for {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
		if _, err := os.Lstat(offer); err != nil {
			continue
		}
		err := runApply(ctx, o.e, []string{"--dir", o.dir, "--from", o.incoming, "--offer", offer})
		if err == nil {
			return true
		}
		fmt.Fprintf(o.e.stderr, "kentongan-boot run: apply: %v\n", err)
	}
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
