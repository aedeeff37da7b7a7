package report

import (
	"strings"
	"time"
)

// Kinds of records of a kiosk beside the press itself.
const (
	KindCancel   = "cancel"    // complaint: Cancel
	KindSelfTest = "self_test" // event: SelfTest
	KindPrinter  = "printer"   // event: PrinterState
)

// Cancel takes back a press that was kept and confirmed. The press stays where
// it is: nothing that was confirmed disappears, and the centre sees both.
type Cancel struct {
	Ticket  string `json:"ticket"`            // of the press that is taken back
	Line    string `json:"line"`              // the button that was pressed
	Presses int    `json:"presses,omitempty"` // further presses of it that are taken back too and stand in no other record
	By      string `json:"by"`                // button, screen
}

// SelfTest is the result of a kiosk's test of itself.
type SelfTest struct {
	OK     bool            `json:"ok"`
	Checks []SelfTestCheck `json:"checks"`
}

// SelfTestCheck is one thing that was tested.
type SelfTestCheck struct {
	Name   string `json:"name"` // lamp NAME, button NAME, buzzer, printer, centre
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// PrinterState is a change of a kiosk's printer.
type PrinterState struct {
	State   string `json:"state"` // ok, paper_low, paper_out, cover, offline, error, silent, hung, missing
	Detail  string `json:"detail,omitempty"`
	Dropped uint64 `json:"dropped,omitempty"` // slips that were not printed in the state before
}

// States of a complaint that the centre tells a kiosk and its citizens.
const (
	TicketReceived  = "received"
	TicketAssigned  = "assigned" // an agency has it
	TicketDone      = "done"
	TicketRejected  = "rejected"  // it can't be dealt with
	TicketWithdrawn = "withdrawn" // by a Cancel; the centre does not say it, it hears it
)

// TicketStates are those that the centre may tell.
func TicketStates() []string {
	return []string{TicketReceived, TicketAssigned, TicketDone, TicketRejected}
}

// TicketStatus tells a kiosk how a complaint of its own stands, for the citizen
// who asks there. Note is shown to whoever has the ticket and its PIN.
type TicketStatus struct {
	Ticket string    `json:"ticket"`
	State  string    `json:"state"`
	At     time.Time `json:"at"`
	Note   Text      `json:"note"`
}

// pinLength is the number of characters of a PIN.
const pinLength = 4

// NewPIN makes the PIN of a ticket out of the first 20 bits of a keyed hash.
func NewPIN(mac []byte) string {
	v := uint32(mac[0])<<12 | uint32(mac[1])<<4 | uint32(mac[2])>>4
	var b [pinLength]byte
	for i := range b {
		b[i] = ticketAlphabet[v>>(15-5*i)&31]
	}
	return string(b[:])
}

// NormalPIN reads a PIN as people write it: lower case, spaces and hyphens, and
// I, L, O for 1, 1, 0 are all right. What can't be a PIN comes back as "".
func NormalPIN(s string) string {
	s = alike.Replace(strings.ToUpper(s))
	if len(s) != pinLength || strings.Trim(s, ticketAlphabet) != "" {
		return ""
	}
	return s
}

// alike takes out what only separates and puts right what looks alike.
var alike = strings.NewReplacer("-", "", " ", "", ".", "", "I", "1", "L", "1", "O", "0")
