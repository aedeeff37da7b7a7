package report

import (
	"errors"
	"fmt"
	"strings"
)

// Ticket is the number that a citizen takes home. A kiosk makes it without a
// network, out of its own number and a counter, so that no two kiosks of the
// province can make the same one.
//
// It is written DDDD-NNNN-C: 20 bits of device and 20 bits of counter in
// Crockford's base 32, and a check character over GF(32).
type Ticket struct {
	Device  uint32 // 0 to MaxTicketPart
	Counter uint32 // 0 to MaxTicketPart, then it starts again
}

// MaxTicketPart is the largest device number and the largest counter.
const MaxTicketPart = 1<<20 - 1

// Crockford's alphabet: no I, L, O, U, which are misread or misheard.
const ticketAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ErrTicket is a number that no kiosk made.
var ErrTicket = errors.New("not a valid ticket number")

// NewTicket makes the ticket of a counter that may be larger than a ticket has
// room for: it goes round after a million.
func NewTicket(device uint32, counter uint64) Ticket {
	return Ticket{Device: device & MaxTicketPart, Counter: uint32(counter & MaxTicketPart)}
}

// String returns the number as it is shown and printed.
func (t Ticket) String() string {
	var d [8]byte
	for i := range 4 {
		d[i] = byte(t.Device>>(15-5*i)) & 31
		d[4+i] = byte(t.Counter>>(15-5*i)) & 31
	}
	var b strings.Builder
	for i, v := range d {
		if i == 4 {
			b.WriteByte('-')
		}
		b.WriteByte(ticketAlphabet[v])
	}
	b.WriteByte('-')
	b.WriteByte(ticketAlphabet[ticketCheck(d)])
	return b.String()
}

// ParseTicket reads a number as people write it: lower case, spaces, missing
// hyphens, and I, L, O for 1, 1, 0 are all right.
func ParseTicket(s string) (Ticket, error) {
	d, bad := crockford(s)
	if bad != 0 {
		return Ticket{}, fmt.Errorf("%w: %q: no ticket has the character %q", ErrTicket, s, bad)
	}
	if len(d) != 9 {
		return Ticket{}, fmt.Errorf("%w: %q: %d characters, a ticket has 9", ErrTicket, s, len(d))
	}
	if ticketCheck([8]byte(d)) != d[8] {
		return Ticket{}, fmt.Errorf("%w: %q: the last character does not fit the others; read it again", ErrTicket, s)
	}
	var t Ticket
	for i := range 4 {
		t.Device = t.Device<<5 | uint32(d[i])
		t.Counter = t.Counter<<5 | uint32(d[4+i])
	}
	return t, nil
}

// crockford reads the digits of what people write in Crockford's base 32; bad is
// the first character that is none, or 0.
func crockford(s string) (digits []byte, bad rune) {
	for _, c := range strings.ToUpper(s) {
		switch c {
		case '-', ' ', '.':
			continue
		case 'I', 'L':
			c = '1'
		case 'O':
			c = '0'
		}
		v := strings.IndexRune(ticketAlphabet, c)
		if v < 0 {
			return nil, c
		}
		digits = append(digits, byte(v))
	}
	return digits, 0
}

// ticketCheck is the sum of the digits, each times its own power of a
// primitive element α of GF(32). The weights differ, so a swap of any two
// digits changes it; none is zero, so one wrong digit changes it. The check
// character itself has weight 1 = α⁰, the digits α⁸ down to α¹, so a swap with
// it is found too (the arithmetic of Reed-Solomon codes over GF(2⁵)).
func ticketCheck(d [8]byte) byte {
	var sum byte
	for _, v := range d {
		sum = timesAlpha(sum ^ v) // Horner: after the last, v₈ has weight α
	}
	return sum
}

// timesAlpha multiplies by α in GF(32) with the polynomial x⁵+x²+1.
func timesAlpha(v byte) byte {
	v <<= 1
	if v&32 != 0 {
		v ^= 0b100101
	}
	return v
}
