package firmware

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Device is what an update must fit.
type Device struct {
	Platform Platform
	Boards   []string  // devicetree "compatible" names of this board; nil where it has none
	Now      time.Time // the time is at least this; zero where nothing is known
}

// Floor is what this board has seen, and never goes below.
type Floor struct {
	Number  uint64 `json:"number"`            // the newest release that was accepted
	Release string `json:"release,omitempty"` // hex SHA-256 of its text
	// Failed are releases that were tried here and went back, newest last.
	Failed []uint64 `json:"failed,omitempty"`
}

// maxFailed is how many failed releases a board remembers. The floor keeps the
// older ones out.
const maxFailed = 16

// Check verifies a key list and a release against what the board knows, and
// finds the payload for it. Nothing is changed. A Refusal says why not.
//
// running is the number of the version that runs, 0 where it is not known.
func Check(keysNote, releaseNote []byte, known Keys, floor Floor, running uint64, d Device) (Keys, Release, Payload, error) {
	fail := func(err error) (Keys, Release, Payload, error) { return Keys{}, Release{}, Payload{}, err }
	keys, err := known.Next(keysNote)
	if err != nil {
		return fail(err)
	}
	text, by, err := openNote(releaseNote, verifiers(keys.Release))
	if err != nil {
		return fail(err)
	}
	if len(by) == 0 {
		return fail(refuse(UnknownKey, "no release key of key list %d signed this release", keys.Version))
	}
	r, err := ParseRelease(text)
	if err != nil {
		return fail(refuse(Tampered, "%v", err))
	}
	if err := r.fits(keys, floor, running, textHash(text), d.Now); err != nil {
		return fail(err)
	}
	p, err := r.payloadFor(d)
	if err != nil {
		return fail(err)
	}
	return keys, r, p, nil
}

func textHash(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// fits holds a release to the numbers that this board has seen. The one that
// the floor names may come again, so that what a power cut ended can be ended.
func (r Release) fits(keys Keys, floor Floor, running uint64, hash string, now time.Time) error {
	switch {
	case keys.Version < r.Keys:
		return refuse(OldKeys, "release %d wants key list %d, the bundle brings %d", r.Number, r.Keys, keys.Version)
	case slices.Contains(floor.Failed, r.Number):
		return refuse(FailedHere, "release %d was tried here and went back; publish a newer number", r.Number)
	case r.Number < floor.Number:
		return refuse(Older, "release %d is older than %d, which this board has had", r.Number, floor.Number)
	case r.Number == floor.Number && floor.Release != hash:
		return refuse(Replayed, "another release %d than the one that this board has had", r.Number)
	case r.Number <= running:
		return refuse(Older, "release %d runs here; %d is no newer", running, r.Number)
	case running > 0 && running < r.From:
		return refuse(TooFar, "release %d can follow %d and later, %d runs here; install one between first", r.Number, r.From, running)
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return refuse(Expired, "release %d is not to be installed from %s on", r.Number, r.Expires.Format(time.RFC3339))
	}
	return nil
}

// payloadFor picks the newest instruction set that runs on d.
func (r Release) payloadFor(d Device) (Payload, error) {
	best, board := -1, false
	for i, p := range r.Payload {
		if !d.Platform.Runs(p.Platform) {
			continue
		}
		if len(p.Boards) > 0 && !slices.ContainsFunc(p.Boards, func(b string) bool { return slices.Contains(d.Boards, b) }) {
			board = true
			continue
		}
		if best < 0 || r.Payload[best].Platform < p.Platform {
			best = i
		}
	}
	switch {
	case best >= 0:
		return r.Payload[best], nil
	case board:
		return Payload{}, refuse(Board, "release %d has programs for %s, for other boards than this one (%v)", r.Number, d.Platform, d.Boards)
	}
	return Payload{}, refuse(Platforms, "release %d has nothing for %s", r.Number, d.Platform)
}
