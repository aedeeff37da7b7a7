package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kentongan/firmware"
)

// tryWithin is how long a new program may take to say its version.
const tryWithin = 20 * time.Second

func runApply(ctx context.Context, e env, args []string) error {
	var from string
	dir, _, err := flags(e, "apply", args, func(f *flag.FlagSet) { f.StringVar(&from, "from", "", "a bundle, or a directory with its files") })
	if err != nil {
		return err
	}
	if from == "" {
		return usageError("--from BUNDLE is needed")
	}
	source, err := firmware.OpenSource(from)
	if err != nil {
		return err
	}
	d, done, err := open(dir)
	if err != nil {
		return err
	}
	defer done()
	t, err := d.Apply(ctx, source, firmware.Options{Device: board(), Try: func(ctx context.Context, program string, r firmware.Release) error {
		return try(ctx, filepath.Join(dir, program), r)
	}})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s (number %d) is in slot %s, on trial from the next start on\n", t.Version, t.Number, t.Slot)
	return nil
}

func runCheck(_ context.Context, e env, args []string) error {
	var from string
	dir, _, err := flags(e, "check", args, func(f *flag.FlagSet) { f.StringVar(&from, "from", "", "a bundle, or a directory with its files") })
	if err != nil {
		return err
	}
	if from == "" {
		return usageError("--from BUNDLE is needed")
	}
	source, err := firmware.OpenSource(from)
	if err != nil {
		return err
	}
	disk, err := firmware.OpenDisk(dir)
	if err != nil {
		return fmt.Errorf("open update directory: %w", err)
	}
	defer disk.Close()
	r, err := firmware.NewDir(disk).Check(source, board())
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s (number %d) can be installed here\n", r.Version, r.Number)
	return nil
}

// try starts a program that was verified and asks for its version. As root it
// does so as nobody: it is signed, and has no need of more.
func try(ctx context.Context, program string, r firmware.Release) error {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version", "--json")
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w %.200s", err, stderr.String())
	}
	var said struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return errors.New("it does not say its version")
	}
	if said.Version != r.Version {
		return fmt.Errorf("it says that it is %.64q, the release says %q", said.Version, r.Version)
	}
	return nil
}
