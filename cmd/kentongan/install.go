package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kentongan/firmware/units"
)

const installUsage = `kentongan install --keys FILE [--launcher FILE] [--no-start] [--dry-run]

Makes this program a service that starts with the board: a user of its own, the
launcher that goes back to the version before when a new one is not well, the
update directory with this program in it, and the service. On Debian the package
does the same; this is for other systems. Done again, it changes only what is
not as it should be. If a step fails, those before it are undone.

Options:
  --keys FILE      the list of keys that sign new versions; needed the first time
  --launcher FILE  kentongan-boot, for the same board; the file of that name
                   beside this program without it
  --no-start       install, and leave the start to the next boot
  --dry-run        say what would be done, and do nothing

Examples:
  kentongan install --keys keys --dry-run
  sudo kentongan install --keys keys`

const uninstallUsage = `kentongan uninstall [--dry-run]

Ends the service and removes it with its programs. What the agent kept, its
configuration and its user stay; it says where.

Options:
  --dry-run   say what would be done, and do nothing

Examples:
  kentongan uninstall --dry-run
  sudo kentongan uninstall`

// step is one change to the machine.
type step struct {
	say  string
	done func() bool  // it is as it should be; nil: do it always
	do   func() error // whole or not at all
	undo func() error // of what do made; nil: nothing to undo
}

// perform does what is not done yet. After a failure it undoes what it did, the
// last first, and so leaves nothing.
func perform(e io.Writer, steps []step) error {
	var undo []func() error
	for _, s := range steps {
		if s.done != nil && s.done() {
			continue
		}
		fmt.Fprintf(e, "%s\n", s.say)
		if err := s.do(); err != nil {
			err = fmt.Errorf("%s: %w", s.say, err)
			for i := len(undo) - 1; i >= 0; i-- {
				if uerr := undo[i](); uerr != nil {
					err = errors.Join(err, fmt.Errorf("undo: %w", uerr))
				}
			}
			return err
		}
		if s.undo != nil {
			undo = append(undo, s.undo)
		}
	}
	return nil
}

// plan prints steps.
func plan(w io.Writer, steps []step) {
	for _, s := range steps {
		if s.done != nil && s.done() {
			fmt.Fprintf(w, "  done   %s\n", s.say)
		} else {
			fmt.Fprintf(w, "  to do  %s\n", s.say)
		}
	}
}

func runInstall(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan install", installUsage)
	var f installFlags
	o.StringVar(&f.keys, "keys", "", "")
	o.StringVar(&f.launcher, "launcher", "", "")
	o.BoolVar(&f.noStart, "no-start", false, "")
	dry := o.Bool("dry-run", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	return change(e, "install", *dry, func(system string) ([]step, string, error) {
		if system == initSystemd && packaged() {
			return nil, "", errors.New("the package installed the service already; `sudo kentongan start` starts it")
		}
		if err := f.find(); err != nil {
			return nil, "", err
		}
		next := "Next: sudo kentongan setup, then sudo kentongan start\n"
		if exists(units.Config) {
			next = "Next: kentongan status\n"
		}
		return f.steps(system), next, nil
	})
}

func runUninstall(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan uninstall", uninstallUsage)
	dry := o.Bool("dry-run", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	return change(e, "uninstall", *dry, func(system string) ([]step, string, error) {
		if system == initSystemd && packaged() {
			return nil, "", errors.New("the package installed the service; write `sudo apt remove kentongan`")
		}
		return removal(system), fmt.Sprintf(`Left: %s (what the agent kept), %s (configuration), the user %s.
To remove them too: sudo rm -r %s %s && sudo userdel %s
`, units.Data, filepath.Dir(units.Config), units.User, units.Data, filepath.Dir(units.Config), units.User), nil
	})
}

// change makes a plan, and shows or performs it.
func change(e env, name string, dry bool, steps func(system string) ([]step, string, error)) int {
	fail := func(err error) int {
		fmt.Fprintf(e.stderr, "kentongan %s: %v\n", name, err)
		return exitFailed
	}
	system, err := findInit(exists)
	if err != nil {
		return fail(err)
	}
	all, after, err := steps(system)
	if err != nil {
		return fail(err)
	}
	if dry {
		plan(e.stdout, all)
		return exitGood
	}
	if os.Geteuid() != 0 {
		return fail(fmt.Errorf("this needs root; write `sudo kentongan %s`", name))
	}
	if err := perform(e.stdout, all); err != nil {
		return fail(err)
	}
	fmt.Fprint(e.stdout, after)
	return exitGood
}
