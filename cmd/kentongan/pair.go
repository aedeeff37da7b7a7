package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kentongan/agent"
)

const pairUsage = `kentongan pair [--config FILE] [--json]

Prints a code that lets one phone on the same network into the device's page, with
the addresses of the page and the fingerprint of its certificate. The code is for
one log-in within 10 minutes; a new one ends the one before. Run it as root or as
the agent's user, on the device's console or by SSH.

Mencetak kode untuk membuka halaman perangkat dari ponsel di jaringan yang sama.

Options:
  --config FILE  the configuration (default ` + configFile + `)
  --json         as JSON

Examples:
  sudo kentongan pair
  kentongan pair --config kiosk.yaml --json`

func runPair(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan pair", pairUsage)
	file := o.String("config", configFile, "")
	asJSON := o.Bool("json", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	cfg, _, ok := loadToRun(e, *file)
	if !ok {
		return exitConfig
	}
	cfg, _, err := agent.OrderedNow(cfg)
	if err == nil {
		var p *agent.Pairing
		if p, err = agent.Pair(cfg); err == nil {
			return printPairing(e, p, *asJSON)
		}
	}
	hint := ""
	if errors.Is(err, fs.ErrPermission) {
		hint = "; run it as root: sudo kentongan pair"
	}
	fmt.Fprintf(e.stderr, "kentongan pair: %v%s\n", err, hint)
	return exitFailed
}

func printPairing(e env, p *agent.Pairing, asJSON bool) int {
	if asJSON {
		_ = printJSON(e.stdout, p) // to a pipe that was closed
		return exitGood
	}
	fmt.Fprintf(e.stdout, "kode / code:    %s   (%d menit / minutes, 1x)\n", p.Code, p.Seconds/60)
	for i, url := range p.URLs {
		name := ""
		if i == 0 {
			name = "buka / open:"
		}
		fmt.Fprintf(e.stdout, "%-15s %s\n", name, url)
	}
	fmt.Fprintf(e.stdout, "sertifikat / certificate, SHA-256:\n  %s\n  %s\n", p.Fingerprint[:48], p.Fingerprint[48:])
	return exitGood
}
