package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/webhook"
)

// keepOptions say for how long things are kept, and whom to tell of alarms.
type keepOptions struct {
	telemetry, alarms, complaints time.Duration
	hook, hookSecret              string
	hookInternal                  bool
}

func (o *keepOptions) flags(fs *flag.FlagSet) {
	fs.DurationVar(&o.telemetry, "keep-telemetry", 90*24*time.Hour, "`time` after which measurements are deleted, as 2160h; 0 keeps them. Events are never deleted")
	fs.DurationVar(&o.alarms, "keep-alarms", 400*24*time.Hour, "`time` after which an alarm that is over leaves the list, as 9600h; 0 keeps it. Its events stay")
	fs.DurationVar(&o.complaints, "keep-complaints", 0, "`time` after the last word on a complaint that is done, rejected or withdrawn, after which it is erased as complaint erase does, as 43800h; 0 keeps it. An open one is never erased by time, nor one that shares its ticket with another or has none")
	fs.StringVar(&o.hook, "webhook", "", "`url` that each change of an alarm is posted to, as a signed CloudEvent")
	fs.StringVar(&o.hookSecret, "webhook-secret-file", "", "`file` whose first line is the secret that the webhook is signed with, at least 16 bytes")
	fs.BoolVar(&o.hookInternal, "webhook-internal", false, "let the webhook reach this machine and private networks")
}

func (o *keepOptions) check() error {
	for name, d := range map[string]time.Duration{"keep-telemetry": o.telemetry, "keep-alarms": o.alarms, "keep-complaints": o.complaints} {
		if d != 0 && d < time.Hour {
			return fmt.Errorf("--%s %s: 1h or more, or 0 to keep all", name, d)
		}
	}
	if (o.hook == "") != (o.hookSecret == "") {
		return errors.New("--webhook and --webhook-secret-file belong together: one of them is missing")
	}
	return nil
}

// webhook is the one that was asked for; nil is none.
func (o *keepOptions) webhook(log *slog.Logger) (*webhook.Hook, error) {
	if o.hook == "" {
		return nil, nil
	}
	u, err := url.Parse(o.hook)
	if err != nil {
		return nil, errors.New("--webhook: write http://HOST/PATH or https://HOST/PATH")
	}
	secret, err := firstLine(o.hookSecret)
	if err != nil {
		return nil, fmt.Errorf("--webhook-secret-file: %w", err)
	}
	return webhook.New(webhook.Config{URL: u, Secret: []byte(strings.TrimSpace(secret)), Internal: o.hookInternal, Log: log})
}

// prune deletes what has had its time, a minute after the start and each hour
// from then on, until ctx ends. A failure is for the next time.
func (o *keepOptions) prune(ctx context.Context, st *store.Store, room *access.Room, log *slog.Logger) error {
	for wait := time.Minute; ; wait = time.Hour {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		records, alarms, err := st.Prune(ctx, store.Retention{Telemetry: o.telemetry, Alarms: o.alarms}, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.Warn("old rows not deleted", "err", err)
		case records+alarms > 0:
			log.Info("old rows deleted", "measurements", records, "alarms", alarms)
		}
		o.eraseComplaints(ctx, st, room, log, time.Now())
	}
}

// erasePass is how long one pass erases complaints; the next goes on. Pruning waits
// for it.
const erasePass = 5 * time.Minute

// eraseComplaints erases the complaints that have had their time.
func (o *keepOptions) eraseComplaints(ctx context.Context, st *store.Store, room *access.Room, log *slog.Logger, now time.Time) {
	if o.complaints == 0 {
		return
	}
	erased, open, err := st.EraseOld(ctx, store.Age{Before: now.Add(-o.complaints), For: erasePass, Note: func(ctx context.Context, tx store.Tx, id int64) error {
		// No account has an @ in its name. The number, for the ticket is what is erased.
		return room.NoteIn(ctx, tx, access.Entry{Name: "upkeep@centre", Action: "erase-complaint", Object: fmt.Sprintf("/complaints/%d/erase", id), Detail: "reason: --keep-complaints " + o.complaints.String()})
	}})
	if err != nil && ctx.Err() == nil {
		log.Warn("not all old complaints erased", "err", err)
	}
	if erased > 0 {
		log.Info("old complaints erased", "complaints", erased)
	}
	if open > 0 {
		log.Info("old complaints stay: nobody has closed them, or nobody can tell which was closed", "complaints", open, "older_than", o.complaints)
	}
}
