package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"kentongan/cmd/kentongan-centre/internal/agencies"
	"kentongan/cmd/kentongan-centre/internal/brokerauth"
)

const brokerUsage = `write kentongan-centre broker mosquitto-acl [--agencies FILE] [--barred FILE]
   or kentongan-centre broker nats-users --devices FILE [--agencies FILE]`

// brokerFiles prints who may publish and read what, as a broker wants it.
func brokerFiles(_ context.Context, e env, args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(e.stderr, "kentongan-centre broker:", brokerUsage)
		return exitUsage
	}
	kind, args := args[0], args[1:]
	f := flag.NewFlagSet("kentongan-centre broker "+kind, flag.ContinueOnError)
	f.SetOutput(e.stderr)
	file := f.String("agencies", "", "`file` that names the agencies and their operators (docs/reference/broker.md)")
	var ids string
	switch kind {
	case "mosquitto-acl":
		f.StringVar(&ids, "barred", "", "`file` of device ids, one a line, that may do nothing any more; - is standard input")
	case "nats-users":
		f.StringVar(&ids, "devices", "", "`file` of device ids, one a line, as kentongan-centre ca devices prints them; - is standard input (required)")
	default:
		fmt.Fprintf(e.stderr, "kentongan-centre broker: unknown %q; %s\n", kind, brokerUsage)
		return exitUsage
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	if f.NArg() > 0 || kind == "nats-users" && ids == "" {
		fmt.Fprintln(e.stderr, "kentongan-centre broker:", brokerUsage)
		return exitUsage
	}
	if err := printBrokerFile(e.stdout, kind, *file, ids); err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre:", err)
		return exitFailed
	}
	return exitGood
}

func printBrokerFile(w io.Writer, kind, agencyFile, idFile string) (err error) {
	var m *agencies.Map
	if agencyFile != "" {
		if m, err = agencies.Load(agencyFile); err != nil {
			return err
		}
	}
	ids, err := readIDs(idFile)
	if err != nil {
		return err
	}
	if kind == "mosquitto-acl" {
		return brokerauth.Mosquitto(w, m, ids)
	}
	return brokerauth.NATS(w, m, ids)
}

// readIDs reads device ids from a file; none from "".
func readIDs(file string) ([]string, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		return brokerauth.ReadDevices(os.Stdin, "standard input")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read device ids: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	return brokerauth.ReadDevices(f, file)
}
