package report

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// RecordKeyName is the name of a device's record key, the one that signs its
// checkpoints. The device stands in it, so the key of one device never verifies
// what is said to be another's.
func RecordKeyName(device string) string { return Root + "/" + device }

// NewRecordKey makes a device's record key: the secret, which stays on the
// device, and the public form that a centre verifies with.
func NewRecordKey(rand io.Reader, device string) (secret, public string, err error) {
	if secret, public, err = note.GenerateKey(rand, RecordKeyName(device)); err != nil {
		return "", "", fmt.Errorf("make record key of %s: %w", device, err)
	}
	return secret, public, nil
}

// CheckRecordKey tells why a text can't be the public record key of the device.
func CheckRecordKey(public, device string) error {
	v, err := note.NewVerifier(public)
	if err != nil {
		return fmt.Errorf("not a note verifier: %w", err)
	}
	if want := RecordKeyName(device); v.Name() != want {
		return fmt.Errorf("a key of %.80q, not of %q", v.Name(), want)
	}
	return nil
}

// PublicKey derives the public form of a note's secret key.
func PublicKey(secret string) (string, error) {
	name, seed, err := KeySeed(secret)
	if err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// KeyID is the part of a note verifier that a signature names: name+hash.
func KeyID(public string) string {
	name, rest, _ := strings.Cut(public, "+")
	hash, _, _ := strings.Cut(rest, "+")
	return name + "+" + hash
}

// KeySeed reads a note's secret key: PRIVATE+KEY+name+hash+data, data in base64
// with the algorithm (1 is Ed25519) in its first byte.
func KeySeed(secret string) (name string, seed []byte, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(secret), "PRIVATE+KEY+")
	name, rest, _ = strings.Cut(rest, "+")
	_, data, _ := strings.Cut(rest, "+") // the name can't have a +, the base64 can
	raw, err := base64.StdEncoding.DecodeString(data)
	if !ok || err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != 1 {
		return "", nil, errors.New("not an Ed25519 note key")
	}
	return name, raw[1:], nil
}

// SeedKey is the note's secret key of a seed under a name.
func SeedKey(name string, seed []byte) (string, error) {
	public, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil {
		return "", fmt.Errorf("name key: %w", err)
	}
	hash, _, _ := strings.Cut(strings.TrimPrefix(public, name+"+"), "+")
	return "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)), nil
}
