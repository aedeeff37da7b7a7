package config

import (
	"fmt"
	"strings"
)

// String returns the configuration as YAML with its defaults filled in, every
// password replaced by xxxxx.
func (c *Config) String() string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	printFields(&b, "", c.fields(""))
	return b.String()
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

// printFields writes what is set. It returns whether that was anything.
func printFields(b *strings.Builder, indent string, fields []field) bool {
	before := b.Len()
	for _, f := range fields {
		switch {
		case f.kind == kindMapping:
			var inner strings.Builder
			if present(f.fields) && printFields(&inner, indent+"  ", f.fields) {
				fmt.Fprintf(b, "%s%s:\n%s", indent, f.key, inner.String())
			}
		case f.kind == kindList:
			printItems(b, indent, f)
		default:
			if v := f.get(); v != "" && v != `""` {
				fmt.Fprintf(b, "%s%s: %s\n", indent, f.key, v)
			}
		}
	}
	return b.Len() > before
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

func printItems(b *strings.Builder, indent string, f field) {
	items := f.items()
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "%s%s:\n", indent, f.key)
	for _, fields := range items {
		var inner strings.Builder
		printFields(&inner, indent+"    ", fields)
		fmt.Fprintf(b, "%s  - %s", indent, strings.TrimPrefix(inner.String(), indent+"    "))
	}
}
