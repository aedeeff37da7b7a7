package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// keyName is the name in every receipt's signature.
const keyName = "kentongan-centre"

// printKey prints the verifier. It makes the key when there is none, so that
// devices can be configured before the centre first starts; it says so, because
// the directory may be a mistake and the centre's key elsewhere.
func printKey(ctx context.Context, e env, args []string) int {
	if len(args) > 0 && args[0] == "rotate" {
		return rotateKey(ctx, e, args[1:])
	}
	f := flag.NewFlagSet("kentongan-centre key", flag.ContinueOnError)
	f.SetOutput(e.stderr)
	data := f.String("data", "", "`directory` of the centre (required)")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	if *data == "" || f.NArg() > 0 {
		fmt.Fprintln(e.stderr, "kentongan-centre key: write kentongan-centre key --data DIR")
		return exitUsage
	}
	_, verifier, made, err := loadKey(*data)
	if err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre:", err)
		return exitFailed
	}
	if made {
		fmt.Fprintf(e.stderr, "kentongan-centre: there was no key in %s, so a new one was made: %s; if the centre has a key already, give the directory that it runs with\n", *data, keyFile(*data))
	}
	fmt.Fprintln(e.stdout, verifier)
	return exitGood
}

func keyFile(dir string) string { return filepath.Join(dir, "centre.key") }

// loadKey reads DIR/centre.key, or makes it. It returns the signer and the
// verifier in the form of golang.org/x/mod/sumdb/note, and whether the key was
// made just now.
func loadKey(dir string) (signer note.Signer, verifier string, made bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", false, fmt.Errorf("make data directory: %w", err)
	}
	file := keyFile(dir)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = makeKey(dir, file); err != nil {
			return nil, "", false, fmt.Errorf("make key %s: %w", file, err)
		}
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, "", false, fmt.Errorf("read key: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	signer, err = note.NewSigner(secret)
	if err != nil {
		return nil, "", false, fmt.Errorf("read key %s: %w; bring the file back from a backup, or devices will refuse this centre's receipts", file, err)
	}
	verifier, err = report.PublicKey(secret)
	if err != nil {
		return nil, "", false, fmt.Errorf("read key %s: %w", file, err)
	}
	return signer, verifier, made, nil
}

// makeKey writes a new key, whole or not at all. When another process was
// faster, its key stays, and none was made.
func makeKey(dir, file string) (made bool, err error) {
	secret, _, err := note.GenerateKey(rand.Reader, keyName)
	if err != nil {
		return false, err
	}
	tmp, err := os.CreateTemp(dir, ".centre.key-*") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // what stays behind is a key that nobody uses
	if _, err := tmp.WriteString(secret + "\n"); err != nil {
		return false, errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return false, err
	}
	err = os.Link(tmp.Name(), file)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return err == nil, syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
