package main

import (
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kentongan/agent/nstest"
	"kentongan/broker-config/brokertest"
)

// The kernel knows of no socket of the centre's that --listen, --mqtt or --enrol did
// not open, and of none at all on another address than loopback without them.
func TestWhatACentreLeavesOpen(t *testing.T) {
	host := func(at string) string {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	// The default of --listen may be taken on this machine; its address may not.
	var o options
	if err := o.parse([]string{"--data", "x"}, &strings.Builder{}); err != nil || !strings.HasPrefix(o.listen, "127.0.0.1:") || !strings.HasPrefix(o.mqtt, "127.0.0.1:") {
		t.Errorf("by default it listens on %s and %s (%v), want loopback", o.listen, o.mqtt, err)
	}
	p := start(t, "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t))
	want := []string{host(p.page), host(p.broker)}
	slices.Sort(want)
	if open := nstest.Listening(t, p.cmd.Process.Pid); !slices.Equal(open, want) {
		t.Errorf("it listens on %q, want %q", open, want)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("end: %v", err)
	}
}

func TestSecurityContacts(t *testing.T) {
	for uri, want := range map[string]bool{
		"mailto:aman@centre.example": true, "https://centre.example/lapor": true, "tel:+62-254-200-123": true,
		"aman@centre.example": false, "http://centre.example/": false, "mailto:": false, "mailto:a b@c": false, "https:": false, "tel:x": false,
		"mailto:a@b.example\nExpires: 2099-01-01T00:00:00Z": false, "javascript:alert(1)": false,
	} {
		o := options{}
		err := o.parse([]string{"--data", "x", "--security-contact", uri}, &strings.Builder{})
		if (err == nil) != want {
			t.Errorf("%q: %v", uri, err)
		}
	}
}
