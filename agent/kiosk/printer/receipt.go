package printer

import (
	"bytes"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Slip is what a citizen takes home.
type Slip struct {
	Ticket string
	PIN    string // "" where there is none
	Label  report.Text
	At     time.Time // local
	Set    bool      // the clock was set, so that At can be believed
}

// layout is how slips look.
type layout struct {
	width int    // characters of a line
	title string // "" is none
	url   string // of the QR code, with {ticket} and {pin}; "" is ticket and PIN as text
}

// Commands (Epson, ESC/POS command reference).
var (
	initialise = []byte{0x1b, '@'}
	centred    = []byte{0x1b, 'a', 1}
	boldOn     = []byte{0x1b, 'E', 1}
	boldOff    = []byte{0x1b, 'E', 0}
	large      = []byte{0x1d, '!', 0x11} // twice as wide and as high
	tall       = []byte{0x1d, '!', 0x01}
	plain      = []byte{0x1d, '!', 0x00}
	cut        = []byte{0x1d, 'V', 66, 0} // feed to the knife, and cut
)

// encode makes the bytes of a slip.
func (l layout) encode(s Slip) []byte {
	var b bytes.Buffer
	text := func(lines ...string) {
		for _, line := range lines {
			for _, part := range wrap(ascii(line), l.width) {
				b.WriteString(part)
				b.WriteByte('\n')
			}
		}
	}
	b.Write(initialise)
	b.Write(centred)
	if l.title != "" {
		b.Write(boldOn)
		text(l.title)
		b.Write(boldOff)
		text("")
	}
	text("Nomor pengaduan / Complaint number")
	b.Write(large)
	b.WriteString(s.Ticket + "\n")
	b.Write(plain)
	if s.PIN != "" {
		b.Write(tall)
		text("PIN " + s.PIN)
		b.Write(plain)
	}
	text("", s.Label.ID, s.Label.EN, "")
	if s.Set {
		text(s.At.Format("2006-01-02 15:04 MST"))
	} else {
		text("Jam kios belum disetel", "The kiosk's clock is not set")
	}
	text("")
	qrCode(&b, l.code(s))
	text("", "Simpan slip ini untuk melihat status", "Keep this slip to see the status")
	b.Write(cut)
	return b.Bytes()
}

// code is what the QR code holds.
func (l layout) code(s Slip) string {
	if l.url == "" {
		return strings.TrimSpace(s.Ticket + " " + s.PIN)
	}
	return strings.NewReplacer("{ticket}", s.Ticket, "{pin}", s.PIN).Replace(l.url)
}

// qrCode lets the printer draw a QR code of its own: GS ( k, functions 165, 167,
// 169, 180 and 181.
func qrCode(b *bytes.Buffer, content string) {
	function := func(fn byte, data ...byte) {
		n := len(data) + 2
		b.Write([]byte{0x1d, '(', 'k', byte(n), byte(n >> 8), '1', fn})
		b.Write(data)
	}
	function('A', '2', 0)                             // model 2
	function('C', 6)                                  // dots of a module
	function('E', '1')                                // error correction M
	function('P', append([]byte{'0'}, content...)...) // keep
	function('Q', '0')                                // print
}

// asciiOf are what a printer of any make can print in place of what it may not
// have; the rest becomes a question mark.
var asciiOf = strings.NewReplacer(
	"á", "a", "à", "a", "â", "a", "ä", "a", "å", "a", "ã", "a", "é", "e", "è", "e", "ê", "e", "ë", "e",
	"í", "i", "ì", "i", "î", "i", "ï", "i", "ó", "o", "ò", "o", "ô", "o", "ö", "o", "õ", "o",
	"ú", "u", "ù", "u", "û", "u", "ü", "u", "ñ", "n", "ç", "c", "É", "E", "È", "E", "Ê", "E",
	"–", "-", "—", "-", "‘", "'", "’", "'", "“", `"`, "”", `"`, "…", "...", "·", "-", "×", "x", "°", " deg", "\u00a0", " ",
)

func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, asciiOf.Replace(s))
}

// wrap breaks a line between words; a word that is longer than a line is cut.
func wrap(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(s) {
		for len(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, word[:width]), word[width:]
		}
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
