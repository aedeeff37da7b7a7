package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"

	"kentongan/cmd/kentongan-centre/internal/agencies"
	"kentongan/cmd/kentongan-centre/internal/fanout"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// fanoutOptions say how the centre passes on to agencies and police what is
// theirs. It is another client of the broker, with rights of its own.
type fanoutOptions struct {
	agencies               string
	cert, key              string
	username, passwordFile string
}

func (o *fanoutOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.agencies, "agencies", "", "`file` that says whose devices and services are, for what is passed on over the broker (docs/reference/broker.md); without it what is set on the page holds")
	fs.StringVar(&o.cert, "fanout-cert", "", "PEM `file` of the certificate kentongan.fanout: with --broker, what agencies and police may see is published with it; without it nothing is")
	fs.StringVar(&o.key, "fanout-key", "", "PEM `file` of that certificate's key")
	fs.StringVar(&o.username, "fanout-username", "", "user `name` for the same, on a broker with passwords")
	fs.StringVar(&o.passwordFile, "fanout-password-file", "", "`file` whose first line is the password of --fanout-username")
}

func (o *fanoutOptions) check(external bool) error {
	switch {
	case (o.cert == "") != (o.key == ""):
		return errors.New("--fanout-cert and --fanout-key belong together: one of them is missing")
	case !external && (o.cert != "" || o.username != "" || o.passwordFile != ""):
		return errors.New("--fanout-cert, --fanout-username and --fanout-password-file are for --broker, which is missing")
	case o.passwordFile != "" && o.username == "":
		return errors.New("--fanout-password-file is for --fanout-username, which is missing")
	}
	return nil
}

// open makes the fan-out beside an ingest; nil when the broker is another's and
// nothing says who the fan-out is there.
func (o *fanoutOptions) open(in ingest.Config, dir string, external bool, st *store.Store, log *slog.Logger) (*fanout.Fanout, error) {
	who, err := o.whose(st)
	if err != nil {
		return nil, err
	}
	cfg := fanout.Config{
		Nodes: append([]*url.URL{in.Broker}, in.Others...), TLS: in.TLS, Name: in.Name + "-fanout",
		File: filepath.Join(dir, "fanout.json"), Source: st.For(store.Everything()), Agencies: who, Log: log,
	}
	if external && o.cert == "" && o.username == "" {
		log.Info("nothing is passed on", "why", "no --fanout-cert")
		return nil, nil
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("--fanout-cert, --fanout-key: %w", err)
		}
		cfg.TLS = in.TLS.Clone()
		cfg.TLS.Certificates = []tls.Certificate{pair}
	}
	cfg.Username = o.username
	if cfg.Password, err = firstLine(o.passwordFile); err != nil {
		return nil, fmt.Errorf("--fanout-password-file: %w", err)
	}
	return fanout.New(cfg), nil
}

// whose is where agencies come from: the file, or the tables that the page shows.
func (o *fanoutOptions) whose(st *store.Store) (func(context.Context) (fanout.Agencies, error), error) {
	if o.agencies == "" {
		return func(ctx context.Context) (fanout.Agencies, error) { return st.Directory(ctx) }, nil
	}
	m, err := agencies.Load(o.agencies)
	if err != nil {
		return nil, fmt.Errorf("--agencies: %w", err)
	}
	return func(context.Context) (fanout.Agencies, error) { return m, nil }, nil
}
