package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"kentongan/agent"
)

const testPrinterUsage = `kentongan test printer [--config FILE] [--lang id|en] [--json]

Prints one slip that says that it is a test, and the state that the printer gives:
ok, paper_low, paper_out, cover, offline, error, silent (it takes bytes and does not
answer), hung, missing. While the agent runs it may have the printer; then stop it.

Options:` + testOptions + `
  --json         one JSON object: printed, state, detail

Status 0 is that the slip was sent to a printer that prints, 1 that not.

Examples:
  sudo kentongan test printer
  sudo kentongan test printer --json`

func runTestPrinter(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test printer", testPrinterUsage)
	if _, status, ok := b.open(args); !ok {
		return status
	}
	show := startProgress(e.stderr, b.Name())
	show.say(b.say("mencetak", "printing"))
	s, err := agent.TryPrinter(b.cfg)
	show.stop()
	if *b.json && s.State != "" {
		b.encode(map[string]any{"printed": err == nil, "state": s.State, "detail": s.Detail})
	}
	if err != nil {
		return b.failed(err)
	}
	if !*b.json {
		b.print("%s %s: %s %s", b.mark(true), b.say("slip uji dicetak; pencetak", "test slip printed; the printer is"), s.State, s.Detail)
	}
	return exitGood
}

const testBrokerUsage = `kentongan test broker [--config FILE] [--lang id|en] [--json]

Goes the way to the centre step by step with the device's own certificate or
password: network, route, name, TCP, packet size, TLS, login, then publishes an
empty batch to its own topic, which the broker's rules (ACL) have to permit, and
waits for the centre's receipt. The first ✗ is the cause. The same checks are a
part of 'kentongan doctor'.

A broker ends the first of two connections of one device, so while the agent runs
its own connection is left alone, and what it says of it is believed.

Options:` + testOptions + `
  --json         one JSON object a line, as 'kentongan doctor' has

Status 0 is no ✗ and no !, 1 an ✗, 3 an invalid configuration, 4 a ! alone.

Examples:
  sudo kentongan test broker
  sudo kentongan test broker --lang en --config kiosk.yaml`

func runTestBroker(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test broker", testBrokerUsage)
	if _, status, ok := b.open(args); !ok {
		return status
	}
	d := agent.NewDoctor(b.cfg, agent.DoctorOptions{File: *b.file, Service: serviceVerdict, Only: agent.BrokerChecks})
	count := examine(ctx, e, d, b.in, *b.json)
	switch {
	case ctx.Err() != nil, count.Failed > 0:
		return exitFailed
	case count.Warned > 0:
		return exitDegraded
	}
	return exitGood
}

const testWatchdogUsage = `kentongan test watchdog [--really] [--config FILE] [--lang id|en] [--json]

Says what the driver of the board's watchdog tells, and does not touch it: what it
is, whether somebody feeds it, its timeout, whether it can be stopped, and whether
it caused this boot.

With --really it is started and not fed: THE BOARD RESETS within the timeout, which
is the test. Ctrl-C before stops it, where it can be stopped. The agent, or systemd,
must not have it open.

Options:` + testOptions + `
  --really       let it reset the board
  --json         one JSON object: device, identity, running, timeout_s, left_s,
                 no_way_out, caused_boot

Status 0 is that there is one, 1 that there is none or that it did not bite.

Examples:
  sudo kentongan test watchdog
  sudo kentongan stop && sudo kentongan test watchdog --really`

func runTestWatchdog(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test watchdog", testWatchdogUsage)
	really := b.Bool("really", false, "")
	if _, status, ok := b.open(args); !ok {
		return status
	}
	f, err := agent.WatchdogFacts(b.cfg)
	if err != nil {
		return b.failed(err)
	}
	if *b.json {
		b.encode(map[string]any{
			"device": f.Device, "identity": f.Identity, "running": f.Running, "timeout_s": f.Timeout.Seconds(), "left_s": f.Left.Seconds(),
			"no_way_out": f.NoWayOut, "caused_boot": f.CausedBoot,
		})
	} else {
		yes := func(v bool) string {
			if v {
				return b.say("ya", "yes")
			}
			return b.say("tidak", "no")
		}
		b.print("%s: %s", f.Device, f.Identity)
		b.print("%s: %s", b.say("sedang diberi makan", "somebody feeds it"), yes(f.Running))
		b.print("%s: %v", b.say("batas waktu", "timeout"), f.Timeout)
		b.print("%s: %s", b.say("dapat dihentikan", "can be stopped"), yes(!f.NoWayOut))
		b.print("%s: %s", b.say("penyebab boot ini", "caused this boot"), yes(f.CausedBoot))
	}
	if !*really {
		return exitGood
	}
	return b.bite(ctx)
}

// bite lets the watchdog reset the board.
func (b *bench) bite(ctx context.Context) int {
	_ = os.Stdout.Sync() // a pipe has none
	first := true
	err := agent.TryWatchdog(ctx, b.cfg, func(left time.Duration) {
		if first {
			first = false
			fmt.Fprintf(b.stderr, b.say("Papan akan menyala ulang dalam %v. Ctrl-C membatalkan.\n", "The board resets within %v. Ctrl-C stops it.\n"), left.Round(time.Second))
			return
		}
		fmt.Fprintf(b.stderr, "%v\n", left.Round(time.Second))
	})
	switch {
	case errors.Is(ctx.Err(), context.Canceled) && err == nil:
		fmt.Fprintln(b.stderr, b.say("Dibatalkan; anjing penjaga dihentikan.", "Cancelled; the watchdog is stopped."))
		return exitFailed
	case err != nil:
		return b.failed(err)
	}
	fmt.Fprintln(b.stderr, b.say("Papan simulasi telah dinyalakan ulang oleh anjing penjaganya.", "The simulated board was reset by its watchdog."))
	return exitGood
}
