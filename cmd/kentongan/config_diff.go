package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kentongan/agent"
	"kentongan/agent/config"
)

const configDiffUsage = `kentongan config diff [--json] FILE [OTHER]

Says in what OTHER differs from FILE, one value a line; without OTHER, in what FILE
differs from what the agent of this device runs with, or ran with last. Comments,
the order of keys and of cameras, and ways to write one value are no difference.
Secrets are compared and not shown.

Options:
  --json   as JSON

Status 0: no difference. 1: there are some. 3: one of them is not valid, or what
the agent runs with can't be read (it is for root and the agent itself).

Examples:
  kentongan config diff old.yaml new.yaml
  sudo kentongan config diff /etc/kentongan/kentongan.yaml`

func runConfigDiff(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan config diff", configDiffUsage)
	asJSON := o.Bool("json", false, "")
	words, status, ok := o.parse(e, args, "FILE", "[OTHER]")
	if !ok {
		return status
	}
	a, err := config.Load(words[0])
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitConfig
	}
	var b *config.Config
	var state agent.ConfigStatus
	if len(words) > 1 {
		b, err = config.Load(words[1])
	} else {
		b = a
		if a, state, err = agent.Running(b.Data); errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; call it with sudo", err)
		}
	}
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitConfig
	}
	changes := config.Diff(a, b)
	if *asJSON {
		_ = printJSON(e.stdout, struct {
			Changes      []config.Change `json:"changes"`
			NeedsRestart []string        `json:"needs_restart,omitempty"`
		}{append([]config.Change{}, changes...), state.NeedsRestart}) // to a pipe that was closed
	} else {
		for _, c := range changes {
			fmt.Fprintln(e.stdout, c)
		}
		for _, path := range state.NeedsRestart {
			fmt.Fprintf(e.stdout, "%s: waits for a restart (%s)\n", path, state.By)
		}
	}
	if len(changes)+len(state.NeedsRestart) > 0 {
		return exitFailed
	}
	return exitGood
}
