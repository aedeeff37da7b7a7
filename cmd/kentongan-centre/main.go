// Command kentongan-centre is the reference command centre: a broker, a
// database and a page in one program.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
)

type env struct {
	stdout, stderr io.Writer
}

type command struct {
	name, args, short string
	run               func(ctx context.Context, e env, args []string) int
}

var commands = []command{
	{"run", "[flags]", "run the centre until it is told to end", runCentre},
	{"key", "[rotate] --data DIR", "print the key that devices verify receipts and orders with (centre_key in their configuration); rotate: make the next one", printKey},
	{"verify", "--data DIR [--json]", "audit the records: complete, in order, unaltered, or the first that is not; status 3 when one is not", verifyRecords},
	{"export", "--data DIR --audit NEW-DIR", "write records, checkpoints, keys, receipts and roots for an auditor", exportRecords},
	{"complaint", "erase --data DIR --ticket TICKET [--device ID] --reason TEXT", "erase what is known of one complaint; that it came stays proven", complaintCommand},
	{"device-key", "list | replace --data DIR ...", "the keys that devices sign their records with", deviceKeys},
	{"ca", "init | server | client | revoke | crl | list | devices | issuing", "the certificate authority of devices and brokers", runCA},
	{"bundle", "keygen | keys | make | sign | pack | inspect | sums | verify", "update bundles for devices, and signed checksums of what is handed out", runBundle},
	{"rollout", "start | list | show | pause | resume | cancel", "bring a release to many devices, in stages", runRollout},
	{"token", "new | list | revoke", "one-time tokens that devices enrol with", runToken},
	{"broker", "mosquitto-acl|nats-users [flags]", "print who may publish and read what, as the broker wants it", brokerFiles},
	{"user", "add|link|token|list --data DIR ...", "make accounts and ways in; kentongan-centre user help says more", userCommand},
	{"simulate", "--centre-key KEY [--devices 10000] [--streams 4] [--rate N] [--for 1m] [--broker URL]", "play a fleet with real records against a centre, and see that all is acknowledged", runSimulate},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(dispatch(ctx, env{os.Stdout, os.Stderr}, os.Args[1:]))
}

// dispatch runs the command that args begin with; without one, run.
func dispatch(ctx context.Context, e env, args []string) int {
	name := "run"
	if len(args) > 0 && (args[0] == "" || args[0][0] != '-') {
		name, args = args[0], args[1:]
	}
	if name == "help" || len(args) > 0 && (args[0] == "--help" || args[0] == "-h") && name == "run" {
		help(e.stdout)
		return exitGood
	}
	for _, c := range commands {
		if c.name == name {
			return c.run(ctx, e, args)
		}
	}
	fmt.Fprintf(e.stderr, "kentongan-centre: unknown command %q; see kentongan-centre help\n", name)
	return exitUsage
}

func help(w io.Writer) {
	fmt.Fprint(w, "kentongan-centre is the reference command centre of Kentongan.\n\nUsage:\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  kentongan-centre %s %s\n      %s\n", c.name, c.args, c.short)
	}
	fmt.Fprint(w, "\nFlags of run (run itself can be left out):\n")
	var o options
	fs := o.flags(io.Discard)
	fs.SetOutput(w)
	fs.PrintDefaults()
	fmt.Fprint(w, "\nExit status: 0 ended as asked, 1 failed, 2 wrong use.\n")
}
