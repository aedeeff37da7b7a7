package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
	"kentongan/cmd/kentongan-centre/internal/simulate"
)

// maxSimulated is what an id of five digits counts.
const maxSimulated = 99_999

// runSimulate plays a fleet against a centre that runs somewhere else.
func runSimulate(ctx context.Context, e env, args []string) int {
	fs := flag.NewFlagSet("kentongan-centre simulate", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	var o options
	cfg := simulate.Config{Progress: e.stderr, ProgressEvery: 2 * time.Second}
	var key string
	fs.StringVar(&o.broker, "broker", "mqtt://127.0.0.1:1883", "`url` of the centre's broker: mqtt://HOST:PORT or mqtts://HOST:PORT; it must let one client publish for many devices")
	fs.StringVar(&o.ca, "ca", "", "PEM `file` of the authority that signed the broker's certificate")
	fs.StringVar(&o.cert, "cert", "", "PEM `file` of the client certificate for the broker")
	fs.StringVar(&o.key, "key", "", "PEM `file` of the client certificate's key")
	fs.StringVar(&o.username, "username", "", "user `name` for the broker. One that ends whoever comes a second time under a name, as broker-config's Mosquitto does, wants an account for each connection: %d in the name is its number, 0 for the receipts and 1 to --connections")
	fs.StringVar(&o.passwordFile, "password-file", "", "`file` whose first line is the password for the broker")
	fs.StringVar(&key, "centre-key", "", "`key` that the receipts are signed with, as kentongan-centre key prints it (required)")
	fs.IntVar(&cfg.Devices, "devices", 1000, "`number` of devices")
	fs.IntVar(&cfg.Streams, "streams", 4, "`number` of streams of each device")
	fs.IntVar(&cfg.Connections, "connections", 16, "`number` of MQTT connections that the devices share")
	fs.Float64Var(&cfg.Rate, "rate", 0, "records a `second` over all devices; 0 is as many as the broker takes")
	fs.DurationVar(&cfg.For, "for", time.Minute, "`time` that the fleet reports for after all devices have come")
	fs.DurationVar(&cfg.Settle, "settle", 2*time.Minute, "`time` that receipts are waited for at the end")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	wrong := func(text string) int {
		fmt.Fprintln(e.stderr, "kentongan-centre simulate:", text)
		return exitUsage
	}
	switch {
	case fs.NArg() > 0:
		return wrong(fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
	case key == "":
		return wrong("--centre-key is missing: give what kentongan-centre key --data DIR prints")
	case cfg.Devices < 1 || cfg.Devices > maxSimulated:
		return wrong(fmt.Sprintf("--devices %d: 1 to %d", cfg.Devices, maxSimulated))
	case cfg.Streams < 0 || cfg.Streams > 64:
		return wrong(fmt.Sprintf("--streams %d: 0 to 64", cfg.Streams))
	case cfg.Connections < 1 || cfg.Connections > 1000:
		return wrong(fmt.Sprintf("--connections %d: 1 to 1000", cfg.Connections))
	case cfg.Rate < 0 || cfg.For <= 0 || cfg.Settle <= 0:
		return wrong("--rate can't be negative, --for and --settle must be more than 0")
	case (o.cert == "") != (o.key == ""):
		return wrong("--cert and --key belong together: one of them is missing")
	}
	v, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return wrong(fmt.Sprintf("--centre-key: %v; give what kentongan-centre key --data DIR prints", err))
	}
	cfg.Keys, cfg.Username = note.VerifierList(v), o.username
	nodes, err := mqttaddr.ParseList(o.broker)
	if err != nil {
		return wrong(fmt.Sprintf("--broker: %v", err))
	}
	cfg.Broker = nodes[0]
	if cfg.TLS, err = o.tls(); err == nil {
		cfg.Password, err = o.password()
	}
	if err != nil {
		return wrong(err.Error())
	}
	r, err := simulate.Run(ctx, cfg)
	fmt.Fprintf(e.stdout, "%d devices, %d streams: %d records in %.1f s, %.0f/s; the centre signed for %d complaints and events, %d of them sent again\n",
		cfg.Devices, cfg.Devices*cfg.Streams, r.Records, r.Took.Seconds(), float64(r.Records)/r.Took.Seconds(), r.Signed, r.Again)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(e.stderr, "kentongan-centre simulate: ended before its time")
		return exitFailed
	case err != nil:
		fmt.Fprintln(e.stderr, "kentongan-centre simulate:", err)
		return exitFailed
	case r.Unsigned > 0:
		fmt.Fprintf(e.stderr, "kentongan-centre simulate: %d complaints and events have no receipt after %s\n", r.Unsigned, cfg.Settle)
		return exitFailed
	}
	return exitGood
}
