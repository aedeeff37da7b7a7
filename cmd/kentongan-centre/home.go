package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"kentongan/cmd/kentongan-centre/internal/homeassistant"
	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// homeOptions are the flags of run about Home Assistant.
type homeOptions struct {
	broker, ca, prefix, agency string
	username, passwordFile     string
	every                      time.Duration
}

func (o *homeOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.broker, "home-assistant", "", "`url` of the broker that Home Assistant uses: mqtt://HOST:PORT or mqtts://HOST:PORT; without it nothing is published")
	fs.StringVar(&o.ca, "home-assistant-ca", "", "PEM `file` of the authority that signed that broker's certificate (default: the system's)")
	fs.StringVar(&o.username, "home-assistant-username", "", "user `name` for that broker")
	fs.StringVar(&o.passwordFile, "home-assistant-password-file", "", "`file` whose first line is the password for that broker")
	fs.StringVar(&o.prefix, "home-assistant-prefix", "homeassistant", "discovery `prefix`, as Home Assistant has it")
	fs.StringVar(&o.agency, "home-assistant-agency", "", "publish the devices of this agency (`id`) only; without it all")
	fs.DurationVar(&o.every, "home-assistant-every", 10*time.Second, "`time` between two looks for what has changed")
}

func (o *homeOptions) check() error {
	if o.broker == "" {
		if o.ca != "" || o.username != "" || o.passwordFile != "" || o.agency != "" {
			return errors.New("--home-assistant-…: for --home-assistant, which is missing")
		}
		return nil
	}
	u, err := url.Parse(o.broker)
	if err != nil {
		return fmt.Errorf("--home-assistant %q: write mqtt://HOST:PORT or mqtts://HOST:PORT", o.broker)
	}
	switch err := mqttaddr.Check(u); {
	case err != nil:
		return fmt.Errorf("--home-assistant: %w", err)
	case o.agency != "" && !store.ValidAgency(o.agency):
		return fmt.Errorf("--home-assistant-agency %q: not the id of an agency", o.agency)
	case o.every < time.Second || o.every > time.Hour:
		return errors.New("--home-assistant-every: 1s to 1h")
	}
	if err := homeassistant.CheckPrefix(o.prefix); err != nil {
		return fmt.Errorf("--home-assistant-prefix: %w", err)
	}
	return nil
}

// open makes the publisher; nil when it is not asked for.
func (o *homeOptions) open(st *store.Store, log *slog.Logger) (*homeassistant.Publisher, error) {
	if o.broker == "" {
		return nil, nil
	}
	u, err := url.Parse(o.broker)
	if err != nil {
		return nil, fmt.Errorf("--home-assistant: %w", err)
	}
	c := homeassistant.Config{Broker: u, Username: o.username, Prefix: o.prefix, Every: o.every, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.TLS.RootCAs, err = authorities("--home-assistant-ca", o.ca); err != nil {
		return nil, err
	}
	if c.Password, err = firstLine(o.passwordFile); err != nil {
		return nil, fmt.Errorf("--home-assistant-password-file: %w", err)
	}
	scope := store.Everything()
	if o.agency != "" {
		scope = store.OfAgency(o.agency)
	}
	return homeassistant.New(c, st.For(scope), log), nil
}
