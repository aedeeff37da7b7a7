package report

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Hash is the SHA-256 of a record's line. It is written in base64 (RFC 4648,
// with padding), as signed notes write hashes.
type Hash [sha256.Size]byte

// HashLine returns the hash of a record's line, without line end.
func HashLine(line []byte) Hash { return sha256.Sum256(line) }

// String returns the hash in base64.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(raw) != len(h) {
		return fmt.Errorf("%q is not the base64 of a SHA-256", text)
	}
	copy(h[:], raw)
	return nil
}

// Epoch names one store: a random number made when the store is created. It is
// written as 16 hex digits; 0 is no epoch.
type Epoch uint64

// String returns the 16 hex digits.
func (e Epoch) String() string {
	text, _ := e.AppendText(nil) // never fails
	return string(text)
}

// AppendText implements encoding.TextAppender.
func (e Epoch) AppendText(b []byte) ([]byte, error) {
	return hex.AppendEncode(b, be64(uint64(e))), nil
}

// MarshalText implements encoding.TextMarshaler.
func (e Epoch) MarshalText() ([]byte, error) { return e.AppendText(nil) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Epoch) UnmarshalText(text []byte) error {
	got, err := ParseEpoch(string(text))
	if err != nil {
		return err
	}
	*e = got
	return nil
}

// ParseEpoch reads what String writes: 16 lower-case hex digits, not all zero.
func ParseEpoch(s string) (Epoch, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || n == 0 || hex.EncodeToString(be64(n)) != s {
		return 0, fmt.Errorf("%q is not an epoch: 16 lower-case hex digits", s)
	}
	return Epoch(n), nil
}

func be64(n uint64) []byte {
	return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}
