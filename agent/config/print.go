package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// String returns the configuration as YAML with its defaults filled in, every
// password replaced by xxxxx.
func (c *Config) String() string {
	if c == nil {
		return ""
	}
	return c.Print(PrintOptions{})
}

// GoString implements fmt.GoStringer; it shows no secret.
func (c *Config) GoString() string { return c.String() }

// Summary is the configuration in one line, for people.
func (c *Config) Summary() string {
	s := "device " + c.Device
	if c.Site.Name != "" {
		s += " at " + c.Site.Name
	}
	s += fmt.Sprintf(", %s, %s, %s", count(len(c.Streams), "stream"), count(len(c.Kiosk.Buttons), "button"), count(len(c.Uplink.Brokers), "broker"))
	if len(c.Apps) > 0 {
		s += ", " + count(len(c.Apps), "application")
	}
	return s + ", board " + c.Board.Driver + ", acknowledged by the " + c.Uplink.Acknowledge
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// present tells whether a section was given: one whose required values are
// empty was not.
func present(fields []field) bool {
	for _, f := range fields {
		if f.required && f.get != nil && f.get() == `""` {
			return false
		}
	}
	return true
}

// PrintOptions say how Print shows a configuration.
type PrintOptions struct {
	Origins bool // behind each value where it comes from
	Redact  bool // hide what strangers need not see, too: user names, what stands behind the ? of a URL
}

// Print returns the configuration as YAML with its defaults filled in. Secrets are
// never shown.
func (c *Config) Print(o PrintOptions) string {
	p := printer{c: c, PrintOptions: o}
	p.fields("", "", c.fields(""))
	return p.out.String()
}

type printer struct {
	PrintOptions
	c     *Config
	out   strings.Builder
	first string // what stands before the first line of an item
}

// line writes one, with its comment.
func (p *printer) line(indent, text, comment string) {
	if p.first != "" {
		indent, p.first = p.first, ""
	}
	p.out.WriteString(indent + text)
	if p.Origins && comment != "" {
		p.out.WriteString("  # " + comment)
	}
	p.out.WriteByte('\n')
}

func (p *printer) fields(indent, mark string, fields []field) {
	for _, f := range fields {
		at := join(mark, f.key)
		switch {
		case f.kind == kindMapping && present(f.fields) && anything(f.fields):
			p.line(indent, f.key+":", "")
			p.fields(indent+"  ", at, f.fields)
		case f.kind == kindList && len(f.items()) > 0:
			p.line(indent, f.key+":", "")
			for i, inner := range f.items() {
				p.first = indent + "  - "
				p.fields(indent+"    ", fmt.Sprintf("%s[%d]", at, i), inner)
			}
		case f.get != nil:
			if v := p.value(f); v != "" && v != `""` {
				p.line(indent, f.key+": "+v, p.origin(at))
			}
		}
	}
}

// anything tells whether something in a section would be printed.
func anything(fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool {
		switch {
		case f.kind == kindMapping:
			return present(f.fields) && anything(f.fields)
		case f.kind == kindList:
			return len(f.items()) > 0
		}
		v := f.get()
		return v != "" && v != `""`
	})
}

func (p *printer) value(f field) string {
	v := f.get()
	if !p.Redact || v == "" || v == `""` {
		return v
	}
	if f.private {
		return hidden
	}
	if before, _, ok := strings.Cut(v, "?"); ok && f.kind == kindURL {
		return before + "?" + hidden + `"`
	}
	return v
}

// origin says where a value comes from.
func (p *printer) origin(mark string) string {
	if m, ok := p.c.marks[mark]; ok {
		return "line " + strconv.Itoa(m.line)
	}
	if user := strings.TrimSuffix(strings.TrimSuffix(mark, ".username"), ".password"); user != mark {
		return "from the url"
	}
	return "default"
}
