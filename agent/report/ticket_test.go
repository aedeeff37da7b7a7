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
