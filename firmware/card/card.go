// Package card turns what a technician wrote on a card's boot partition into what
// the device needs: the enrolment link and the connections of NetworkManager.
//
// The boot partition is the one that every computer can write, and it is read at
// every start: who changes the Wi-Fi puts the card into a laptop, edits one text
// file, and puts it back. A file that makes no sense changes nothing: the device
// starts with what it had, and says on the card, in Indonesian and English, which
// line is wrong and what to write there.
package card

import (
	"fmt"
	"net/netip"
	"strings"
)

// Names on the boot partition.
const (
	Settings = "kentongan.txt"        // what the technician wrote
	Config   = "kentongan.yaml"       // a configuration to begin with; may be missing
	Status   = "kentongan-status.txt" // what became of it
)

// Card is what the settings say. What is empty was not asked for.
type Card struct {
	Link          string // of the enrolment
	Centre, Token string // the same in two parts
	WiFi          WiFi
	Cellular      Cellular
	Cable         Cable
}

// WiFi is a network to join; no Password is one that is open.
type WiFi struct{ Name, Password string }

// Cellular is a modem's connection.
type Cellular struct{ APN, User, Password, PIN string }

// Cable is a fixed address of the wired network; the zero Cable asks for one.
type Cable struct {
	Address netip.Prefix
	Gateway netip.Addr
	DNS     []netip.Addr
}

// Problem is one thing that is wrong in a file on the boot partition.
type Problem struct {
	File   string
	Line   int // 0: the whole file
	ID, EN string
}

func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s: %s | %s", where, p.ID, p.EN)
}

// Problems are an error.
type Problems []Problem

func (p Problems) Error() string {
	var lines []string
	for _, one := range p {
		lines = append(lines, one.String())
	}
	return strings.Join(lines, "\n")
}
