package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kentongan/firmware"
)

// The two files of checksums: one that sha256sum -c reads, and the same text as
// a note that a release key signed.
const (
	SumsName = "SHA256SUMS"
	SumsNote = "SHA256SUMS.note"
)

// Sum is one file's.
type Sum struct{ SHA256, Name string }

var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._+~-]{0,199})$`)

// ParseSums reads what sha256sum writes of files that lie beside it.
func ParseSums(text string) ([]Sum, error) {
	var all []Sum
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		m := sumLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		switch {
		case m == nil || !strings.HasSuffix(line, "\n"):
			return nil, fmt.Errorf("line %d is no checksum with the name of a file", len(all)+1)
		case seen[m[2]]:
			return nil, fmt.Errorf("line %d: %s stands there twice", len(all)+1, m[2])
		}
		seen[m[2]] = true
		all = append(all, Sum{m[1], m[2]})
	}
	if len(all) == 0 {
		return nil, errors.New("no checksum in it")
	}
	return all, nil
}

// WriteSums writes dir/SHA256SUMS and dir/SHA256SUMS.note of files. Whoever
// verifies needs them beside each other, so no two may have one name.
func WriteSums(dir string, files []string, private string) error {
	var text strings.Builder
	files = slices.SortedFunc(slices.Values(files), func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	for _, file := range files {
		sum, err := sumOf(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.Base(file))
	}
	signed, err := Sign([]byte(text.String()), private)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, SumsName), []byte(text.String()), 0o644),
		os.WriteFile(filepath.Join(dir, SumsNote), signed, 0o644))
}

// VerifySums holds a note of checksums against a key list, whose release keys
// sign it, and the files beside the note against the checksums. It returns the
// files' names and the key's.
func VerifySums(file string, keyList []byte) (names []string, by string, err error) {
	keys, err := firmware.FirstKeys(keyList)
	if err != nil {
		return nil, "", err
	}
	msg, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	n, err := openSigned(msg, keys.Release)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	sums, err := ParseSums(n.Text)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	for _, s := range sums {
		got, err := sumOf(filepath.Join(filepath.Dir(file), s.Name))
		if err == nil && got != s.SHA256 {
			err = fmt.Errorf("%s is not the file that was signed: SHA-256 %s, want %s; fetch it again, do not install it", s.Name, got, s.SHA256)
		}
		errs = append(errs, err)
		names = append(names, s.Name)
	}
	return names, n.Sigs[0].Name, errors.Join(errs...)
}

// openSigned opens a note that one of keys signed.
func openSigned(msg []byte, keys []string) (*note.Note, error) {
	var known []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, err
		}
		known = append(known, v)
	}
	n, err := note.Open(msg, note.VerifierList(known...))
	if errors.As(err, new(*note.UnverifiedNoteError)) {
		return nil, errors.New("no release key of the key list signed it")
	}
	return n, err
}

func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}
