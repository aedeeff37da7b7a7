package report

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Ack is the centre's receipt: every record of the lane from the device's First
// (see Head) up to Seq is committed in its database, or explained by a gap record
// that is. What lies below First the device has no more; numbers there that the
// centre never got it counts as missing, but they don't stop the lane. The
// receipt is published retained and signed, so a broker can hold it back but not
// invent it.
//
// The text that is signed, as a note (c2sp.org/signed-note):
//
//	kentongan/v1/kiosk-7/ack/complaint
//	epoch 0f3a9c1d2e4b5a67
//	seq 31
//	hash <base64 of the SHA-256 of record 31; absent at seq 0>
//	time 2026-11-23T10:00:00Z
//	want 4-6
//
// A held line stands only where a number came with two contents: Seq then is the
// first such number, whatever the centre has above it.
//
// A checkpoint line is the centre's signature beside the device's own: it has
// verified that checkpoint of this lane and epoch, and holds the record.
//
//	checkpoint 28 <hash of record 28>
//
// A want line names records that the centre asks for again; there may be none
// or several.
type Ack struct {
	Device string
	Lane   Lane
	Epoch  Epoch
	Seq    uint64
	Hash   *Hash     // of record Seq; nil when Seq is 0 or was a gap
	Time   time.Time // the centre's clock, whole seconds
	Want   []Range
	Held   uint64 // the highest number that the centre has, where it is above Seq because a lower one came with two contents; else 0

	Checkpoint *Signed // the newest checkpoint of the device that the centre has verified and holds the record of; nil is none
}

// Signed is the record that a checkpoint vouches for.
type Signed struct {
	Seq  uint64
	Hash Hash
}

// Range is From to To, both included.
type Range struct{ From, To uint64 }

// MaxWant is how many ranges one Ack may ask for.
const MaxWant = 32

// Count is how many numbers the range holds.
func (r Range) Count() uint64 { return r.To - r.From + 1 }

// ErrAck is a note that is no acknowledgement for this device and lane.
var ErrAck = errors.New("not a valid acknowledgement")

// Sign returns the signed note.
func (a Ack) Sign(s note.Signer) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nepoch %s\nseq %d\n", Topics(a.Device).Ack(a.Lane), a.Epoch, a.Seq)
	if a.Hash != nil {
		fmt.Fprintf(&b, "hash %s\n", a.Hash)
	}
	fmt.Fprintf(&b, "time %s\n", a.Time.UTC().Format(time.RFC3339))
	if a.Held > 0 {
		fmt.Fprintf(&b, "held %d\n", a.Held)
	}
	if c := a.Checkpoint; c != nil {
		fmt.Fprintf(&b, "checkpoint %d %s\n", c.Seq, c.Hash)
	}
	for _, w := range a.Want {
		fmt.Fprintf(&b, "want %d-%d\n", w.From, w.To)
	}
	out, err := note.Sign(&note.Note{Text: b.String()}, s)
	if err != nil {
		return nil, fmt.Errorf("sign acknowledgement of %s/%s: %w", a.Device, a.Lane, err)
	}
	return out, nil
}

// OpenAck verifies a signed note and reads the acknowledgement in it, which
// must be the one for this device and lane.
func OpenAck(msg []byte, device string, lane Lane, v note.Verifiers) (Ack, error) {
	n, err := note.Open(msg, v)
	if err != nil {
		return Ack{}, fmt.Errorf("%w: %v", ErrAck, err)
	}
	a := Ack{Device: device, Lane: lane}
	lines := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if want := Topics(device).Ack(lane); lines[0] != want {
		return Ack{}, fmt.Errorf("%w: it is for %q, not for %q", ErrAck, lines[0], want)
	}
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, " ")
		if seen[key] && key != "want" {
			return Ack{}, fmt.Errorf("%w: two lines %q", ErrAck, key)
		}
		seen[key] = true
		if err := a.set(key, value); err != nil {
			return Ack{}, fmt.Errorf("%w: line %q: %v", ErrAck, line, err)
		}
	}
	for _, key := range []string{"epoch", "seq", "time"} {
		if !seen[key] {
			return Ack{}, fmt.Errorf("%w: no line %q", ErrAck, key)
		}
	}
	return a, nil
}

// set reads one line; a key that this version does not know is ignored.
func (a *Ack) set(key, value string) (err error) {
	switch key {
	case "epoch":
		a.Epoch, err = ParseEpoch(value)
	case "seq":
		a.Seq, err = strconv.ParseUint(value, 10, 64)
	case "hash":
		a.Hash = new(Hash)
		err = a.Hash.UnmarshalText([]byte(value))
	case "held":
		a.Held, err = strconv.ParseUint(value, 10, 64)
	case "time":
		a.Time, err = time.Parse(time.RFC3339, value)
	case "checkpoint":
		seq, hash, _ := strings.Cut(value, " ")
		c := new(Signed)
		if c.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil {
			err = c.Hash.UnmarshalText([]byte(hash))
		}
		a.Checkpoint = c
	case "want":
		from, to, _ := strings.Cut(value, "-")
		var r Range
		if r.From, err = strconv.ParseUint(from, 10, 64); err != nil {
			return err
		}
		if r.To, err = strconv.ParseUint(to, 10, 64); err != nil {
			return err
		}
		if r.From == 0 || r.To < r.From {
			return errors.New("not a range")
		}
		if len(a.Want) == MaxWant {
			return fmt.Errorf("more than %d ranges", MaxWant)
		}
		a.Want = append(a.Want, r)
	}
	return err
}
