package report

import (
	"errors"
	"strings"
	"testing"
)

func TestTicketText(t *testing.T) {
	tests := map[string]Ticket{
		"0000-0000-0": {},
		"0007-0001-" + string(ticketAlphabet[ticketCheck([8]byte{0, 0, 0, 7, 0, 0, 0, 1})]):         {7, 1},
		"ZZZZ-ZZZZ-" + string(ticketAlphabet[ticketCheck([8]byte{31, 31, 31, 31, 31, 31, 31, 31})]): {MaxTicketPart, MaxTicketPart},
	}
	for want, ticket := range tests {
		if got := ticket.String(); got != want {
			t.Errorf("%+v is %s, want %s", ticket, got, want)
		}
		for _, as := range []string{want, strings.ToLower(want), strings.ReplaceAll(want, "-", ""), strings.ReplaceAll(want, "-", " ")} {
			if got, err := ParseTicket(as); err != nil || got != ticket {
				t.Errorf("%q read as %+v, %v, want %+v", as, got, err, ticket)
			}
		}
	}
	if got := NewTicket(7, MaxTicketPart+2); got != (Ticket{7, 1}) {
		t.Errorf("after a million the counter is %+v, want it to start again", got)
	}
}

func TestTicketLookAlikes(t *testing.T) {
	want := Ticket{Device: 1 << 5, Counter: 1}
	s := want.String() // 0010-0001-?
	alike := strings.NewReplacer("0", "o", "1", "l").Replace(s[:9]) + s[9:]
	if got, err := ParseTicket(alike); err != nil || got != want {
		t.Errorf("%q read as %+v, %v, want %+v", alike, got, err, want)
	}
}

// Every single wrong character and every swap of two, near or far, is found:
// all of them are tried on tickets spread over the whole space.
func TestTicketCheckFindsSlips(t *testing.T) {
	for n := range uint64(500) {
		ticket := NewTicket(uint32(n*2_654_435_761), n*n*40_503)
		s := []byte(strings.ReplaceAll(ticket.String(), "-", ""))
		for i := range s {
			was := s[i]
			for j := range ticketAlphabet {
				if s[i] = ticketAlphabet[j]; s[i] != was {
					mustRefuse(t, ticket, s)
				}
			}
			s[i] = was
			for j := range i {
				if s[i] != s[j] {
					s[i], s[j] = s[j], s[i]
					mustRefuse(t, ticket, s)
					s[i], s[j] = s[j], s[i]
				}
			}
		}
	}
}

func mustRefuse(t *testing.T, ticket Ticket, s []byte) {
	t.Helper()
	if got, err := ParseTicket(string(s)); !errors.Is(err, ErrTicket) {
		t.Fatalf("%s slipped to %s, which was read as %v, %v", ticket, s, got, err)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add("0007-0001-A")
	f.Add("oooo iiii l")
	f.Fuzz(func(t *testing.T, s string) {
		ticket, err := ParseTicket(s)
		if err != nil {
			return
		}
		if back, err := ParseTicket(ticket.String()); err != nil || back != ticket {
			t.Fatalf("%q is %+v, which comes back as %+v, %v", s, ticket, back, err)
		}
	})
}

// The check character is linear: each digit adds its own share, whatever the
// others are. So all slips of all tickets are those of one digit's shares, and
// these are all tried: no wrong digit adds what the right one adds, and no two
// digits add the same when they are swapped, near or far.
func TestTicketCheckFindsEverySlipOfEveryTicket(t *testing.T) {
	share := func(at int, v byte) byte { // the check character has place 8
		if at == 8 {
			return v
		}
		var d [8]byte
		d[at] = v
		return ticketCheck(d)
	}
	// A step of the sum is linear, and so is the whole sum, which is made of such
	// steps and of exclusive or.
	for v := range byte(32) {
		for w := range byte(32) {
			if timesAlpha(v^w) != timesAlpha(v)^timesAlpha(w) {
				t.Fatalf("the share of %d and %d is not the sum of theirs", v, w)
			}
		}
	}
	for at := range 9 {
		for other := range at {
			for v := range byte(32) {
				for w := range byte(32) {
					if at < 8 {
						var d [8]byte
						d[at], d[other] = v, w
						if ticketCheck(d) != share(at, v)^share(other, w) {
							t.Fatalf("digits %d and %d are not independent", at, other)
						}
					}
					if v != w && share(at, v)^share(other, w) == share(at, w)^share(other, v) {
						t.Fatalf("a swap of %d and %d at places %d and %d is not found", v, w, at, other)
					}
				}
			}
		}
		for v := range byte(32) {
			for w := range v {
				if share(at, v) == share(at, w) {
					t.Fatalf("%d for %d at place %d is not found", v, w, at)
				}
			}
		}
	}
}

// No two kiosks of a province can make the same ticket, and one kiosk makes each
// of its million once: the text and the two numbers are one-to-one.
func TestTicketsAreOneToOne(t *testing.T) {
	seen := map[string]Ticket{}
	for n := range uint64(1 << 15) {
		ticket := NewTicket(uint32(n*40_503), n*n+n)
		if other, ok := seen[ticket.String()]; ok && other != ticket {
			t.Fatalf("%+v and %+v are both %s", ticket, other, ticket)
		}
		seen[ticket.String()] = ticket
		if got, err := ParseTicket(strings.ToLower(ticket.String())); err != nil || got != ticket {
			t.Fatalf("%s read as %+v, %v, want %+v", ticket, got, err, ticket)
		}
	}
}

func TestPIN(t *testing.T) {
	pins := map[string]string{"4k7p": "4K7P", " 4K-7p ": "4K7P", "oil0": "0110", "": "", "4K7": "", "4K7PP": "", "4K7U": "", "4K7é": ""}
	for s, want := range pins {
		if got := NormalPIN(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
	if got := NewPIN([]byte{0xff, 0xff, 0xf0}); got != "ZZZZ" {
		t.Errorf("all ones are %s", got)
	}
	if got := NewPIN([]byte{0, 0, 0x1f}); got != "0001" {
		t.Errorf("the lowest of 20 bits is in %s", got)
	}
}
