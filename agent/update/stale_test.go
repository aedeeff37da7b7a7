package update

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestStale: nothing new for the set uptime is told, also when the device was off in
// between; a release that is new ends it. What is no newer, or not to be taken, is
// nothing new.
func TestStale(t *testing.T) {
	const day = 24 * time.Hour
	var told []string
	cfg := func() Config {
		return Config{URL: "https://x/fw", Every: day, Stale: 10 * day, Found: func(stale bool, detail string) {
			if s := fmt.Sprint(stale, " ", detail); len(told) == 0 || told[len(told)-1] != s {
				told = append(told, s)
			}
		}}
	}
	want := func(d *desk, all ...string) {
		t.Helper()
		if got := strings.Join(told, "; "); got != strings.Join(all, "; ") {
			t.Errorf("after %s of uptime: told %q, want %q", d.memory.Without, got, all)
		}
	}
	d := &desk{check: &Refusal{Code: "older"}}
	run(t, d, cfg(), 6*day, nil)
	want(d, "false ")
	run(t, d, cfg(), 3*day+23*time.Hour, nil) // restarted
	want(d, "false ")
	run(t, d, cfg(), 2*time.Hour, nil)
	want(d, "false ", "true in 10 days of uptime; the newest that was seen is release 0")
	d.check = &Refusal{Code: "tampered"}
	run(t, d, cfg(), 20*time.Hour, nil)
	if told[len(told)-1] == "false " {
		t.Error("a release that is not to be believed is new")
	}
	told, d.check = nil, nil // release 5 lies there
	run(t, d, cfg(), 2*day, nil)
	if len(told) < 2 || told[0][:5] != "true " || told[len(told)-1] != "false " || d.memory.Newest != 5 || d.memory.Without > 2*day {
		t.Errorf("told %q, remembers %+v", told, d.memory)
	}
	told, d.check, d.memory = nil, nil, Memory{}
	c := cfg()
	c.Stale, c.Found = 0, nil // never
	run(t, d, c, 30*day, nil)
	if len(told) > 0 || d.memory.Without > 0 {
		t.Errorf("told %q, remembers %+v", told, d.memory)
	}
}
