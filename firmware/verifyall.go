package firmware

import (
	"errors"
	"fmt"
	"io"
)

// VerifyAll reads a release that one of the key list's release keys signed, and
// every whole payload of it. Patches are held against their own hashes only,
// since their bases are not here. For who publishes; a board reads its own part.
func VerifyAll(s Source, keys Keys, releaseNote []byte) (Release, error) {
	text, by, err := openNote(releaseNote, verifiers(keys.Release))
	if err != nil {
		return Release{}, err
	}
	r, perr := ParseRelease(text)
	switch {
	case perr != nil:
		return Release{}, refuse(Tampered, "%v", perr)
	case len(by) == 0:
		return r, refuse(UnknownKey, "no release key of key list %d signed this release", keys.Version)
	case keys.Version < r.Keys:
		return r, refuse(OldKeys, "it wants key list %d, here is %d", r.Keys, keys.Version)
	}
	for _, p := range r.Payload {
		if err := verifyPayload(s, p); err != nil {
			return r, fmt.Errorf("%s: %w", p.Platform, err)
		}
	}
	return r, nil
}

func verifyPayload(s Source, p Payload) error {
	f, err := s.Open(p.Packed.Name)
	if err != nil {
		return sourceError(p.Packed.Name, err)
	}
	err = unpack(io.Discard, f, p.Packed, p, nil)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, d := range p.Patch {
		if err := verifyFile(s, d.Packed); err != nil {
			return err
		}
	}
	return nil
}

func verifyFile(s Source, want File) error {
	f, err := s.Open(want.Name)
	if err != nil {
		return sourceError(want.Name, err)
	}
	c := newCounted(f, nil)
	_, err = io.Copy(io.Discard, io.LimitReader(c, want.Size+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return sourceError(want.Name, err)
	}
	if c.n != want.Size || c.hex() != want.SHA256 {
		return refuse(Mixed, "%s is not the file that the release names", want.Name)
	}
	return nil
}
