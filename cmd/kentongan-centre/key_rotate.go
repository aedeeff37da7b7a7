package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/orders"
)

// oldKeyFile holds the keys of before, the newest first: each introduces its
// successor to devices that missed it, and what it signed has to verify.
func oldKeyFile(dir string) string { return filepath.Join(dir, "centre.key.old") }

// rotateKey makes the next key of the centre.
func rotateKey(_ context.Context, e env, args []string) int {
	w := newWords(e, "key rotate")
	if _, status, ok := w.parse(args, 0, 0, ""); !ok {
		return status
	}
	verifier, err := nextKey(*w.data)
	if err != nil {
		return w.failed(err)
	}
	fmt.Fprintln(e.stdout, verifier)
	fmt.Fprintf(e.stderr, "kentongan-centre: start the centre again; it then signs with this key, and brings each device to it as it comes online: the old key introduces the new one, and the new one retires the old. Keep %s until no device is missing.\n", oldKeyFile(*w.data))
	return exitGood
}

// nextKey puts a new key in the place of the present one, which joins the old
// ones first: a cut between the two leaves it in both files, which is as before.
func nextKey(dir string) (verifier string, err error) {
	present, err := os.ReadFile(keyFile(dir))
	if err != nil {
		return "", fmt.Errorf("read key: %w; 'kentongan-centre key' makes the first one", err)
	}
	if _, err := note.NewSigner(strings.TrimSpace(string(present))); err != nil {
		return "", fmt.Errorf("read key %s: %w", keyFile(dir), err)
	}
	old, err := os.ReadFile(oldKeyFile(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read old keys: %w", err)
	}
	text := strings.TrimSpace(string(present)) + "\n"
	if !strings.HasPrefix(string(old), text) {
		if err := ca.WriteFile(oldKeyFile(dir), []byte(text+string(old)), 0o600); err != nil {
			return "", err
		}
	}
	secret, verifier, err := note.GenerateKey(rand.Reader, keyName)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	return verifier, ca.WriteFile(keyFile(dir), []byte(secret+"\n"), 0o600)
}

// oldKeys reads the keys of before, the newest first.
func oldKeys(dir string) (all []orders.Key, err error) {
	text, err := os.ReadFile(oldKeyFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read old keys: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		secret := strings.TrimSpace(line)
		if secret == "" {
			continue
		}
		s, err := note.NewSigner(secret)
		if err != nil {
			return nil, fmt.Errorf("read old keys %s: %w", oldKeyFile(dir), err)
		}
		v, err := report.PublicKey(secret)
		if err != nil {
			return nil, fmt.Errorf("read old keys %s: %w", oldKeyFile(dir), err)
		}
		all = append(all, orders.Key{Signer: s, Verifier: v})
	}
	return all, nil
}

func verifiersOf(keys []orders.Key) (all []string) {
	for _, k := range keys {
		all = append(all, k.Verifier)
	}
	return all
}

// allKeys are the present key and those of before, each once.
func allKeys(dir string, present orders.Key) ([]orders.Key, error) {
	old, err := oldKeys(dir)
	if err != nil {
		return nil, err
	}
	old = slices.DeleteFunc(old, func(k orders.Key) bool { return k.Verifier == present.Verifier })
	return append([]orders.Key{present}, old...), nil
}
