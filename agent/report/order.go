package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Order is what the centre tells one device to do, once. It is published on
// cmd/{name}, signed, and repeated until the device's CommandResult is there,
// so a broker can hold it back but not invent, change or double it.
//
// The text that is signed, as a note (c2sp.org/signed-note):
//
//	kentongan/v1/kiosk-7/cmd/snapshot
//	id 5f0c9a1d2e4b5a67
//	counter 1795000000000
//	not-before 2026-11-26T10:00:00Z
//	expires 2026-11-26T10:10:00Z
//	arguments {"stream":"gate","who":"Sari","reason":"laporan warga"}
//
// The first line tells it from a receipt, which begins with .../ack/{lane}, and
// binds it to one device and one command.
type Order struct {
	Device    string
	Name      string
	ID        string    // 16 hex digits, random
	Counter   uint64    // grows with each order of the centre
	NotBefore time.Time // whole seconds
	Expires   time.Time // whole seconds
	Arguments json.RawMessage

	Key string // of an order that was opened: name+hash of the key that signed it
}

// Bounds of an order.
const (
	MaxOrderBytes = 16 << 10
	MaxOrderLife  = 24 * time.Hour
)

// Why a message is no order. Only ErrOrderDevice comes with an Order that the
// centre did sign.
var (
	ErrOrderKey    = errors.New("signed by no key that is known")
	ErrOrderForged = errors.New("the signature does not fit")
	ErrOrder       = errors.New("not a valid order")
	ErrOrderDevice = errors.New("an order for somebody else")
)

var orderID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// ValidOrderID tells whether s can be the id of an order.
func ValidOrderID(s string) bool { return orderID.MatchString(s) }

// Command is where an order goes.
func (d Topics) Command(name string) string { return d.join("cmd", name) }

// Sign returns the signed note.
func (o Order) Sign(s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\nid %s\ncounter %d\nnot-before %s\nexpires %s\narguments %s\n",
		Topics(o.Device).Command(o.Name), o.ID, o.Counter,
		o.NotBefore.UTC().Format(time.RFC3339), o.Expires.UTC().Format(time.RFC3339), o.Arguments)
	if strings.Count(text, "\n") != 6 || !json.Valid(o.Arguments) {
		return nil, fmt.Errorf("sign order %s for %s: arguments are not one line of JSON", o.Name, o.Device)
	}
	out, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign order %s for %s: %w", o.Name, o.Device, err)
	}
	return out, nil
}

// OpenOrder verifies a message and reads the order in it, which must be the one
// for this device and command.
func OpenOrder(msg []byte, device, name string, v note.Verifiers) (Order, error) {
	n, err := note.Open(msg, v)
	switch {
	case errors.As(err, new(*note.InvalidSignatureError)):
		return Order{}, ErrOrderForged
	case errors.As(err, new(*note.UnverifiedNoteError)):
		return Order{}, ErrOrderKey
	case err != nil:
		return Order{}, fmt.Errorf("%w: %v", ErrOrder, err)
	}
	first, rest, _ := strings.Cut(n.Text, "\n")
	t, err := ParseTopic(first)
	if err != nil || t.Branch != "cmd" {
		return Order{}, fmt.Errorf("%w: it begins with %.80q", ErrOrder, first)
	}
	o := Order{Device: t.Device, Name: t.Name, Key: fmt.Sprintf("%s+%08x", n.Sigs[0].Name, n.Sigs[0].Hash)}
	if err := o.read(rest); err != nil {
		return Order{}, fmt.Errorf("%w: %v", ErrOrder, err)
	}
	if o.Device != device || o.Name != name {
		return o, fmt.Errorf("%w: it is for %s of %s", ErrOrderDevice, o.Name, o.Device)
	}
	return o, nil
}

// read reads the lines behind the first.
func (o *Order) read(text string) error {
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, " ")
		if seen[key] {
			return fmt.Errorf("two lines %q", key)
		}
		seen[key] = true
		if err := o.set(key, value); err != nil {
			return fmt.Errorf("line %.80q: %v", line, err)
		}
	}
	for _, key := range []string{"id", "counter", "not-before", "expires", "arguments"} {
		if !seen[key] {
			return fmt.Errorf("no line %q", key)
		}
	}
	return nil
}

// set reads one line. A key that this version does not know may limit what the
// order means, so it is refused.
func (o *Order) set(key, value string) (err error) {
	switch key {
	case "id":
		if o.ID = value; !ValidOrderID(value) {
			err = errors.New("16 hex digits")
		}
	case "counter":
		if o.Counter, err = strconv.ParseUint(value, 10, 64); err == nil && o.Counter == 0 {
			err = errors.New("counts from 1")
		}
	case "not-before":
		o.NotBefore, err = time.Parse(time.RFC3339, value)
	case "expires":
		o.Expires, err = time.Parse(time.RFC3339, value)
	case "arguments":
		if o.Arguments = json.RawMessage(value); !json.Valid(o.Arguments) {
			err = errors.New("not JSON")
		}
	default:
		err = errors.New("unknown key")
	}
	return err
}
