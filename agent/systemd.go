package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/watchdog"
	"kentongan/hal"
)

// systemd is the service manager that started this process. To the guard it is
// one more watchdog: it ends and starts the agent when it is not fed. See
// sd_notify(3).
type systemd struct {
	socket  string        // a path, or @ and an abstract name
	timeout time.Duration // 0: it does not watch
	status  func() string // a line for `systemctl status`
}

// newSystemd reads what systemd left in the environment; nil when it was not
// systemd that started this process, or the unit is not of Type=notify.
func newSystemd(getenv func(string) string, pid int, status func() string) (*systemd, error) {
	s := &systemd{socket: getenv("NOTIFY_SOCKET"), status: status}
	if s.socket == "" {
		return nil, nil
	}
	text := getenv("WATCHDOG_USEC")
	if whose := getenv("WATCHDOG_PID"); text == "" || whose != "" && whose != strconv.Itoa(pid) {
		return s, nil
	}
	us, err := strconv.ParseInt(text, 10, 64) // Atoi ends at 35 minutes on a 32-bit board
	if err != nil || us <= 0 {
		return s, fmt.Errorf("systemd: WATCHDOG_USEC is %q, want microseconds", text)
	}
	s.timeout = time.Duration(us) * time.Microsecond
	return s, nil
}

// notify sends lines as KEY=value.
func (s *systemd) notify(lines ...string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// buildSystemd makes the part that says that the agent is ready, and then feeds
// systemd's watchdog while every loop answers and the store writes.
func (a *Agent) buildSystemd() {
	s, err := newSystemd(os.Getenv, os.Getpid(), a.oneLine)
	if err != nil {
		a.o.Log.Error("systemd's watchdog not fed", "part", "systemd", "err", err)
	}
	if s == nil {
		return
	}
	g := watchdog.New(watchdog.Config{WatchdogConfig: hal.WatchdogConfig{Device: "systemd", Timeout: s.timeout}, Checks: a.checks()},
		s, telling{s, a.journal}, a.o.Log)
	a.parts = append(a.parts, part{"systemd", func(ctx context.Context) error {
		if err := s.notify("READY=1", "STATUS="+s.status()); err != nil {
			a.o.Log.Error("not told to be ready", "part", "systemd", "err", err)
		}
		if s.timeout == 0 {
			<-ctx.Done()
			return s.Close()
		}
		return g.Run(ctx)
	}})
}

// OpenWatchdog implements hal.Watchdogs.
func (s *systemd) OpenWatchdog(hal.WatchdogConfig) (hal.Watchdog, error) { return s, nil }

// Feed implements hal.Watchdog.
func (s *systemd) Feed() error {
	return s.notify("WATCHDOG=1", "STATUS="+s.status())
}

// Timeout implements hal.Watchdog.
func (s *systemd) Timeout() time.Duration { return s.timeout }

// Identity implements hal.Watchdog.
func (s *systemd) Identity() string { return "systemd" }

// CausedBoot implements hal.Watchdog: systemd does not tell.
func (s *systemd) CausedBoot() bool { return false }

// Close implements hal.Watchdog.
func (s *systemd) Close() error { return s.notify("STOPPING=1", "STATUS=ends") }

// telling shows in `systemctl status` too why the watchdog is not fed.
type telling struct {
	systemd *systemd
	journal *journal
}

// WatchdogChanged implements watchdog.Output.
func (o telling) WatchdogChanged(w report.WatchdogState) {
	if w.State == "starving" {
		_ = o.systemd.notify("STATUS=not well: " + strings.ReplaceAll(w.Detail, "\n", "; ")) // it is told to the centre as well
	}
	o.journal.WatchdogChanged(w)
}

// oneLine is how the agent is, for a technician who asks systemd.
func (a *Agent) oneLine() string {
	up := a.uplink.Status()
	var b strings.Builder
	switch {
	case up.Connected:
		b.WriteString("broker reached")
	case up.LastError != "":
		b.WriteString("no broker: " + strings.ReplaceAll(up.LastError, "\n", "; "))
	default:
		b.WriteString("no broker yet")
	}
	var waits int64
	for _, lane := range report.Lanes() {
		waits += int64(a.spool.Head(lane).Backlog())
	}
	fmt.Fprintf(&b, "; %d records wait", waits)
	watchers := a.allWatchers()
	if n := len(watchers); n > 0 {
		playing := 0
		for _, w := range watchers {
			if w.Status().State.State == "playing" {
				playing++
			}
		}
		fmt.Fprintf(&b, "; %d of %d cameras play", playing, n)
	}
	if k := a.kiosk.Load(); k != nil {
		if t := k.Troubles(); t != "" {
			b.WriteString("; kiosk: " + strings.ReplaceAll(t, "\n", "; "))
		}
	}
	if t := a.ConfigStatus().OneLine(); t != "" {
		b.WriteString("; " + t)
	}
	return b.String()
}
