package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// setting is one value of a configuration.
type setting struct {
	path   string  // as streams[gate].url: items that have a name go by it
	value  string  // as it is printed; a secret as xxxxx
	secret *string // behind a pointer, so that no fmt verb shows it
	at     mark    // zero: it is the default
}

// given tells whether anything was set.
func (s setting) given() bool { return s.value != "" && s.value != `""` || s.secret != nil }

// same tells whether two settings are equal, secrets included.
func (s setting) same(o setting) bool {
	if (s.secret == nil) != (o.secret == nil) || s.secret != nil && *s.secret != *o.secret {
		return false
	}
	return s.value == o.value
}

// settings are all values, also those that are defaults, in the order of the
// table.
func (c *Config) settings() (all []setting) {
	walk(c.fields(""), "", "", func(path, mark string, f field) {
		if f.get == nil {
			return
		}
		s := setting{path: path, value: f.get(), at: c.marks[mark]}
		if f.reveal != nil {
			s.secret = f.reveal()
		}
		if s.given() {
			all = append(all, s)
		}
	})
	return all
}

// walk visits each scalar below fields: by the path that people use, and by the
// one that the marks have. A section that was not given has none.
func walk(fields []field, path, mark string, visit func(path, mark string, f field)) {
	for _, f := range fields {
		at, where := join(path, f.key), join(mark, f.key)
		switch {
		case f.kind == kindMapping && present(f.fields):
			walk(f.fields, at, where, visit)
		case f.kind == kindList:
			for i, inner := range f.items() {
				walk(inner, fmt.Sprintf("%s[%s]", at, itemName(inner, i)), fmt.Sprintf("%s[%d]", where, i), visit)
			}
		case f.kind != kindMapping:
			visit(at, where, f)
		}
	}
}

// itemName is what an item of a list is called: its name, else its number.
func itemName(fields []field, i int) string {
	if f := find(fields, "name"); f != nil && f.required {
		if name := strings.Trim(f.get(), `"`); name != "" {
			return name
		}
	}
	return fmt.Sprint(i)
}

// Below tells whether path is at, or something in it.
func Below(path, at string) bool {
	rest, ok := strings.CutPrefix(path, at)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Digest stands for the values at these paths, as streams[gate] or kiosk: it
// differs when one of them does. What is in a file of a secret counts, too, so
// that a new password is a change. It is of use within one process only.
func (c *Config) Digest(paths ...string) string {
	sum := sha256.New()
	for _, s := range c.settings() {
		if !slices.ContainsFunc(paths, func(at string) bool { return Below(s.path, at) }) {
			continue
		}
		fmt.Fprintf(sum, "%s\x00%s\x00", s.path, s.value)
		if s.secret != nil {
			fmt.Fprintf(sum, "%s\x00", *s.secret)
		}
	}
	for _, s := range c.secrets() {
		if slices.ContainsFunc(paths, func(at string) bool { return Below(s.path, at) }) {
			text, err := s.secret.Value()
			fmt.Fprintf(sum, "%s\x00%v\x00", text, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// namedSecret is a secret and the path of its owner.
type namedSecret struct {
	path   string
	secret Secret
}

// secrets are those that stand in files; the brokers' are watched by the uplink.
func (c *Config) secrets() (all []namedSecret) {
	for _, s := range c.Streams {
		if s.Password.outside() {
			all = append(all, namedSecret{"streams[" + s.Name + "]", s.Password})
		}
	}
	return all
}

// leastSecret is shorter than any password that is one: what is shorter stands
// in many a word.
const leastSecret = 4

// Hide takes every secret of the configuration out of a text, wherever it stands.
func (c *Config) Hide(text []byte) []byte {
	for _, s := range c.settings() {
		if s.secret != nil {
			text = hide(text, *s.secret)
			for _, m := range queryPassword.FindAllString(*s.secret, -1) {
				_, value, _ := strings.Cut(m, "=")
				text = hide(text, value)
			}
		}
	}
	for _, s := range c.outside() {
		if v, err := s.Value(); err == nil {
			text = hide(text, v)
		}
	}
	return text
}

func hide(text []byte, secret string) []byte {
	if len(secret) < leastSecret {
		return text
	}
	record, _ := json.Marshal(secret) // a text always can be
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(record), `"`), strings.Trim(strconv.Quote(secret), `"`)} {
		text = bytes.ReplaceAll(text, []byte(form), []byte(hidden))
	}
	return text
}

// outside are all secrets that stand in files.
func (c *Config) outside() (all []Secret) {
	for _, b := range c.Uplink.Brokers {
		all = append(all, b.Password)
	}
	for _, s := range c.Streams {
		all = append(all, s.Password)
	}
	return slices.DeleteFunc(all, func(s Secret) bool { return !s.outside() })
}

// SecretFiles are the files whose content Digest counts.
func (c *Config) SecretFiles() (files []string) {
	for _, s := range c.secrets() {
		if f, err := s.secret.place(); err == nil {
			files = append(files, f)
		}
	}
	return files
}
