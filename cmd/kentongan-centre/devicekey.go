package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"text/tabwriter"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// deviceKeys lists the record keys of devices, and replaces one.
func deviceKeys(ctx context.Context, e env, args []string) int {
	return group(ctx, e, "device-key", []command{
		{"list", "--data DIR [DEVICE]", "print the keys, how each became known, and since when", listDeviceKeys},
		{"replace", "--data DIR DEVICE KEY", "let a device sign with another key, for a board whose storage is new; the centre must not run meanwhile", replaceDeviceKey},
	}, args)
}

func listDeviceKeys(ctx context.Context, e env, args []string) int {
	v := newEvidence(e, "device-key list")
	given, status, ok := v.words.parse(args, 0, 1, "[DEVICE]")
	if !ok {
		return status
	}
	device := ""
	if len(given) > 0 {
		device = given[0]
	}
	if v.file == "" {
		v.file = filepath.Join(*v.data, "centre.db")
	}
	view, closeDB, err := v.open()
	if err != nil {
		return v.failed(err)
	}
	keys, err := view.DeviceKeys(ctx, device)
	if err = errors.Join(err, closeDB()); err == nil {
		err = printDeviceKeys(e.stdout, keys)
	}
	if err != nil {
		return v.failed(err)
	}
	return exitGood
}

func printDeviceKeys(w io.Writer, keys []store.DeviceKey) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range keys {
		until := ""
		if k.Until != nil {
			until = "until " + day(*k.Until)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.Device, k.How, day(k.First), k.Key, until)
	}
	return t.Flush()
}

func replaceDeviceKey(ctx context.Context, e env, args []string) int {
	w := newWords(e, "device-key replace")
	var db databaseOptions
	db.flags(w.FlagSet)
	given, status, ok := w.parse(args, 2, 2, "DEVICE KEY")
	if !ok {
		return status
	}
	if err := db.check(); err != nil {
		return w.wrong("%v", err)
	}
	unlock, err := lockDir(*w.data)
	if err != nil {
		return w.failed(err)
	}
	defer unlock()
	st, err := db.open(*w.data, slog.New(slog.NewTextHandler(e.stderr, nil)))
	if err != nil {
		return w.failed(err)
	}
	if err := errors.Join(st.ReplaceKey(ctx, given[0], given[1], time.Now()), st.Close()); err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", given[0], given[1])
	return exitGood
}
