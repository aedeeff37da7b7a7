package firmware

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// MaxNoteBytes is the most that a key list or a release may have.
const MaxNoteBytes = 64 << 10

// The first line of a note says what it is, so that a signature under one is
// none under the other, nor under an order or a receipt.
const (
	keysTitle    = "kentongan/firmware/keys"
	releaseTitle = "kentongan/firmware/release"
)

// readLines calls set for each line behind the title. Lines of a key named in
// many may come again; what set refuses ends the reading. A line that this
// version does not know may limit what the note means, so set has to refuse it.
func readLines(text, title string, many map[string]bool, set func(key, value string) error) error {
	first, rest, _ := strings.Cut(text, "\n")
	if first != title {
		return fmt.Errorf("it begins with %.80q, want %q", first, title)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, " ")
		if seen[key] && !many[key] {
			return fmt.Errorf("two lines %q", key)
		}
		seen[key] = true
		if err := set(key, value); err != nil {
			return fmt.Errorf("line %.120q: %w", line, err)
		}
	}
	return nil
}

var errUnknownLine = errors.New("unknown key; a newer version may know it")

// number reads a count from 1 up.
func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%.40q is no number", s)
	case n == 0:
		return 0, errors.New("counts from 1")
	}
	return n, nil
}

func instant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%.40q is no time; want it as 2026-11-26T10:00:00Z", s)
	}
	return t.UTC(), nil
}

// openNote tells which of the keys signed msg. A signature of one of them that
// does not fit is an error, whatever else is there; those of strangers are
// passed over.
func openNote(msg []byte, keys []note.Verifier) (text string, by map[string]bool, err error) {
	if len(msg) > MaxNoteBytes {
		return "", nil, refuse(Tampered, "the note has %d bytes, more than %d", len(msg), MaxNoteBytes)
	}
	n, err := note.Open(msg, note.VerifierList(keys...))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, new(*note.InvalidSignatureError)):
		return "", nil, refuse(Tampered, "a signature does not fit the text")
	case errors.As(err, &unknown):
		return unknown.Note.Text, nil, nil
	case err != nil:
		return "", nil, refuse(Tampered, "not a signed note: %v", err)
	}
	by = map[string]bool{}
	for _, s := range n.Sigs {
		by[keyID(s.Name, s.Hash)] = true
	}
	return n.Text, by, nil
}

func keyID(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// unsigned reads a note's text without asking who signed it: for showing, and
// for the first key list of a board, which is trusted as it is.
func unsigned(msg []byte) (string, error) {
	if len(msg) > MaxNoteBytes {
		return "", fmt.Errorf("%d bytes, more than %d", len(msg), MaxNoteBytes)
	}
	_, err := note.Open(msg, note.VerifierList())
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) {
		return unknown.Note.Text, nil
	}
	return "", fmt.Errorf("not a signed note: %v", err)
}
