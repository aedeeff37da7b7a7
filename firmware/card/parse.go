package card

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the most that is read of the settings.
const MaxBytes = 64 << 10

// Parse reads the settings, as an editor on any computer leaves them. Every line
// that is wrong is told of, not the first one alone.
func Parse(text []byte) (Card, error) {
	if p, ok := unreadable(text); ok {
		return Card{}, Problems{p}
	}
	r := reader{line: map[string]int{}}
	for i, line := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		r.read(i+1, strings.TrimSpace(line))
	}
	r.together()
	if len(r.problems) > 0 {
		return Card{}, r.problems
	}
	return r.card, nil
}

// unreadable tells whether the file is no text, or too much of it.
func unreadable(text []byte) (Problem, bool) {
	p := Problem{File: Settings}
	switch {
	case len(text) > MaxBytes:
		p.ID, p.EN = "berkas terlalu besar; tulis ulang dari contoh", "the file is too large; write it anew from the example"
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		p.ID, p.EN = "simpan berkas dengan pengodean UTF-8, bukan UTF-16 (Unicode)", "save the file as UTF-8, not as UTF-16 (Unicode)"
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		p.ID, p.EN = "bukan berkas teks; simpan sebagai teks UTF-8", "this is no text file; save it as text in UTF-8"
	default:
		return p, false
	}
	return p, true
}

// reader goes through the lines.
type reader struct {
	card     Card
	line     map[string]int // of each key that has a value
	problems Problems
}

func (r *reader) wrong(line int, id, en string) {
	r.problems = append(r.problems, Problem{Settings, line, id, en})
}

func (r *reader) read(n int, line string) {
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	if !ok {
		// The line itself is not shown: it may be a password, and this goes to a screen.
		r.wrong(n, "tidak ada = di baris ini; tulis NAMA = ISI, atau awali dengan #", "no = in this line; write NAME = VALUE, or begin the line with #")
		return
	}
	keep, known := fields[key]
	switch {
	case !known:
		r.wrong(n, fmt.Sprintf("%q tidak dikenal; yang dikenal: %s", short(key), names()), fmt.Sprintf("%q is not known; known are: %s", short(key), names()))
	case value == "": // as the example has it
	case r.line[key] > 0:
		r.wrong(n, fmt.Sprintf("%s sudah diisi di baris %d; hapus salah satu", key, r.line[key]), fmt.Sprintf("%s stands in line %d already; remove one", key, r.line[key]))
	default:
		r.line[key] = n
		if id, en := keep(&r.card, value); id != "" {
			r.wrong(n, key+": "+id, key+": "+en)
		}
	}
}

// together holds what belongs together against each other.
func (r *reader) together() {
	needs := func(key, other, id, en string) {
		if r.line[key] > 0 && r.line[other] == 0 {
			r.wrong(r.line[key], fmt.Sprintf("%s tanpa %s; %s", key, other, id), fmt.Sprintf("%s without %s; %s", key, other, en))
		}
	}
	needs("wifi_password", "wifi", "isi nama Wi-Fi", "fill in the name of the Wi-Fi")
	for _, key := range []string{"apn_user", "apn_password", "sim_pin"} {
		needs(key, "apn", "isi APN dari operator", "fill in the operator's APN")
	}
	needs("gateway", "address", "isi alamat, misalnya 192.168.1.50/24", "fill in the address, as in 192.168.1.50/24")
	needs("dns", "address", "isi alamat, misalnya 192.168.1.50/24", "fill in the address, as in 192.168.1.50/24")
	needs("token", "centre", "isi alamat pusat, https://NAMA:PORT", "fill in the centre's address, https://HOST:PORT")
	needs("centre", "token", "isi token dari pusat", "fill in the centre's token")
	if r.line["link"] > 0 && r.line["token"] > 0 {
		r.wrong(r.line["token"], "link sudah memuat token; kosongkan centre dan token", "the link has the token in it; leave centre and token empty")
	}
	if c := r.card.Cable; c.Address.IsValid() && c.Gateway.IsValid() && !c.Address.Contains(c.Gateway) {
		r.wrong(r.line["gateway"], fmt.Sprintf("gateway %s di luar jaringan %s", c.Gateway, c.Address.Masked()), fmt.Sprintf("gateway %s is outside of the network %s", c.Gateway, c.Address.Masked()))
	}
}

// field keeps one value; what is wrong with it comes back in both languages.
type field func(c *Card, value string) (id, en string)

var (
	linkForm  = regexp.MustCompile(`^https://[^\s/#]+\S*#\S+$`)
	hostForm  = regexp.MustCompile(`^https://[^\s/]+/?$`)
	tokenForm = regexp.MustCompile(`^[0-9A-Za-z -]{20,200}$`)
	apnForm   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,100}$`)
	pinForm   = regexp.MustCompile(`^[0-9]{4,8}$`)
	hexKey    = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
)

var fields = map[string]field{
	"link": func(c *Card, v string) (string, string) {
		c.Link = v
		return unless(linkForm.MatchString(v), "salin seluruh tautan dari pusat, https://...#...", "copy the centre's whole link, https://...#...")
	},
	"centre": func(c *Card, v string) (string, string) {
		c.Centre = v
		return unless(hostForm.MatchString(v), "tulis https://NAMA:PORT", "write https://HOST:PORT")
	},
	"token": func(c *Card, v string) (string, string) {
		c.Token = v
		return unless(tokenForm.MatchString(v), "salin seluruh token, 14 kelompok berisi 4 huruf", "copy the whole token, 14 groups of 4")
	},
	"wifi": func(c *Card, v string) (string, string) {
		c.WiFi.Name = v
		return unless(len(v) <= 32, "nama Wi-Fi paling panjang 32 bita", "the name of a Wi-Fi has at most 32 bytes")
	},
	"wifi_password": func(c *Card, v string) (string, string) {
		c.WiFi.Password = v
		return unless(hexKey.MatchString(v) || len(v) >= 8 && len(v) <= 63 && printable(v), "sandi Wi-Fi 8 sampai 63 huruf, angka, atau tanda", "a Wi-Fi password has 8 to 63 letters, digits or signs")
	},
	"apn": func(c *Card, v string) (string, string) {
		c.Cellular.APN = v
		return unless(apnForm.MatchString(v), "APN hanya huruf, angka, titik, dan tanda hubung", "an APN has letters, digits, dots and hyphens only")
	},
	"apn_user": func(c *Card, v string) (string, string) {
		c.Cellular.User = v
		return unless(len(v) <= 64 && printable(v), "paling panjang 64 huruf, angka, atau tanda", "at most 64 letters, digits or signs")
	},
	"apn_password": func(c *Card, v string) (string, string) {
		c.Cellular.Password = v
		return unless(len(v) <= 64 && printable(v), "paling panjang 64 huruf, angka, atau tanda", "at most 64 letters, digits or signs")
	},
	"sim_pin": func(c *Card, v string) (string, string) {
		c.Cellular.PIN = v
		return unless(pinForm.MatchString(v), "PIN SIM 4 sampai 8 angka", "a SIM's PIN has 4 to 8 digits")
	},
	"address": func(c *Card, v string) (string, string) {
		p, err := netip.ParsePrefix(v)
		c.Cable.Address = p
		return unless(err == nil && p.Addr().Is4(), "tulis alamat dan panjang jaringan, misalnya 192.168.1.50/24", "write the address and the network's length, as in 192.168.1.50/24")
	},
	"gateway": func(c *Card, v string) (string, string) {
		a, err := netip.ParseAddr(v)
		c.Cable.Gateway = a
		return unless(err == nil && a.Is4(), "tulis alamat, misalnya 192.168.1.1", "write an address, as in 192.168.1.1")
	},
	"dns": func(c *Card, v string) (string, string) {
		for _, one := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
			a, err := netip.ParseAddr(one)
			if err != nil || !a.Is4() {
				return "tulis satu atau beberapa alamat, misalnya 192.168.1.1 8.8.8.8", "write one address or more, as in 192.168.1.1 8.8.8.8"
			}
			c.Cable.DNS = append(c.Cable.DNS, a)
		}
		return "", ""
	},
}

// order is that of the example.
var order = []string{"link", "centre", "token", "wifi", "wifi_password", "apn", "apn_user", "apn_password", "sim_pin", "address", "gateway", "dns"}

func names() string { return strings.Join(order, ", ") }

func unless(good bool, id, en string) (string, string) {
	if good {
		return "", ""
	}
	return id, en
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// short is enough of a text to find it again.
func short(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}
