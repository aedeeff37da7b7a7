package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// RootsFile is the name of the log of roots in the centre's data directory,
// where it is not put on another disk.
const RootsFile = "centre.roots"

// RootsConfig says where the log of roots is and who signs it.
type RootsConfig struct {
	File   string
	Signer note.Signer
	Keys   note.Verifiers // of Signer
	Every  time.Duration
}

// RootWriter writes the log of roots. Its methods belong to one goroutine.
type RootWriter struct {
	cfg  RootsConfig
	view *store.View
	log  *slog.Logger

	read  *rootLog  // nil until the first root
	since time.Time // lanes that nothing came of since then are as the log has them
}

// NewRootWriter makes the writer; it reads and writes nothing yet.
func NewRootWriter(cfg RootsConfig, view *store.View, log *slog.Logger) *RootWriter {
	return &RootWriter{cfg: cfg, view: view, log: log}
}

// Run writes a root at the start, then each RootsConfig.Every, and one when ctx
// ends. A root that can't be written is tried again at the next time: it costs
// nothing but the proof of what it would have named.
func (r *RootWriter) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		r.try(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			r.try(last)
			return nil
		case <-tick.C:
		}
	}
}

func (r *RootWriter) try(ctx context.Context) {
	if _, err := r.Write(ctx, time.Now()); err != nil && ctx.Err() == nil {
		r.log.Error("root not written", "file", r.cfg.File, "err", err)
	}
}

// Write appends a root of what has moved since the last one; none when nothing
// has. It returns the number of the newest root.
func (r *RootWriter) Write(ctx context.Context, now time.Time) (uint64, error) {
	if r.read == nil {
		l, err := readRoots(r.cfg.File, r.cfg.Keys, func(number uint64, why string) {
			r.log.Error("log of roots is not as it was written", "root", number, "why", why)
		})
		if err != nil {
			return 0, err
		}
		r.read = l
	}
	next := Root{Number: r.read.last.Number + 1, Prev: r.read.hash, Time: now.UTC().Truncate(time.Second)}
	since := r.since
	heads, err := r.moved(ctx, since)
	if err != nil {
		return 0, err
	}
	keys, err := r.newKeys(ctx)
	if err != nil {
		return 0, err
	}
	if next.Heads, next.Keys = heads, keys; len(heads)+len(keys) == 0 {
		return r.read.last.Number, nil
	}
	line, err := next.line(r.cfg.Signer)
	if err == nil {
		err = r.append(line)
	}
	if err != nil {
		r.read = nil // what the file holds now is read again
		return 0, fmt.Errorf("write root %d: %w", next.Number, err)
	}
	r.read.end += int64(len(line))
	r.read.add(next, func(_ uint64, why string) { r.log.Error("database was set back", "why", why) })
	r.since = now.Add(-time.Minute) // a lane's row is written a moment after its seen_at
	if err := r.view.KeepRoot(ctx, store.RootRow{Number: next.Number, Hash: r.read.hash.String()}, now); err != nil {
		return 0, err
	}
	r.log.Info("root written", "number", next.Number, "lanes", len(heads))
	return next.Number, nil
}

// moved lists the heads that are not as the log has them.
func (r *RootWriter) moved(ctx context.Context, since time.Time) ([]RootHead, error) {
	lanes, err := r.view.AuditLanes(ctx, "", since)
	if err != nil {
		return nil, err
	}
	var out []RootHead
	for _, l := range lanes {
		h, ok, err := headOf(ctx, r.view, l)
		if err != nil {
			return nil, err
		}
		if ok && r.read.heads[h.lane()].RootHead != h {
			out = append(out, h)
		}
	}
	return out, nil
}

// headOf is what is held of a lane now; false for nothing.
func headOf(ctx context.Context, v *store.View, l store.AuditLane) (h RootHead, ok bool, err error) {
	newest, ok, err := v.AuditNewest(ctx, l.ID)
	if !ok || err != nil {
		return h, false, err
	}
	checks, err := v.AuditCheckpoints(ctx, l.ID, 0)
	if err != nil {
		return h, false, err
	}
	h = RootHead{Device: l.Device, Lane: l.Lane, Epoch: l.Epoch, Seq: newest.Seq, Records: l.Received}
	h.Hash, _ = store.HashOf(newest.Line)
	if n := len(checks); n > 0 {
		h.Checkpoint = checks[n-1].Seq
	}
	return h, true, nil
}

func (r *RootWriter) newKeys(ctx context.Context) ([]RootKey, error) {
	all, err := r.view.DeviceKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []RootKey
	for _, k := range all {
		if k.Until == nil && r.read.keys[k.Device] != k.Key {
			out = append(out, RootKey{k.Device, k.Key})
		}
	}
	return out, nil
}

// append writes behind the last whole line and returns when it is on the disk.
func (r *RootWriter) append(line []byte) error {
	f, err := os.OpenFile(r.cfg.File, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if r.read.torn {
		err, r.read.torn = f.Truncate(r.read.end), false
	}
	if err == nil {
		_, err = f.WriteAt(line, r.read.end)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil || r.read.end > 0 {
		return err
	}
	dir, err := os.Open(filepath.Dir(r.cfg.File)) // the name of a new file
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
