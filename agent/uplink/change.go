package uplink

import (
	"log/slog"
	"time"

	"kentongan/agent/report"
)

// States of report.UplinkState.
const (
	stateConnected = "connected"
	stateLost      = "lost"
	stateRefused   = "refused"
)

// connected notes that a session began.
func (u *Uplink) connected(b *brokerState, session string) {
	u.repeat.end()
	u.stats.change(func(s *Status) {
		s.Connected, s.Broker, s.Session = true, b.addr.hostPort, session
		s.Since, s.LastError, s.NextTry = u.cfg.now(), "", time.Time{}
		s.Connections = u.connections
	})
	u.online = true
	u.log.Info("connected", "broker", b.addr.hostPort, "session", session)
	u.change(report.UplinkState{State: stateConnected, Broker: b.addr.hostPort})
}

// lost notes that a try failed or a session ended. An outage is reported when
// it begins and once for each kind of trouble in it, or weeks offline would
// fill the event lane.
func (u *Uplink) lost(b *brokerState, err error, up time.Duration) {
	now := time.Now()
	le := b.failed(err, up, u.cfg.Tuning.StableAfter, now)
	if le == errFailBack && u.backTo != nil {
		u.backTo.retryAt, u.backTo.backAt = time.Time{}, now
	}
	if u.online {
		u.outage = map[failure]bool{}
		u.stats.change(func(s *Status) { s.Connected, s.Since, s.InFlight = false, u.cfg.now(), 0 })
	}
	u.online = false
	u.stats.change(func(s *Status) {
		s.Broker, s.LastError, s.NextTry = b.addr.hostPort, le.Error(), u.cfg.now().Add(b.retryAt.Sub(now))
	})
	if u.outage[le.kind] {
		return
	}
	u.outage[le.kind] = true
	state := stateLost
	if le.kind.refused() {
		state = stateRefused
	}
	u.log.Warn("not connected", "broker", b.addr.hostPort, "kind", le.kind, "err", le, "retry_in", b.retryAt.Sub(now))
	u.change(report.UplinkState{State: state, Broker: b.addr.hostPort, Reason: le.Error()})
}

func (u *Uplink) offline() {
	u.stats.change(func(s *Status) { s.Connected, s.Since = false, u.cfg.now() })
}

func (u *Uplink) change(c report.UplinkState) {
	if u.cfg.OnChange != nil {
		u.cfg.OnChange(c)
	}
}

// repeater logs a fault that comes again and again when it begins, when it
// changes and when it ends, with the count. A peer that makes each fault another
// one gets a few lines a minute, and the count of the others. One goroutine owns
// it.
type repeater struct {
	log   *slog.Logger
	msg   string
	text  string
	count int

	window time.Time // when the present minute began
	lines  int       // in it
	more   int       // that were not written
}

const (
	repeatLines  = 6
	repeatWindow = time.Minute
)

func (r *repeater) warn(msg string, err error, args ...any) {
	if msg == r.msg && err.Error() == r.text {
		r.count++
		return
	}
	if now := time.Now(); now.Sub(r.window) >= repeatWindow {
		r.window, r.lines = now, 0
	}
	if r.lines >= repeatLines {
		r.more++
		return
	}
	r.end()
	r.msg, r.text, r.count = msg, err.Error(), 1
	if args = append(args, "err", err); r.more > 0 {
		args = append(args, "more", r.more)
		r.more = 0
	}
	r.lines++
	r.log.Warn(msg, args...)
}

func (r *repeater) end() {
	if r.count > 1 {
		r.lines++
		r.log.Info("fault ended", "fault", r.msg, "count", r.count)
	}
	r.msg, r.text, r.count = "", "", 0
}
