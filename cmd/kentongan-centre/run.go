package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/broker"
	"kentongan/cmd/kentongan-centre/internal/console"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/mqttaddr"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func runCentre(ctx context.Context, e env, args []string) int {
	var o options
	if err := o.parse(args, e.stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		fmt.Fprintln(e.stderr, "kentongan-centre:", err)
		return exitUsage
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		fmt.Fprintf(e.stderr, "kentongan-centre: --log %q: write debug, info, warn or error\n", o.logLevel)
		return exitUsage
	}
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level}))
	if err := o.run(ctx, e, log); err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre:", err)
		return exitFailed
	}
	return exitGood
}

// run opens everything, says where it is, and works until ctx ends. What was
// opened first is closed last: the broker outlives the ingest, so that the last
// receipts go out, and the database outlives both.
func (o *options) run(ctx context.Context, e env, log *slog.Logger) (err error) {
	signer, verifier, made, err := loadKey(o.data)
	if err != nil {
		return err
	}
	keys, err := allKeys(o.data, orders.Key{Signer: signer, Verifier: verifier})
	if err != nil {
		return err
	}
	if made {
		log.Info("new key made", "file", keyFile(o.data))
	}
	unlock, err := lockDir(o.data)
	if err != nil {
		return err
	}
	defer unlock()
	hook, err := o.keep.webhook(log.With("part", "webhook"))
	if err != nil {
		return err
	}
	st, err := o.database.open(o.data, log.With("part", "store"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	page, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen for the page: %w; give another address with --listen", err)
	}
	defer page.Close() //nolint:errcheck // the console closes it first

	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Idle: o.sessionIdle, Life: o.sessionLife, Log: log.With("part", "access")})
	if err != nil {
		return err
	}
	pageTLS, err := o.pageTLS()
	if err != nil {
		return err
	}
	o.warn(page.Addr(), log)

	cfg := ingest.Config{Name: o.name, Signer: signer}
	clients := func() int { return -1 }
	heal := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if o.broker == "" {
		if err := st.NobodyConnected(ctx, time.Now()); err != nil {
			return err
		}
		b, err := o.embedded(log)
		if err != nil {
			return err
		}
		defer b.Stop()
		cfg.Broker, clients, heal = b.URL(), b.Clients, b.Run
	} else if err := o.external(&cfg); err != nil {
		return err
	}
	let, err := o.enrol.open(ctx, o.data, centreFacts{broker: cfg.Broker, tls: cfg.TLS, keys: func() []string { return []string{verifier} }, register: registerKey(st)}, log)
	if err != nil {
		return err
	}
	if let != nil {
		defer let.close()
	}
	proof, err := o.audit.open(o.data, st.For(store.Everything()), signer, verifiersOf(keys), log.With("part", "audit"))
	if err != nil {
		return err
	}
	home, err := o.home.open(st, log.With("part", "home_assistant"))
	if err != nil {
		return err
	}
	var con *console.Console
	fan, err := o.fanout.open(cfg, o.data, o.broker != "", st, log.With("part", "fanout"))
	if err != nil {
		return err
	}
	var lead *rollout.Conductor
	cfg.OnCommit = func(c store.Committed) {
		con.Notify(c)
		lead.Notify(c)
		hook.Notify(c)
		if fan != nil {
			fan.Offer(c)
		}
	}
	in, err := ingest.New(cfg, st, log.With("part", "ingest"))
	if err != nil {
		return err
	}
	desk := orders.New(orders.Config{
		Store: st, Signer: signer, Keys: keys, Keep: o.keepPictures, Wake: in.Wake,
		Changed: func() { con.Changed() }, Log: log.With("part", "orders"),
	})
	lead = rollout.New(rollout.Config{Store: st, Desk: desk, Stale: o.updateStale, Changed: func() { con.Changed() }, Alarms: func(c store.Committed) { con.Changed(); hook.Notify(c) }, Log: log.With("part", "rollout")})
	con, err = console.New(console.Config{
		Store: st, Access: room, TLS: pageTLS, Proxy: o.proxy, Desk: desk, Rollouts: lead, Auditor: proof.auditor, KeepPictures: o.keepPictures, Enrolment: let.api(), Ingest: in.Status, Broker: announced(cfg.Broker), BrokerClients: clients,
		Webhook: hook.Status, Verifier: verifier, Security: o.security, Hosts: hosts(o.allowedHost, o.listen), Log: log.With("part", "console"),
	})
	if err != nil {
		return err
	}
	if let != nil {
		fmt.Fprintf(e.stdout, "enrol %s\n", let.url)
	}
	announce(e.stdout, page.Addr(), pageTLS != nil, cfg.Broker, verifier)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return heal(ctx) })
	g.Go(func() error { return in.Run(ctx) })
	g.Go(func() error { return desk.Run(ctx) })
	g.Go(func() error { return lead.Run(ctx) })
	if fan != nil {
		g.Go(func() error { return fan.Run(ctx) })
	}
	g.Go(func() error { return proof.roots.Run(ctx) })
	g.Go(func() error { return proof.auditor.Run(ctx) })
	g.Go(func() error { return con.Run(ctx, page) })
	if home != nil {
		g.Go(func() error { return home.Run(ctx) })
	}
	g.Go(func() error { return o.keep.prune(ctx, st, room, log.With("part", "store")) })
	if hook != nil {
		g.Go(func() error { return hook.Run(ctx) })
	}
	if let != nil {
		g.Go(func() error { return let.run(ctx) })
	}
	return g.Wait()
}

// announce prints where the centre is and the key that it signs with.
func announce(w io.Writer, page net.Addr, secure bool, mqtt *url.URL, verifier string) {
	at := &url.URL{Scheme: "http", Host: page.String()}
	if secure {
		at.Scheme = "https"
	}
	fmt.Fprintf(w, "page %s\nbroker %s\nkey %s\n", announced(at), announced(mqtt), verifier)
}

// announced is a URL as people can open it on this machine, without secrets.
// Who listens on every address ([::] or 0.0.0.0) is reached at 127.0.0.1; the
// machine's name would be refused by the page, which answers to --host alone.
func announced(u *url.URL) string {
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		open := *u
		open.Host = "127.0.0.1"
		if u.Port() != "" {
			open.Host = net.JoinHostPort(open.Host, u.Port())
		}
		u = &open
	}
	return u.Redacted()
}

func (o *options) embedded(log *slog.Logger) (*broker.Broker, error) {
	b, err := broker.Start(o.mqtt, filepath.Join(o.data, "nats"), log.With("part", "broker"))
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(b.URL().Hostname()); ip == nil || !ip.IsLoopback() {
		log.Warn("broker is open", "addr", b.URL().Host, "why", "the embedded broker asks for no password and no certificate; for a fleet use one out of broker-config with --broker")
	}
	return b, nil
}

func (o *options) external(cfg *ingest.Config) (err error) {
	nodes, err := mqttaddr.ParseList(o.broker)
	if err != nil {
		return fmt.Errorf("--broker: %w", err)
	}
	cfg.Broker, cfg.Others = nodes[0], nodes[1:]
	if cfg.TLS, err = o.tls(); err != nil {
		return err
	}
	cfg.Username = o.username
	cfg.Password, err = o.password()
	return err
}

// hosts is what a browser may call this page.
func hosts(list, listen string) []string {
	var out []string
	for h := range strings.SplitSeq(list, ",") {
		if h = strings.TrimSpace(h); h != "" {
			out = append(out, h)
		}
	}
	if h, _, err := net.SplitHostPort(listen); err == nil && h != "" {
		out = append(out, h)
	}
	return out
}

// lockDir keeps a second centre away from the same data. The lock goes with the
// process, however it ends.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "centre.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("another kentongan-centre runs on %s; end it, or use another --data", dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
