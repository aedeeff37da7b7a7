package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/enrol"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// enrolOptions are the flags of run about the enrolment of devices.
type enrolOptions struct {
	listen, names, announce string
	crl, hook               string
}

func (o *enrolOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.listen, "enrol", "", "`address` on which devices enrol and renew their certificates (https); needs 'ca init'. Without it nobody can")
	fs.StringVar(&o.names, "enrol-host", "", "`name`s and addresses under which devices reach --enrol, separated by commas; the first is the one in tokens (default: the address of --enrol)")
	fs.StringVar(&o.announce, "announce", "", "broker `url`s that devices are told at enrolment, in order of preference, separated by commas (default: --broker)")
	fs.StringVar(&o.crl, "crl", "", "`file` in which the broker reads what is revoked (Mosquitto's crlfile); kept up to date")
	fs.StringVar(&o.hook, "crl-hook", "", "`program` that makes the broker read --crl again, called with the file after each change")
}

func (o *enrolOptions) check() error {
	if o.listen == "" {
		if o.names != "" || o.announce != "" || o.crl != "" || o.hook != "" {
			return errors.New("--enrol-host, --announce, --crl and --crl-hook are for --enrol, which is missing")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("--enrol %q: write HOST:PORT", o.listen)
	}
	if o.hook != "" && o.crl == "" {
		return errors.New("--crl-hook is for --crl, which is missing")
	}
	for _, b := range split(o.announce) {
		if u, err := url.Parse(b); err != nil || u.Host == "" || u.User != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" {
			return fmt.Errorf("--announce %q: write mqtts://HOST:PORT", b)
		}
	}
	return nil
}

func split(list string) (all []string) {
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// enrolment is what lets devices in while the centre runs; nil when --enrol is
// not given.
type enrolment struct {
	url    string
	listen net.Listener
	book   *enrol.Book
	server *enrol.Server
	keeper *enrol.Keeper
}

// centreFacts is what devices and the keeper need of the rest of the centre.
type centreFacts struct {
	broker   *url.URL // the one that the centre uses
	tls      *tls.Config
	keys     func() []string
	register func(ctx context.Context, device string, key ed25519.PublicKey, first bool) error
}

// registerKey makes a device's record key known to who checks its records. Whoever
// has a token may bring a new one, for it is a new board. At a renewal another key
// is a fault, which the store keeps and shows; the certificate is given all the
// same, or the fault would cut the device off.
func registerKey(st *store.Store) func(ctx context.Context, device string, key ed25519.PublicKey, first bool) error {
	return func(ctx context.Context, device string, key ed25519.PublicKey, first bool) error {
		text, err := note.NewEd25519VerifierKey(report.RecordKeyName(device), key)
		if err != nil {
			return fmt.Errorf("record key of %s: %w", device, err)
		}
		err = st.RegisterKey(ctx, device, text, store.KeyEnrolment, time.Now())
		if errors.Is(err, store.ErrKeyOther) {
			if err = nil; first {
				err = st.ReplaceKey(ctx, device, text, time.Now())
			}
		}
		return err
	}
}

// open opens the authority and listens.
func (o *enrolOptions) open(ctx context.Context, data string, c centreFacts, log *slog.Logger) (_ *enrolment, err error) {
	if o.listen == "" {
		return nil, nil
	}
	a, book, err := openBook(data)
	if err != nil {
		return nil, fmt.Errorf("--enrol: %w", err)
	}
	n := &enrolment{book: book}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.listen, err = net.Listen("tcp", o.listen); err != nil {
		return nil, fmt.Errorf("listen for enrolment: %w; give another address with --enrol", err)
	}
	host, port, err := net.SplitHostPort(n.listen.Addr().String())
	if err != nil {
		return nil, err
	}
	names := split(o.names)
	if len(names) == 0 {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return nil, errors.New("--enrol listens on every address, so it can't tell devices where to come: name it with --enrol-host")
		}
		names = []string{host}
	}
	n.url = "https://" + net.JoinHostPort(names[0], port)
	if err := book.SetMeta(ctx, enrol.MetaURL, n.url); err != nil {
		return nil, err
	}
	n.server = enrol.NewServer(enrol.Config{
		Authority: a, Book: book, Hosts: names, Centre: n.url, Brokers: o.brokers(c.broker), CentreKeys: c.keys,
		Register: c.register, Log: log.With("part", "enrol"),
	})
	n.keeper = &enrol.Keeper{Book: book, File: o.crl, Hook: o.hook, Broker: sessionsOf(c), Log: log.With("part", "revoke")}
	return n, nil
}

// brokers is what devices are told.
func (o *enrolOptions) brokers(own *url.URL) (all []report.EnrolBroker) {
	for _, b := range split(o.announce) {
		all = append(all, report.EnrolBroker{URL: b})
	}
	if all == nil {
		all = []report.EnrolBroker{{URL: own.String()}}
	}
	return all
}

// sessionsOf is how open sessions on the centre's broker are ended; nil where
// devices are not known by certificates.
func sessionsOf(c centreFacts) enrol.Sessions {
	if c.broker.Scheme != "mqtts" {
		return nil
	}
	at := c.broker.Host
	if c.broker.Port() == "" {
		at = net.JoinHostPort(c.broker.Hostname(), "8883")
	}
	return enrol.MQTT{Address: at, Roots: c.tls.RootCAs}
}

func (n *enrolment) close() {
	if n.listen != nil {
		_ = n.listen.Close() // the server has closed it
	}
	_ = n.book.Close() // each write is on the disk already
}

// run works until ctx ends.
func (n *enrolment) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.server.Run(ctx, n.listen) })
	g.Go(func() error { return n.keeper.Run(ctx) })
	return g.Wait()
}

// api is what the console's API shows of it; nil without enrolment.
func (n *enrolment) api() http.Handler {
	if n == nil {
		return nil
	}
	return enrol.API(n.book, time.Now)
}
