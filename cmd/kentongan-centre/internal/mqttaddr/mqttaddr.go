// Package mqttaddr reads the addresses of MQTT brokers: mqtt://HOST[:1883] and
// mqtts://HOST[:8883].
package mqttaddr

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const want = "write mqtt://HOST:PORT or mqtts://HOST:PORT"

// Check tells what is wrong with a broker's address.
func Check(u *url.URL) error {
	switch {
	case u.Scheme != "mqtt" && u.Scheme != "mqtts":
		return fmt.Errorf("broker %s: scheme %q; %s", u.Redacted(), u.Scheme, want)
	case u.Hostname() == "":
		return fmt.Errorf("broker %s: no host; %s", u.Redacted(), want)
	case u.User != nil:
		return errors.New("no user or password in a broker's URL, where other users of this machine can read them; use --username and --password-file")
	}
	return nil
}

// ParseList reads one address, or those of a cluster's nodes separated by commas.
// All must be of one kind: with some of them unencrypted, a fall-back would be one
// to no encryption.
func ParseList(list string) (all []*url.URL, err error) {
	for text := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("broker %q: not a URL; %s", text, want)
		}
		if err := Check(u); err != nil {
			return nil, err
		}
		if len(all) > 0 && all[0].Scheme != u.Scheme {
			return nil, fmt.Errorf("broker %s: not encrypted as %s is; write mqtts for all of a cluster or for none", u.Redacted(), all[0].Redacted())
		}
		all = append(all, u)
	}
	return all, nil
}

// Paho is the address as paho wants it.
func Paho(u *url.URL) string {
	scheme, port := "tcp", "1883"
	if u.Scheme == "mqtts" {
		scheme, port = "ssl", "8883"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}
