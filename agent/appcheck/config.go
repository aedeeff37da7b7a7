package appcheck

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Defaults.
const (
	defaultEvery      = 5 * time.Minute
	defaultTimeout    = 10 * time.Second
	defaultSlowAfter  = 3 * time.Second
	defaultExpiryDays = 14
	defaultConfirm    = 2
	defaultStatus     = "2xx"
)

// Families of addresses.
const (
	AnyFamily = "any"
	IPv4      = "ipv4"
	IPv6      = "ipv6"
)

// Config is one application. A zero value means the default, except Redirects.
type Config struct {
	Name         string // report.ValidName
	URL          string // http:// or https://
	Label        report.Text
	Every        time.Duration // between looks, give or take a tenth; 5 min
	Timeout      time.Duration // of a look with all its redirects; 10 s
	SlowAfter    time.Duration // a right answer that took longer is slow; 3 s
	ExpectStatus string        // as "2xx" (default) or "200, 401"
	ExpectText   string        // within the first 64 KiB of the answer; "" is any
	CA           string        // PEM file of who may sign the certificate; "" is the system's. Read at each look
	ExpiryDays   int           // a certificate with less is a finding; 14
	Family       string        // any (default), ipv4, ipv6
	Redirects    int           // at most so many are followed
	Confirm      int           // looks in a row that make a change of state; 2

	OnDoubt   func() // called after the first looks that may mean an outage; must not block; may be nil
	UserAgent string
	Resolver  *net.Resolver    // nil is the system's
	Now       func() time.Time // wall clock; nil is time.Now
	Floor     time.Time        // a clock before this has not been set
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check fills in the defaults and says what is wrong.
func (c *Config) check() error {
	if !report.ValidName(c.Name) {
		return fmt.Errorf("application %q: use 1 to 40 of a-z, 0-9, hyphen and underscore", c.Name)
	}
	orDefault(&c.Every, defaultEvery)
	orDefault(&c.Timeout, defaultTimeout)
	orDefault(&c.SlowAfter, defaultSlowAfter)
	orDefault(&c.ExpectStatus, defaultStatus)
	orDefault(&c.ExpiryDays, defaultExpiryDays)
	orDefault(&c.Family, AnyFamily)
	orDefault(&c.Confirm, defaultConfirm)
	orDefault(&c.UserAgent, "kentongan")
	orDefault(&c.Resolver, net.DefaultResolver)
	if c.OnDoubt == nil {
		c.OnDoubt = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if _, err := c.address(); err != nil {
		return fmt.Errorf("application %s: %w", c.Name, err)
	}
	if _, err := parseStatuses(c.ExpectStatus); err != nil {
		return fmt.Errorf("application %s: %w", c.Name, err)
	}
	return nil
}

func (c *Config) address() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("url: %w", err)
	case !isWeb(u):
		return nil, fmt.Errorf("url %q: write https://HOST/PATH", u.Redacted())
	case u.User != nil:
		return nil, errors.New("url: holds a user name; applications are asked as a citizen does, without one")
	}
	return u, nil
}

func isWeb(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// statuses is what a status may be: ranges, both ends included.
type statuses [][2]int

var statusForm = regexp.MustCompile(`^[1-5](?:[0-9]{2}|xx)$`)

// parseStatuses reads "200", "2xx", and lists of those with commas.
func parseStatuses(s string) (statuses, error) {
	var all statuses
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if !statusForm.MatchString(word) {
			return nil, fmt.Errorf("expect_status: %q is not a status; write 200, 2xx, or several with commas", word)
		}
		class := int(word[0]-'0') * 100
		if strings.HasSuffix(word, "xx") {
			all = append(all, [2]int{class, class + 99})
			continue
		}
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err // three digits always fit
		}
		all = append(all, [2]int{n, n})
	}
	return all, nil
}

func (s statuses) has(status int) bool {
	for _, r := range s {
		if r[0] <= status && status <= r[1] {
			return true
		}
	}
	return false
}
