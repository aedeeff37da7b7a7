package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Kiosk is the buttons and what they mean.
type Kiosk struct {
	Number       uint32 // device part of the tickets
	Buttons      []Button
	Combinations []Combination
	Cancel       Cancel
	Cooldown     time.Duration // of one button, after a press that counted
	Lamps        Lamps
	Buzzer       Lamp
	Quiet        QuietHours
	SelfTest     TimeOfDay
	Printer      Printer
	Screen       Screen
}

// Button is one button, or a service that is reached in another way: by the
// long press or the combination of others.
type Button struct {
	Name        string
	Wire        Wire          // Line "" is none
	Hold        time.Duration // to count; 0 counts at once
	Long        LongPress
	ServiceCode string // as in Open311
	Category    string
	Label       Label
}

// Wire is one input line.
type Wire struct {
	Chip      string // "" is any chip that has Line
	Line      string // kernel's name, or offset in decimal
	ActiveLow bool
	Bias      string        // up, down, off, as_is
	Debounce  time.Duration // 0 is none
}

// LongPress is what a button means when it is held.
type LongPress struct {
	Means string // name of another button; "" is none
	After time.Duration
}

// Combination is two buttons that mean a third when they are pressed together.
type Combination struct {
	First, Second, Means string
	Within               time.Duration
}

// Cancel is how a press is taken back; no Wire.Line is no button for it.
type Cancel struct {
	Wire   Wire
	Within time.Duration // 0 is not at all
}

// Label is a text for citizens.
type Label struct{ ID, EN string }

// Lamps are the signals; one whose Line is "" is not there.
type Lamps struct {
	Saved    Lamp // the press is on the disk
	Received Lamp // the centre has it
	Fault    Lamp // a press would not be kept
	Alive    Lamp // changes four times a second while a press would be kept
}

// Lamp is one output line.
type Lamp struct {
	Chip      string // as Wire.Chip
	Line      string
	ActiveLow bool
	Sense     string // input line that sees the lamp's current; "" is none
}

// QuietHours are those in which the buzzer is silent; no From is none.
type QuietHours struct{ From, To TimeOfDay }

// Printer is where slips come out; no Device is none.
type Printer struct {
	Device string
	Baud   int64 // 0 leaves the line's speed as it is
	Width  int64 // characters of a line
	Title  string
	URL    string // of the QR code
}

// Screen is the page for citizens; no Listen is none.
type Screen struct {
	Listen    string // HOST:PORT
	Title     string
	Help      string
	Touch     bool
	ShowFor   time.Duration // of a ticket
	Languages string        // directory; "" is none
}

// TimeOfDay is HH:MM, or off.
type TimeOfDay string

// Since returns the time since midnight; ok is false for off.
func (t TimeOfDay) Since() (d time.Duration, ok bool) {
	at, err := time.Parse("15:04", string(t))
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err == nil
}

func (k *Kiosk) fields(dir string) []field {
	return []field{
		integer("number", &k.Number, 0, report.MaxTicketPart).like("7").
			says("The device part of the tickets; needed with buttons. No two kiosks of a province may have the same, and a kiosk whose data directory is lost gets a new one."),
		list("buttons", &k.Buttons, (*Button).fields).says("The buttons, and the services that are reached by a long press or a combination."),
		list("combinations", &k.Combinations, (*Combination).fields).says("Two buttons that mean a third when they are pressed together."),
		mapping("cancel", append(k.Cancel.Wire.fields(), duration("within", &k.Cancel.Within, 0, time.Minute).defaults("3s").
			says("Time after a press was confirmed in which it can be taken back; 0s is not at all."))).
			says("A button that takes back the newest press. The press stays at the centre, with the word that it was taken back. Without line, only the screen can."),
		duration("cooldown", &k.Cooldown, 0, 10*time.Minute).defaults("3s").
			says("Time after a press in which more presses of the same button count into the same complaint."),
		mapping("lamps", []field{
			mapping("saved", k.Lamps.Saved.seen()).says("Lights when the press is on the disk; blinks while that takes longer than a tenth of a second."),
			mapping("received", k.Lamps.Received.seen()).says("Flashes twice and lights when the centre has it."),
			mapping("fault", k.Lamps.Fault.seen()).says("Lights while a press would not be kept, and flashes when one was not. See docs/how-to/kiosk.md for a wiring that lights it when the agent is dead."),
			mapping("alive", k.Lamps.Alive.fields()).says("No lamp: changes four times a second while a press would be kept, for a circuit that lights the red lamp when the changes stop."),
		}).says("The signals; each may be left out."),
		mapping("buzzer", k.Buzzer.fields()).
			says("A buzzer that sounds while its line is active. One beep: saved. Two: the centre has it. A long one: not saved. Three: taken back."),
		mapping("quiet_hours", []field{
			timeOfDay("from", &k.Quiet.From, false).must().like("22:00").says("When they begin, by local time."),
			timeOfDay("to", &k.Quiet.To, false).must().like("05:00").says("When they end."),
		}).says("Hours in which the buzzer is silent, each day; the lamps show all the same, and a press that was not kept is heard at any hour. While the clock was never set no hour is quiet."),
		timeOfDay("self_test", &k.SelfTest, true).defaults("06:00").
			says("When lamps, buttons, printer and the way to the centre are tested each day, by local time. The lamps light for a second."),
		mapping("printer", k.Printer.fields(dir)).says("An ESC/POS printer for slips with the ticket. A press never waits for it."),
		mapping("screen", k.Screen.fields(dir)).says("A page for a browser in kiosk mode, on the kiosk itself."),
	}
}

func (b *Button) fields() []field {
	return append(append([]field{
		text("name", &b.Name, checkName).matching(namePattern).must().like("road").says("Our name of the button; as a stream's."),
	}, b.Wire.fields()...),
		duration("hold", &b.Hold, 0, 10*time.Second).defaults("0s").
			says("Time that it must be held to count; 0s counts when it is pressed. For places where sleeves and rain press buttons."),
		mapping("long_press", []field{
			text("means", &b.Long.Means, checkName).matching(namePattern).must().like("aid").says("Name of the button that is meant."),
			duration("after", &b.Long.After, 500*time.Millisecond, 20*time.Second).defaults("2s").says("Time that it must be held."),
		}).says("What it means when it is held. The short press then counts when it is let go."),
		text("service_code", &b.ServiceCode, checkCode).matching(codePattern).must().like("jalan-rusak").says("What the complaint is about, as in the centre's Open311 list."),
		brief("category", &b.Category, 64).must().like("infrastruktur").says("Group of services that it belongs to."),
		mapping("label", []field{
			brief("id", &b.Label.ID, 80).must().like("Jalan rusak").says("Indonesian."),
			brief("en", &b.Label.EN, 80).must().like("Damaged road").says("English."),
		}).must().says("What the button says to citizens."),
	)
}

func (w *Wire) fields() []field {
	return []field{
		chip(&w.Chip),
		brief("line", &w.Line, 32).like("GPIO17").says("The kernel's name of the line, or its number in chip. Without it the button is reached in another way: by long_press, combinations or the screen."),
		boolean("active_low", &w.ActiveLow).defaults("true").says("Whether a press connects the line to ground, the usual wiring."),
		oneOf("bias", &w.Bias, "up", "down", "off", "as_is").defaults("up").says("The line's resistor: pull up, pull down, none, or as it is found."),
		duration("debounce", &w.Debounce, 0, time.Second).defaults("30ms").says("Time that the level must hold to count; 0s is none."),
	}
}

func (c *Combination) fields() []field {
	return []field{
		text("first", &c.First, checkName).matching(namePattern).must().like("road").says("Name of one button."),
		text("second", &c.Second, checkName).matching(namePattern).must().like("water").says("Name of the other."),
		text("means", &c.Means, checkName).matching(namePattern).must().like("aid").says("Name of the button that is meant."),
		duration("within", &c.Within, 20*time.Millisecond, time.Second).defaults("80ms").
			says("Longest time between the two. One that is pressed alone is confirmed later by this."),
	}
}

func (p *Printer) fields(dir string) []field {
	return []field{
		path("device", &p.Device, dir).must().like("/dev/usb/lp0").says("The printer's device: /dev/usb/lp0, or a serial line, /dev/serial/by-id/...."),
		integer("baud", &p.Baud, 0, 115200).defaults("0").says("Speed of a serial line: 9600, 19200, 38400, 57600 or 115200; 0 leaves it as it is."),
		integer("width", &p.Width, 16, 80).defaults("32").says("Characters of a line: 32 on paper of 58 mm, 48 on 80 mm."),
		brief("title", &p.Title, 100).like("Balai Kota Serang").says("First line of the slip."),
		text("url", &p.URL, checkSlipURL).like("https://lapor.example/t#{ticket}.{pin}").
			says("What the QR code holds; {ticket} and {pin} stand for the two. Without it the code holds the ticket and the PIN as text, for the kiosk's own scanner."),
	}
}

func (c *Screen) fields(dir string) []field {
	return []field{
		text("listen", &c.Listen, checkListen).must().like("127.0.0.1:8070").
			says("Address and port of the page. Only a browser on the kiosk itself sees tickets and may touch services, whatever the address is."),
		brief("title", &c.Title, 100).like("Balai Kota Serang").says("Title of the page; else it says that it is a complaint kiosk."),
		brief("help", &c.Help, 40).like("112").says("Telephone number to call when the kiosk is out of service."),
		boolean("touch", &c.Touch).defaults("false").says("Whether every button can be touched on the screen too. A button without line is only there."),
		duration("show_for", &c.ShowFor, 5*time.Second, 5*time.Minute).defaults("30s").says("Time that the ticket and PIN of a press are shown; the citizen can ask for more."),
		path("languages", &c.Languages, dir).like("languages").says("Directory of further languages, a file CODE.json for each; docs/how-to/kiosk.md says what is in them."),
	}
}

func checkListen(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = netip.ParseAddr(host)
	}
	if n, errPort := strconv.Atoi(port); err != nil || errPort != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%s is no address; write ADDRESS:PORT with an IP address, as 127.0.0.1:8070", show(s))
	}
	return nil
}

func checkSlipURL(s string) error {
	switch u, err := url.Parse(s); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("%s is no web address; write https://HOST/PATH with {ticket} in it", show(s))
	case !strings.Contains(s, "{ticket}"):
		return fmt.Errorf("%s does not hold {ticket}; write where the ticket goes, as https://lapor.example/t#{ticket}.{pin}", show(s))
	case len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%s is longer than 200 characters, or holds one that a QR code for every phone can't; shorten it", show(s))
	}
	return nil
}

func (l *Lamp) fields() []field {
	return []field{
		chip(&l.Chip),
		brief("line", &l.Line, 64).must().like("GPIO22").says("The kernel's name of the line, or its number in chip. led:NAME is an LED of the board, of those under /sys/class/leds."),
		boolean("active_low", &l.ActiveLow).defaults("false").says("Whether the lamp lights when the line is low."),
	}
}

// seen are the keys of a lamp that can be looked at.
func (l *Lamp) seen() []field {
	return append(l.fields(), brief("sense", &l.Sense, 32).like("GPIO26").
		says("A line, in the same chip, that changes when the lamp draws current: then the daily self-test finds a burnt lamp or a cut wire. It looks for a change, whichever level it is."))
}

func chip(to *string) field {
	return brief("chip", to, 64).like("gpiochip0").says("GPIO chip: name, label or /dev path; else any that has the line.")
}

func line(to *string) field {
	return brief("line", to, 32).must().like("GPIO17").says("The kernel's name of the line, or its number in chip.")
}

const timePattern = `^([01][0-9]|2[0-3]):[0-5][0-9]$`

var timeForm = regexp.MustCompile(timePattern)

// timeOfDay is HH:MM, or, where it may be, off.
func timeOfDay(key string, to *TimeOfDay, mayBeOff bool) field {
	or, within, pattern := "", "00:00 to 23:59", timePattern
	if mayBeOff {
		or, within, pattern = ", or off", within+", or `off`", "^off$|"+timePattern
	}
	return text(key, (*string)(to), func(s string) error {
		if !timeForm.MatchString(s) && !(mayBeOff && s == "off") {
			return fmt.Errorf("%s is no time of day; write HH:MM, as 06:00%s", show(s), or)
		}
		return nil
	}).within(within).matching(pattern)
}
