package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/watchdog"
	"kentongan/hal"
)

func TestNewSystemd(t *testing.T) {
	for name, tt := range map[string]struct {
		env     map[string]string
		nothing bool
		timeout time.Duration
		wrong   string
	}{
		"no systemd":         {env: nil, nothing: true},
		"no watchdog":        {env: map[string]string{"NOTIFY_SOCKET": "/s"}},
		"watchdog":           {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, timeout: time.Minute},
		"no pid":             {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "60000000"}, timeout: time.Minute},
		"more than 32 bits":  {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3600000000"}, timeout: time.Hour},
		"for another":        {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}},
		"not a number":       {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "1min"}, wrong: `"1min"`},
		"not a time to wait": {env: map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "0"}, wrong: `"0"`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newSystemd(func(k string) string { return tt.env[k] }, 7, nil)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("error %v, want %s in it", err, tt.wrong)
				}
				return
			}
			if err != nil || (s == nil) != tt.nothing || s != nil && s.timeout != tt.timeout {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestSystemdIsFedByChecks: the watchdog gets its food while the checks answer,
// and none while one does not.
func TestSystemdIsFedByChecks(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &systemd{socket: socket, timeout: 400 * time.Millisecond, status: func() string { return "well" }}
	var ill atomic.Bool
	check := watchdog.Check{Name: "loop", Run: func(context.Context) error {
		if ill.Load() {
			return errors.New("stuck")
		}
		return nil
	}}
	said := make(chan report.WatchdogState, 10)
	g := watchdog.New(watchdog.Config{WatchdogConfig: hal.WatchdogConfig{Timeout: s.timeout}, Checks: func() []watchdog.Check { return []watchdog.Check{check} }}, s, says(said), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	next := func() string {
		t.Helper()
		b := make([]byte, 1024)
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	for range 3 {
		if got := next(); got != "WATCHDOG=1\nSTATUS=well" {
			t.Fatalf("said %q", got)
		}
	}
	ill.Store(true)
	for w := range said {
		if w.State == "starving" {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// What was sent before it fell ill may still lie in the socket; after that
	// comes nothing but the end.
	var got []string
	for len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "STOPPING=1") {
		got = append(got, next())
	}
	if n := len(slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "WATCHDOG=1\nSTATUS=well") })); n != 1 {
		t.Errorf("said %q", got)
	}
}

type says chan report.WatchdogState

func (s says) WatchdogChanged(w report.WatchdogState) { s <- w }
