package firmware

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Keys says whom a board believes: root keys, kept offline, of which Threshold
// must sign each new list, and release keys, of which one signs a release.
//
//	kentongan/firmware/keys
//	version 3
//	threshold 2
//	root kentongan-root-a+0c2f1a44+AY...
//	root kentongan-root-b+91d0b2e7+AZ...
//	root kentongan-root-c+5b8e0c13+AX...
//	release kentongan-release-2026+7a41f0aa+AV...
type Keys struct {
	Version   uint64
	Threshold int
	Root      []string // verifier keys (name+hash+key)
	Release   []string
}

// Text is what the roots sign.
func (k Keys) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nversion %d\nthreshold %d\n", keysTitle, k.Version, k.Threshold)
	for _, r := range k.Root {
		fmt.Fprintf(&b, "root %s\n", r)
	}
	for _, r := range k.Release {
		fmt.Fprintf(&b, "release %s\n", r)
	}
	return b.String()
}

// ParseKeys reads the text of a key list and holds it to its own rules.
func ParseKeys(text string) (Keys, error) {
	var k Keys
	err := readLines(text, keysTitle, map[string]bool{"root": true, "release": true}, func(key, value string) (err error) {
		switch key {
		case "version":
			k.Version, err = number(value)
		case "threshold":
			var n uint64
			n, err = number(value)
			k.Threshold = int(min(n, 1000))
		case "root":
			k.Root = append(k.Root, value)
		case "release":
			k.Release = append(k.Release, value)
		default:
			err = errUnknownLine
		}
		return err
	})
	if err != nil {
		return Keys{}, fmt.Errorf("key list: %w", err)
	}
	return k, k.check()
}

func (k Keys) check() error {
	switch {
	case k.Version == 0:
		return errors.New("key list: no line \"version\"")
	case k.Threshold == 0:
		return errors.New("key list: no line \"threshold\"")
	case k.Threshold > len(k.Root):
		return fmt.Errorf("key list: %d signatures wanted of %d root keys", k.Threshold, len(k.Root))
	case len(k.Root) > 20 || len(k.Release) > 20:
		return fmt.Errorf("key list: %d root keys and %d release keys, at most 20 of each", len(k.Root), len(k.Release))
	}
	// One key under two names would count twice.
	seen := map[string]string{}
	for _, key := range append(append([]string{}, k.Root...), k.Release...) {
		if _, err := note.NewVerifier(key); err != nil {
			return fmt.Errorf("key list: key %.80q: %v", key, err)
		}
		material := strings.SplitN(key, "+", 3)[2] // NewVerifier saw three; base64 may have a + of its own
		if other, ok := seen[material]; ok {
			return fmt.Errorf("key list: %.80q is the same key as %.80q", key, other)
		}
		seen[material] = key
	}
	return nil
}

func verifiers(keys []string) []note.Verifier {
	out := make([]note.Verifier, 0, len(keys))
	for _, k := range keys {
		if v, err := note.NewVerifier(k); err == nil { // check has seen to it
			out = append(out, v)
		}
	}
	return out
}

// Next verifies a key list that shall follow k: enough of k's roots signed it,
// and enough of its own, so that nobody can be locked out by a list whose keys
// do not exist. The list that is here already is returned as it is.
func (k Keys) Next(msg []byte) (Keys, error) {
	text, by, err := openNote(msg, verifiers(k.Root))
	if err != nil {
		return Keys{}, fmt.Errorf("key list: %w", err)
	}
	next, err := ParseKeys(text)
	if err != nil {
		return Keys{}, refuse(Tampered, "%v", err)
	}
	switch {
	case len(by) < k.Threshold:
		return Keys{}, refuse(FewRoots, "key list %d: signed by %d of this board's root keys, want %d", next.Version, len(by), k.Threshold)
	case next.Version < k.Version:
		return Keys{}, refuse(OldKeys, "key list %d is older than %d, which is here", next.Version, k.Version)
	case next.Version == k.Version && next.Text() != k.Text():
		return Keys{}, refuse(Tampered, "another key list %d than the one that is here", k.Version)
	}
	_, own, err := openNote(msg, verifiers(next.Root))
	if err != nil {
		return Keys{}, fmt.Errorf("key list: %w", err)
	}
	if len(own) < next.Threshold {
		return Keys{}, refuse(FewRoots, "key list %d: signed by %d of its own root keys, want %d", next.Version, len(own), next.Threshold)
	}
	return next, nil
}

// FirstKeys reads the key list that a board is born with (from its package or
// its card). It must be signed by enough of its own roots; that it is the right
// one, only where it came from can tell.
func FirstKeys(msg []byte) (Keys, error) {
	text, err := unsigned(msg)
	if err != nil {
		return Keys{}, fmt.Errorf("key list: %w", err)
	}
	k, err := ParseKeys(text)
	if err != nil {
		return Keys{}, err
	}
	return k.Next(msg)
}
