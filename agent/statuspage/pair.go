package statuspage

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
)

// A code is for one log-in and for codeFor. It has 40 bits; within the limits of
// guesses below nobody has tried more than a few hundred when it is over.
//
// Its hash stands in a file that whoever makes a code writes: the agent at its
// start, and `kentongan pair`, which the agent need not run for. The time is
// uptime in one boot: nobody sets that clock.
const (
	codeFor    = 10 * time.Minute
	codeLength = 8

	// alphabet has no letter that is taken for a digit.
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

	maxFile = 16 << 10
)

// Disk keeps small files whole or not at all. Load returns nil where there is
// none.
type Disk interface {
	Save(file string, text []byte) error
	Load(file string, most int64) ([]byte, error)
	Remove(file string) error
}

// pairing is the file of a code.
type pairing struct {
	Salt  []byte        `json:"salt"`
	Hash  []byte        `json:"hash"`
	Boot  string        `json:"boot"`
	Until time.Duration `json:"until"` // uptime in that boot
}

// NewCode makes the code that lets somebody in, and keeps its hash in file. One
// that was there is over.
func NewCode(d Disk, file string, now report.Stamp) (code string, until time.Duration, err error) {
	var raw [codeLength]byte
	_, _ = rand.Read(raw[:]) // never fails
	text := make([]byte, codeLength)
	for i, b := range raw {
		text[i] = alphabet[int(b)%len(alphabet)] // 256 is a multiple of 32
	}
	p := pairing{Salt: make([]byte, 16), Boot: now.Boot, Until: now.Uptime + codeFor}
	_, _ = rand.Read(p.Salt)
	p.Hash = p.hash(string(text))
	out, err := json.Marshal(p)
	if err == nil {
		err = d.Save(file, out)
	}
	if err != nil {
		return "", 0, fmt.Errorf("keep code: %w", err)
	}
	return string(text[:4]) + "-" + string(text[4:]), codeFor, nil
}

func (p pairing) hash(code string) []byte {
	h := sha256.New()
	h.Write(p.Salt)
	h.Write([]byte(code))
	return h.Sum(nil)
}

// normal is a code as it is compared: people leave out the hyphen and write O for
// 0, and I and L for 1.
func normal(code string) string {
	return strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(code)))
}

var errCode = errors.New("this code is not the newest one, or it is over")

// useCode takes a code, once.
func useCode(d Disk, file, code string, now report.Stamp) error {
	text, err := d.Load(file, maxFile)
	if err != nil {
		return fmt.Errorf("read code: %w", err)
	}
	var p pairing
	if text == nil || json.Unmarshal(text, &p) != nil || len(p.Hash) != sha256.Size {
		return errCode
	}
	if p.Boot != now.Boot || now.Uptime >= p.Until || subtle.ConstantTimeCompare(p.hash(normal(code)), p.Hash) != 1 {
		return errCode
	}
	if err := d.Remove(file); err != nil { // before it counts: a code that can't be taken away could be used again
		return fmt.Errorf("end code: %w", err)
	}
	return nil
}
