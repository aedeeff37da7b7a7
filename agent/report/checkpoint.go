package report

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is a device's word, signed with its record key, that its lane holds
// at Seq the record with that hash. Each record of a chained lane carries the hash
// of the one before it, so one checkpoint vouches for all records below it too:
// whoever alters, drops or reorders one of them has to forge the device's
// signature. The newest stands retained on state/checkpoint/{lane}.
//
// The text that is signed, as a note (c2sp.org/signed-note):
//
//	kentongan/v1/kiosk-7/state/checkpoint/complaint
//	epoch 0f3a9c1d2e4b5a67
//	seq 31
//	hash <base64 of the SHA-256 of record 31>
//	time 2026-11-26T10:00:00Z
//	key kentongan/v1/kiosk-7+1a2b3c4d+<base64 of the public key>
//
// The first line tells it from a receipt and from an order, and binds it to one
// lane of one device. The key line makes the note prove that who names the key
// has it; whether it is the device's key, the centre knows from its enrolment or
// from the first time it heard of it.
type Checkpoint struct {
	Device string
	Lane   Lane // a chained one
	Epoch  Epoch
	Seq    uint64
	Hash   Hash      // of record Seq
	Time   time.Time // the device's clock, whole seconds
	Key    string    // the note verifier of the key that signs
}

// MaxCheckpointBytes is the longest signed checkpoint that a centre reads.
const MaxCheckpointBytes = 4 << 10

// Why a message is no checkpoint.
var (
	ErrCheckpoint       = errors.New("not a valid checkpoint")
	ErrCheckpointForged = errors.New("the checkpoint's signature is not of the key that it has to be of")
)

// Sign returns the signed note; the signer must be that of Key.
func (c Checkpoint) Sign(s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\nepoch %s\nseq %d\nhash %s\ntime %s\nkey %s\n",
		Topics(c.Device).Checkpoint(c.Lane), c.Epoch, c.Seq, c.Hash, c.Time.UTC().Format(time.RFC3339), c.Key)
	out, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of %s/%s: %w", c.Device, c.Lane, err)
	}
	return out, nil
}

// ReadCheckpoint reads a checkpoint without asking whose it is: nothing of it is
// to be believed before OpenCheckpoint has said so.
func ReadCheckpoint(msg []byte, device string, lane Lane) (Checkpoint, error) {
	if len(msg) > MaxCheckpointBytes {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes, more than %d", ErrCheckpoint, len(msg), MaxCheckpointBytes)
	}
	_, err := note.Open(msg, note.VerifierList())
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrCheckpoint, err)
	}
	return parseCheckpoint(unverified.Note.Text, device, lane)
}

// OpenCheckpoint reads a checkpoint of this lane of this device and verifies that
// the key signed it, which has the form of a note verifier.
func OpenCheckpoint(msg []byte, device string, lane Lane, key string) (Checkpoint, error) {
	c, err := ReadCheckpoint(msg, device, lane)
	if err != nil {
		return Checkpoint{}, err
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read record key of %s: %w", device, err)
	}
	if _, err := note.Open(msg, note.VerifierList(v)); err != nil || c.Key != key {
		return Checkpoint{}, fmt.Errorf("%w: it names %.100q, and the device's key is %q", ErrCheckpointForged, c.Key, key)
	}
	return c, nil
}

func parseCheckpoint(text, device string, lane Lane) (Checkpoint, error) {
	c := Checkpoint{Device: device, Lane: lane}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if want := Topics(device).Checkpoint(lane); lines[0] != want {
		return Checkpoint{}, fmt.Errorf("%w: it is for %.100q, not for %q", ErrCheckpoint, lines[0], want)
	}
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, " ")
		if seen[key] {
			return Checkpoint{}, fmt.Errorf("%w: two lines %.40q", ErrCheckpoint, key)
		}
		seen[key] = true
		if err := c.set(key, value); err != nil {
			return Checkpoint{}, fmt.Errorf("%w: line %.100q: %v", ErrCheckpoint, line, err)
		}
	}
	for _, key := range []string{"epoch", "seq", "hash", "time", "key"} {
		if !seen[key] {
			return Checkpoint{}, fmt.Errorf("%w: no line %q", ErrCheckpoint, key)
		}
	}
	return c, nil
}

// set reads one line; a key that this version does not know is ignored.
func (c *Checkpoint) set(key, value string) (err error) {
	switch key {
	case "epoch":
		c.Epoch, err = ParseEpoch(value)
	case "seq":
		if c.Seq, err = strconv.ParseUint(value, 10, 64); err == nil && c.Seq == 0 {
			err = errors.New("counts from 1")
		}
	case "hash":
		err = c.Hash.UnmarshalText([]byte(value))
	case "time":
		c.Time, err = time.Parse(time.RFC3339, value)
	case "key":
		c.Key, err = value, CheckRecordKey(value, c.Device)
	}
	return err
}
