package config

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kinds of values, as messages and the reference name them.
const (
	kindText     = "text"
	kindPath     = "path"
	kindURL      = "URL"
	kindInteger  = "integer"
	kindNumber   = "number"
	kindBool     = "boolean"
	kindDuration = "duration"
	kindSize     = "size"
	kindMapping  = "section"
	kindList     = "list"
)

// text is any text that check allows; check may be nil.
func text(key string, to *string, check func(string) error) field {
	return scalar(key, kindText, to, func(s string) (string, error) {
		if s == "" {
			return "", nil // as if it were not there; required fields see to it
		}
		if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
			return "", errors.New("holds a line end or a control character; write it on one line")
		}
		if check == nil {
			return s, nil
		}
		return s, check(s)
	}, strconv.Quote)
}

// brief is a text for people of at most so many characters.
func brief(key string, to *string, most int) field {
	f := text(key, to, func(s string) error {
		if n := utf8.RuneCountInString(s); n > most {
			return fmt.Errorf("%d characters; at most %d", n, most)
		}
		return nil
	})
	f.longest = most
	return f
}

// path is a file or directory; a relative one counts from dir.
func path(key string, to *string, dir string) field {
	return scalar(key, kindPath, to, func(s string) (string, error) { return resolve(s, dir) }, strconv.Quote)
}

func resolve(s, dir string) (string, error) {
	switch {
	case s == "":
		return "", nil
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "", errors.New("a path can't hold a control character")
	case len(s) > 4000:
		return "", fmt.Errorf("%d bytes; Linux takes 4095", len(s))
	case strings.HasPrefix(s, "~"):
		return "", fmt.Errorf("%s: ~ means nothing here; write the whole path", show(s))
	case filepath.IsAbs(s):
		return filepath.Clean(s), nil
	}
	return filepath.Join(dir, s), nil
}

// oneOf is one of a few words.
func oneOf(key string, to *string, words ...string) field {
	allowed := strings.Join(words, ", ")
	f := scalar(key, kindText, to, func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		if w := Suggest(s, words); w != "" {
			return "", fmt.Errorf("%s is not one of %s; did you mean %s?", show(s), allowed, w)
		}
		return "", fmt.Errorf("%s is not one of %s", show(s), allowed)
	}, strconv.Quote)
	f.enum = words
	return f
}

// integer is a whole number from lo to hi.
func integer[T int64 | uint32](key string, to *T, lo, hi T) field {
	return scalar(key, kindInteger, to, func(s string) (T, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if errors.Is(err, strconv.ErrRange) || err == nil && (n < int64(lo) || n > int64(hi)) {
			return 0, fmt.Errorf("%s is out of range; write %d to %d", show(s), lo, hi)
		}
		if err != nil || strconv.FormatInt(n, 10) != s {
			return 0, fmt.Errorf("%s is not a plain whole number; write %d to %d in decimal digits", show(s), lo, hi)
		}
		return T(n), nil
	}, func(v T) string { return strconv.FormatInt(int64(v), 10) }).within(fmt.Sprintf("%d to %d", lo, hi)).between(float64(lo), float64(hi))
}

// number is a decimal number from lo to hi.
func number(key string, to *float64, lo, hi float64) field {
	return scalar(key, kindNumber, to, func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(v) {
			return 0, fmt.Errorf("%s is not a number; write %g to %g", show(s), lo, hi)
		}
		if v < lo || v > hi {
			return 0, fmt.Errorf("%s is out of range; write %g to %g", show(s), lo, hi)
		}
		return v, nil
	}, func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }).within(fmt.Sprintf("%g to %g", lo, hi)).between(lo, hi)
}

// optional is a number that may be missing: nil.
func optional(key string, to **float64, lo, hi float64) field {
	var v float64
	f := number(key, &v, lo, hi)
	set, get := f.set, f.get
	f.set = func(s string) error {
		err := set(s)
		if err == nil {
			*to = new(v)
		}
		return err
	}
	f.get = func() string {
		if *to == nil {
			return ""
		}
		v = **to
		return get()
	}
	return f
}

// boolean is true or false.
func boolean(key string, to *bool) field {
	return scalar(key, kindBool, to, func(s string) (bool, error) {
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		case "yes", "on", "y", "1":
			return false, fmt.Errorf("%s is not a boolean; write true", show(s))
		case "no", "off", "n", "0":
			return false, fmt.Errorf("%s is not a boolean; write false", show(s))
		}
		return false, fmt.Errorf("%s is not a boolean; write true or false", show(s))
	}, strconv.FormatBool)
}

// duration is a time with its unit, from lo to hi.
func duration(key string, to *time.Duration, lo, hi time.Duration) field {
	limits := short(lo) + " to " + short(hi)
	return scalar(key, kindDuration, to, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			if bareNumber.MatchString(s) {
				return 0, fmt.Errorf("%s has no unit; write %s", show(s), withUnit(s, lo, hi))
			}
			return 0, fmt.Errorf("%s is not a duration; write a number and ms, s, m or h, as 10s", show(s))
		}
		if d < lo || d > hi {
			return 0, fmt.Errorf("%s is out of range; write %s", show(s), limits)
		}
		return d, nil
	}, short).within(limits).between(lo.Seconds(), hi.Seconds())
}

var bareNumber = regexp.MustCompile(`^[-+]?[0-9]*\.?[0-9]+$`)

// withUnit says how a bare number would be a duration from lo to hi, the
// likeliest first; if it can't be one, what the limits are.
func withUnit(s string, lo, hi time.Duration) string {
	var fit []string
	for _, unit := range []string{"s", "ms", "m", "h"} {
		if d, err := time.ParseDuration(s + unit); err == nil && d >= lo && d <= hi {
			fit = append(fit, s+unit)
		}
	}
	if fit == nil {
		return short(lo) + " to " + short(hi)
	}
	return strings.Join(fit, " or ")
}

// short prints a duration without the zeros at its end: 1m, not 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Units of sizes; the largest that divides a size evenly prints it.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

var sizeForm = regexp.MustCompile(`^([0-9]{1,18}) ?([A-Za-z]*)$`)

// size is a number of bytes with its unit, from lo to hi.
func size(key string, to *int64, lo, hi int64) field {
	limits := printSize(lo) + " to " + printSize(hi)
	return scalar(key, kindSize, to, func(s string) (int64, error) {
		m := sizeForm.FindStringSubmatch(s)
		if m == nil {
			return 0, fmt.Errorf("%s is not a size; write a whole number and KiB, MiB or GiB, as 32MiB", show(s))
		}
		if m[2] == "" {
			return 0, fmt.Errorf("%s has no unit; write a whole number and KiB, MiB or GiB, as 32MiB", show(s))
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return 0, err // 18 digits always fit
		}
		for _, u := range sizeUnits {
			if u.name != m[2] {
				continue
			}
			if n > hi/u.bytes || n*u.bytes < lo {
				return 0, fmt.Errorf("%s is out of range; write %s", show(s), limits)
			}
			return n * u.bytes, nil
		}
		return 0, fmt.Errorf("%s: no unit %s; write KiB, MiB or GiB, as 32MiB", show(s), show(m[2]))
	}, printSize).within(limits)
}

func printSize(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// show quotes a value for a message: without passwords, and not too long.
func show(s string) string {
	s = redact(s)
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}
