package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/exec"

	"kentongan/firmware/card"
)

// runCard is for the image of firmware/image.
func runCard(ctx context.Context, e env, args []string) error {
	var d card.Device
	_, command, err := flags(e, "card", args, func(f *flag.FlagSet) {
		f.StringVar(&d.Boot, "boot", "/boot/firmware", "the boot partition")
		f.StringVar(&d.Network, "network", "/etc/NetworkManager/system-connections", "where NetworkManager's connections are")
		f.StringVar(&d.State, "state", "/var/lib/kentongan-card", "what is kept of the card")
		f.StringVar(&d.Config, "config", "/etc/kentongan/kentongan.yaml", "the agent's configuration")
	})
	if err != nil {
		return err
	}
	var said string
	if len(command) > 0 {
		said, err = d.Enrol(ctx, command)
	} else {
		said, err = d.Read()
	}
	fmt.Fprint(e.stdout, said)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == enrolRefused {
		return errors.Join(errRefused, err)
	}
	return err
}

// errRefused is an enrolment that another try does not help.
var errRefused = errors.New("the centre refuses; another token is needed")

// enrolRefused is how `kentongan enrol` ends when another token is needed.
const enrolRefused = 4
