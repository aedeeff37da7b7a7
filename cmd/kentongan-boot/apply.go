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
	"regexp"
	"strings"
	"syscall"
	"time"

	"kentongan/firmware"
)

// tryWithin is how long a new program may take to say its version: long, since a
// board that is busy reads it from a slow card, and is not to refuse it for that.
const tryWithin = 2 * time.Minute

func runApply(ctx context.Context, e env, args []string) error {
	var from, offer string
	dir, after, err := flags(e, "apply", args, func(f *flag.FlagSet) {
		f.StringVar(&from, "from", "", "a bundle, or a directory with its files")
		f.StringVar(&offer, "offer", "", "the agent's word that it is there; answered in the update directory, and removed")
	})
	if err != nil {
		return err
	}
	if from == "" {
		return usageError("--from BUNDLE is needed")
	}
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return err
	}
	t, err := applyFrom(ctx, d, dir, from)
	if offer != "" {
		err = errors.Join(err, answer(d, offer, t, err))
	}
	done()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s (number %d) is in slot %s, on trial from the next start on\n", t.Version, t.Number, t.Slot)
	return restart(ctx, e, after)
}

func applyFrom(ctx context.Context, d *firmware.Dir, dir, from string) (firmware.Trial, error) {
	source, err := firmware.OpenSource(from)
	if err != nil {
		return firmware.Trial{}, err
	}
	return d.Apply(ctx, source, firmware.Options{Device: firmware.ThisBoard(), Try: func(ctx context.Context, program string, r firmware.Release) error {
		return try(ctx, filepath.Join(dir, program), r)
	}})
}

var offerName = regexp.MustCompile(`^[0-9a-f]{1,64}$`)

// answer tells the agent what became of its offer, and takes the offer away, so
// that the same one does not come again.
func answer(d *firmware.Dir, offer string, t firmware.Trial, err error) error {
	name, rerr := readSmall(offer)
	if rerr != nil || !offerName.Match(name) {
		return errors.Join(rerr, os.Remove(offer))
	}
	r := firmware.Result{Offer: string(name), Number: t.Number, Version: t.Version, Code: firmware.CodeOf(err)}
	if err != nil {
		r.Detail = err.Error()
		if refusal, ok := errors.AsType[*firmware.Refusal](err); ok {
			r.Detail = refusal.Detail
		} else {
			r.Code = firmware.Failed
		}
	}
	return errors.Join(d.Answer(r), os.Remove(offer))
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
	r, err := firmware.NewDir(disk).Check(source, firmware.ThisBoard())
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s (number %d) can be installed here\n", r.Version, r.Number)
	return nil
}

// try starts a program that was verified and asks for its version.
func try(ctx context.Context, program string, r firmware.Release) error {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	out, err := versionOf(ctx, program)
	for tries := 0; errors.Is(err, syscall.ETXTBSY) && tries < 50; tries++ {
		// Whoever forks while a program is written holds its file open until it
		// execs (go.dev/issue/22315).
		time.Sleep(100 * time.Millisecond)
		out, err = versionOf(ctx, program)
	}
	if err != nil {
		return err
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

// versionOf is what a program says of itself. As root it is asked as nobody: it is
// signed, and has no need of more.
func versionOf(ctx context.Context, program string) ([]byte, error) {
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
		return nil, fmt.Errorf("%w %.200s", err, stderr.String())
	}
	return out, nil
}
