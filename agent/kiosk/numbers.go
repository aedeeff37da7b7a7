package kiosk

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"kentongan/agent/report"
)

const (
	numbersFile = "tickets.json"
	pinFile     = "pin.key"
	// reserveStep is how many tickets are set aside in the file at once, so that
	// it is written once in so many presses.
	reserveStep = 1024
)

// numbers makes tickets out of record numbers, and their PINs.
//
// A ticket's counter is base + seq. The base is 0 until the spool is made anew
// while this directory stays (a rescue): then seq begins again at 1, and base
// moves behind every counter that may have been given out. A new card loses
// both; the kiosk then needs a new number (docs/how-to/kiosk.md).
type numbers struct {
	dir    string // "" keeps nothing
	save   Save
	number uint32
	epoch  report.Epoch
	base   uint64
	pin    []byte // key of the PINs; nil when there are none

	mu       sync.Mutex // guards reserved
	reserved uint64     // counters up to this may have been given out
}

type numbersState struct {
	Number   uint32       `json:"number"`
	Epoch    report.Epoch `json:"epoch"`
	Base     uint64       `json:"base"`
	Reserved uint64       `json:"reserved"`
}

// openNumbers reads what dir keeps; next is the number of the store's next
// record. A file that can't be read is named in the error, and the numbers are
// usable all the same.
func openNumbers(dir string, save Save, number uint32, epoch report.Epoch, next uint64) (*numbers, error) {
	n := &numbers{dir: dir, save: save, number: number, epoch: epoch}
	if dir == "" {
		return n, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return n, fmt.Errorf("make the kiosk's directory: %w", err)
	}
	var noPIN error
	n.pin, noPIN = pinKey(filepath.Join(dir, pinFile), save)
	before, err := readNumbers(filepath.Join(dir, numbersFile))
	switch {
	case err != nil:
		// As if the store were new: what was given out is not known.
	case before.Number != number:
	case before.Epoch == epoch:
		n.base, n.reserved = before.Base, before.Reserved
	default:
		n.base, n.reserved = before.Reserved, before.Reserved
	}
	return n, errors.Join(noPIN, err, n.reserve(next))
}

func readNumbers(file string) (s numbersState, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return numbersState{}, fmt.Errorf("read which tickets were given out, %s: %w", file, err)
	}
	return s, nil
}

// reserve sees to it that the file covers some more tickets than those up to
// seq. It writes seldom.
func (n *numbers) reserve(seq uint64) error {
	if n.dir == "" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.base+seq+reserveStep/2 <= n.reserved {
		return nil
	}
	to := n.base + seq + reserveStep
	text, err := json.Marshal(numbersState{Number: n.number, Epoch: n.epoch, Base: n.base, Reserved: to})
	if err != nil {
		return err
	}
	if err := n.save(filepath.Join(n.dir, numbersFile), text); err != nil {
		return fmt.Errorf("keep which tickets were given out: %w", err)
	}
	n.reserved = to
	return nil
}

// ticket is the ticket of a record.
func (n *numbers) ticket(seq uint64) report.Ticket { return report.NewTicket(n.number, n.base+seq) }

// seqOf finds the newest record below next whose ticket it is.
func (n *numbers) seqOf(t report.Ticket, next uint64) (seq uint64, ok bool) {
	if t.Device != n.number || next == 0 {
		return 0, false
	}
	newest := n.base + next - 1
	back := (newest - uint64(t.Counter)) & report.MaxTicketPart
	if back > newest || newest-back <= n.base {
		return 0, false
	}
	return newest - back - n.base, true
}

// pinOf is the second group on the slip: what shows that somebody holds it, for
// the ticket itself can be guessed. 20 bits, so guesses have to be limited.
func (n *numbers) pinOf(t report.Ticket) string {
	if n.pin == nil {
		return ""
	}
	h := hmac.New(sha256.New, n.pin)
	h.Write([]byte("kentongan ticket pin " + t.String()))
	return report.NewPIN(h.Sum(nil))
}

func (n *numbers) pinFits(t report.Ticket, pin string) bool {
	want := n.pinOf(t)
	return want != "" && hmac.Equal([]byte(want), []byte(report.NormalPIN(pin)))
}

// pinKey reads the key of the PINs, or makes one.
func pinKey(file string, save Save) ([]byte, error) {
	key, err := os.ReadFile(file)
	if err == nil && len(key) == sha256.Size {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key of the tickets' PINs: %w", err)
	}
	key = make([]byte, sha256.Size) // none, or one that a power cut left short
	_, _ = rand.Read(key)           // never fails
	if err := save(file, key); err != nil {
		return nil, fmt.Errorf("keep the key of the tickets' PINs: %w", err)
	}
	return key, nil
}
