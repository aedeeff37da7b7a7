package publish

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/firmware"
)

// NewKey makes a key pair of a name; private is a secret.
func NewKey(name string) (private, public string, err error) {
	return note.GenerateKey(nil, name)
}

// Sign adds a signature to a text (a release, a key list, checksums) or to a note that has
// some already. A key that signed before is refused: its signature would count
// once all the same.
func Sign(textOrNote []byte, private string) ([]byte, error) {
	s, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	n := &note.Note{Text: string(textOrNote)}
	var unknown *note.UnverifiedNoteError
	if _, err := note.Open(textOrNote, note.VerifierList()); errors.As(err, &unknown) {
		n = unknown.Note
	}
	for _, have := range n.UnverifiedSigs {
		if have.Name == s.Name() && have.Hash == s.KeyHash() {
			return nil, fmt.Errorf("signed by %s already", s.Name())
		}
	}
	if err := signable(n.Text); err != nil {
		return nil, err
	}
	return note.Sign(n, s)
}

// signable keeps a key from signing what is none of ours. No text is two of
// them: the first two begin with their titles, checksums with a checksum.
func signable(text string) error {
	_, rerr := firmware.ParseRelease(text)
	_, kerr := firmware.ParseKeys(text)
	_, serr := ParseSums(text)
	if rerr != nil && kerr != nil && serr != nil {
		return fmt.Errorf("neither a release (%v) nor a key list (%v) nor checksums (%v)", rerr, kerr, serr)
	}
	return nil
}

// Pack writes what Make left in dir, signed by now, into one file. It holds it
// against every rule first, so that no bundle goes out that no board takes.
func Pack(dir, file string) (err error) {
	source, err := firmware.OpenSource(dir)
	if err != nil {
		return err
	}
	r, err := Inspect(source)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	names := []string{firmware.KeysName, firmware.ReleaseName}
	for _, p := range r.Payload {
		for _, d := range p.Patch {
			names = append(names, d.Packed.Name)
		}
		names = append(names, p.Packed.Name)
	}
	for _, name := range names {
		if err := add(w, filepath.Join(dir, name), name, r.Issued); err != nil {
			return err
		}
	}
	return w.Close()
}

// add writes one file without what differs from machine to machine.
func add(w *tar.Writer, file, name string, at time.Time) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Size: info.Size(), Mode: 0o644, ModTime: at, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// Inspect reads a source as a board would that has its key list, and unpacks
// every payload.
func Inspect(s firmware.Source) (firmware.Release, error) {
	keysNote, releaseNote, err := firmware.ReadNotes(s)
	if err != nil {
		return firmware.Release{}, err
	}
	keys, err := firmware.FirstKeys(keysNote)
	if err != nil {
		return firmware.Release{}, err
	}
	return firmware.VerifyAll(s, keys, releaseNote)
}
