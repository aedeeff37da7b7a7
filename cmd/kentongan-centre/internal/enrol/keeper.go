package enrol

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/ca"
)

// Keeper makes revocations take effect on a running broker:
//
//	book ─► list of revoked, signed ─► file ─► hook (reload) ─► probe ─► kick
//
// A broker that has read a new list lets nobody of it in any more, but leaves
// open sessions alone, and tells nobody whether it did read it. So each list also
// holds the serial of a probe, a certificate of a few minutes, and only when the
// broker refuses that one are the sessions ended.
type Keeper struct {
	Book *Book
	File string // where the broker reads the list; "" for none
	Hook string // program that makes the broker read it, called with the file; "" for none
	// Broker is asked and its sessions are ended; nil for none.
	Broker Sessions
	// Patience is how long the broker may take to read the list; 0 is 30 s.
	Patience time.Duration
	Log      *slog.Logger

	// Run's goroutine only.
	signed  time.Time // when the newest list was
	revoked int       // how many were on it
	told    time.Time // revocations up to then have taken effect
}

// Sessions is what a Keeper needs of a broker.
type Sessions interface {
	// LetsIn tells whether the broker lets the holder of a certificate in.
	LetsIn(ctx context.Context, c tls.Certificate, name string) (bool, error)
	// Kick ends the session that name has open. by is a certificate of that name
	// that the broker believes.
	Kick(ctx context.Context, by tls.Certificate, name string) error
}

const (
	lookEvery = 2 * time.Second
	// signEvery keeps a list from getting old where nobody is revoked for years.
	signEvery  = 24 * time.Hour
	hookWithin = time.Minute
	probeFor   = 30 * time.Second
	probeEvery = time.Second
	probeName  = "kentongan.probe" // a device's id has no dot
	probeLife  = 10 * time.Minute
	metaTold   = "revocations_told"
)

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	if text, err := k.Book.Meta(ctx, metaTold); err == nil && text != "" {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			k.told = when(ms)
		}
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := ""
	for {
		err := k.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && err.Error() != failing {
			k.Log.Error("revocation not in force", "err", err, "retry_in", lookEvery)
			_ = k.Book.Note(ctx, Entry{What: WhatBroker, Detail: err.Error()}) // it is logged
		}
		if failing = ""; err != nil {
			failing = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look makes one pass.
func (k *Keeper) look(ctx context.Context) error {
	all, names, err := k.Book.revoked(ctx)
	if err != nil {
		return err
	}
	now := k.Book.now()
	fresh := map[string]time.Time{}
	for name, at := range names {
		if at.After(k.told) {
			fresh[name] = at
		}
	}
	if len(fresh) == 0 && len(all) == k.revoked && now.Sub(k.signed) < signEvery {
		return nil
	}
	probe, err := k.publish(ctx, all, now)
	if err != nil {
		return err
	}
	if len(fresh) > 0 {
		if err := k.end(ctx, probe, slices.Sorted(maps.Keys(fresh))); err != nil {
			return err
		}
		for _, at := range fresh {
			if at.After(k.told) {
				k.told = at
			}
		}
		if err := k.Book.SetMeta(ctx, metaTold, strconv.FormatInt(k.told.UnixMilli(), 10)); err != nil {
			return err
		}
	}
	k.signed, k.revoked = now, len(all)
	return nil
}

// publish signs the list, with the probe on it, and has the broker read it.
func (k *Keeper) publish(ctx context.Context, all []ca.Revoked, now time.Time) (probe tls.Certificate, err error) {
	if k.File == "" {
		return probe, nil
	}
	if probe, err = k.certificate(probeName, now); err != nil {
		return probe, err
	}
	all = append(all, ca.Revoked{Serial: probe.Leaf.SerialNumber, At: now})
	list, err := k.Book.authority.CRL(all, now.UnixMilli(), now)
	if err != nil {
		return probe, err
	}
	// Brokers run as users of their own; the list is public.
	if err := ca.WriteFile(k.File, list, 0o644); err != nil {
		return probe, err
	}
	if k.Hook == "" {
		return probe, nil
	}
	ctx, cancel := context.WithTimeout(ctx, hookWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, k.Hook, k.File).CombinedOutput()
	if err != nil {
		return probe, fmt.Errorf("run %s: %w: %s", k.Hook, err, strings.Join(strings.Fields(string(out)), " "))
	}
	k.Log.Debug("list of revoked certificates written", "file", k.File, "revoked", len(all)-1)
	return probe, nil
}

// certificate makes one of a few minutes, with a key that is never written down.
func (k *Keeper) certificate(name string, now time.Time) (c tls.Certificate, err error) {
	key, err := ca.NewKey()
	if err != nil {
		return c, fmt.Errorf("make key: %w", err)
	}
	leaf, err := k.Book.authority.Issue(ca.Subject{Name: name, Public: key.Public(), Life: probeLife}, now)
	if err != nil {
		return c, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, k.Book.authority.Issuing.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// end waits until the broker has read the list, and ends the sessions of the
// names.
func (k *Keeper) end(ctx context.Context, probe tls.Certificate, names []string) error {
	if k.Broker == nil {
		return nil
	}
	if k.File != "" {
		if err := k.waitForList(ctx, probe); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range names {
		by, err := k.certificate(name, k.Book.now())
		if err == nil {
			err = k.Broker.Kick(ctx, by, name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("end the session of %s: %w", name, err))
			continue
		}
		k.Log.Info("session ended", "device", name, "why", "its certificate is revoked")
		errs = append(errs, k.Book.Note(ctx, Entry{What: WhatKicked, Device: name}))
	}
	return errors.Join(errs...)
}

// waitForList asks the broker until it refuses the probe.
func (k *Keeper) waitForList(ctx context.Context, probe tls.Certificate) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	late := time.After(cmp.Or(k.Patience, probeFor))
	for {
		in, err := k.Broker.LetsIn(ctx, probe, probeName)
		if err == nil && !in {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			if err != nil {
				return fmt.Errorf("ask the broker whether it has read %s: %w", k.File, err)
			}
			return fmt.Errorf("the broker still lets a revoked certificate in: it does not read %s, or --crl-hook does not make it; revoked devices can still connect", k.File)
		}
	}
}
