// Command kentongan-boot chooses which version of the device program runs, and
// goes back to the one before when a new one is not well. It belongs to root,
// has no network, and is not part of what an update replaces: no version judges
// itself.
//
//	start   before each start of the service: end what a power cut interrupted, count, maybe go back
//	judge   beside a version on trial: commit it when it says that it is well, or go back in time
//	apply   verify what the agent brought in, and put it on trial
//	run     all of that and the service itself, where no systemd does it
//	card    at each start of a device that was made from our image: take over what a technician wrote on the card
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"kentongan/firmware"
)

// Exit statuses.
const (
	exitGood    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

// env is what a command may touch of the process.
type env struct {
	stdout, stderr io.Writer
}

// command is one row of the table.
type command struct {
	name, args, short string
	run               func(ctx context.Context, e env, args []string) error
}

var commands = []command{
	{"init", "--from BUNDLE|DIR | --keys FILE --program FILE [--release FILE]", "Make the update directory, with a first version in it.", runInit},
	{"start", "", "Before each start of the service.", runStart},
	{"judge", "[--within 10m] [-- COMMAND...]", "Beside a version on trial; COMMAND restarts the service when it goes back.", runJudge},
	{"apply", "--from BUNDLE|DIR [--offer FILE] [-- COMMAND...]", "Verify an update and put it on trial; COMMAND restarts the service.", runApply},
	{"check", "--from BUNDLE|DIR", "Verify an update and change nothing.", runCheck},
	{"back", "", "Go back to the version before, by hand.", runBack},
	{"status", "", "What is here, as JSON.", runStatus},
	{"card", "[-- COMMAND...]", "Take over the settings on the boot partition; COMMAND enrols, and what comes of it is told there.", runCard},
	{"run", "[--user NAME] -- PROGRAM ARGUMENTS...", "Start and judge where there is no systemd; PROGRAM is below the update directory, as in current/kentongan.", runRun},
}

// Where things lie when nothing else is said; the service's unit has the same.
const (
	updateDir   = "/var/lib/kentongan-firmware"
	healthyFile = "/run/kentongan/healthy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(dispatch(ctx, env{os.Stdout, os.Stderr}, os.Args[1:]))
}

func dispatch(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		usage(e.stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return exitGood
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		fmt.Fprintf(e.stderr, "kentongan-boot: no command %q; `kentongan-boot help` lists them\n", args[0])
		return exitUsage
	}
	err := commands[i].run(ctx, e, args[1:])
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case errors.As(err, new(usageError)):
		fmt.Fprintf(e.stderr, "kentongan-boot %s: %v\n", args[0], err)
		return exitUsage
	case firmware.CodeOf(err) != "" || errors.Is(err, errRefused):
		fmt.Fprintf(e.stderr, "kentongan-boot %s: %v\n", args[0], err)
		return exitRefused
	}
	fmt.Fprintf(e.stderr, "kentongan-boot %s: %v\n", args[0], err)
	return exitFailed
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: kentongan-boot COMMAND [--dir DIR]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %s %s\n      %s\n", c.name, c.args, c.short)
	}
	fmt.Fprintf(w, "\nDIR is %s when nothing else is said.\nExit status: 0 done, 1 failed, 2 usage, 3 refused (nothing was changed).\n", updateDir)
}

// usageError is a command line that makes no sense.
type usageError string

func (u usageError) Error() string { return string(u) }

// flags reads a command's flags, --dir among them.
func flags(e env, name string, args []string, add func(*flag.FlagSet)) (dir string, rest []string, err error) {
	f := flag.NewFlagSet("kentongan-boot "+name, flag.ContinueOnError)
	f.SetOutput(e.stderr)
	f.StringVar(&dir, "dir", updateDir, "the update directory")
	if add != nil {
		add(f)
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return "", nil, err
		}
		return "", nil, usageError(err.Error())
	}
	return dir, f.Args(), nil
}
