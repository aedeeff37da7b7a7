// Package appcheck asks a public application, from where the citizen stands,
// whether it is there: name, connection, certificate, first byte, status, text.
//
// A Check looks at one application again and again:
//
//	Check.Run ──► prober (one connection, no goroutine) ──► result
//	     │                                                    │
//	     └──► Output ◄── tracker (so many looks in a row) ◄────┘
//
// # What a look is
//
// What a browser does for its first page, and no more: the system's resolver,
// one address after the other, TLS 1.2 or newer, HTTP/1.1, redirects up to a
// limit, cookies for the length of the look. Everything that comes in is
// bounded in bytes and by one deadline. It goes through no proxy and sends no
// password.
//
// # Thrift
//
// A link may be paid by volume. Where no text is expected the answer's head is
// asked for, without its body; TLS sessions are resumed, and an answer that has
// not changed (304) is as good as the whole. Once an hour and after each
// failure the application is asked as by a stranger: whole handshake, whole
// answer. Each measurement says how many bytes a day this comes to.
//
// # The clock
//
// A board may stand in 1970. A clock that is earlier than Config.Floor is not
// believed: certificates are then checked as of the floor, none is called not
// yet valid, and nothing is said about days.
package appcheck

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Conditions that a Check finds.
const (
	CondUnreachable = "unreachable"
	CondWrongAnswer = "wrong_answer"
	CondSlow        = "slow"
	CondCertificate = "certificate" // it expires soon, or has expired
)

// Causes of a finding: who has to act.
const (
	CauseApplication = "application"
	CauseNetwork     = "network" // ours: nothing is heard of the application at all
)

// Finding is what is wrong with an application, or that it is not wrong any
// more. Each is repeated after every look.
type Finding struct {
	Condition string
	Present   bool
	Cause     string // "" is not known
	Days      int    // of CondCertificate: until it expires; negative when it has
	Detail    string // English, for the technician
}

// Output takes what a Check finds. It is called by the goroutine of Run and
// must not block it.
type Output interface {
	// AppChanged gets each change of state.
	AppChanged(report.AppState)
	// AppMeasured gets the figures of each look.
	AppMeasured(report.AppStats)
	// AppFound gets each finding about the application called name.
	AppFound(name string, f Finding)
}

// Pauses between looks.
const (
	confirmPause = 15 * time.Second // after a look that may mean a change
	longestStart = 30 * time.Second // before the first look: devices that start together don't ask together
	calmAfter    = time.Minute      // a state that held so long is worth an early second look; one that flaps is told less often
)

// Check watches one application. Run may be called once.
type Check struct {
	cfg Config
	log *slog.Logger
	out Output

	// Used by Run's goroutine only.
	ask     func(context.Context) result
	tracker tracker
	traffic traffic
	jitter  func() float64 // 0 to 1
	hurry   chan struct{}
	pulse   pulse.Pulse

	mu     sync.Mutex // guards what follows, for Status
	status Status
}

// Status is what is known of an application now.
type Status struct {
	State report.AppState
	Last  report.AppStats // of the newest look
}

// New checks the configuration. It starts nothing.
func New(cfg Config, log *slog.Logger, out Output) (*Check, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := newProber(cfg)
	c := &Check{
		cfg: cfg, out: out, ask: p.probe, jitter: rand.Float64, hurry: make(chan struct{}, 1), pulse: pulse.New(),
		log:     log.With("part", "appcheck", "app", cfg.Name),
		tracker: tracker{confirm: cfg.Confirm, slowAfter: cfg.SlowAfter},
	}
	c.tracker.cur = report.AppState{Name: cfg.Name, State: report.AppChecking, Since: cfg.Now().UTC(), URL: p.shown, Label: cfg.Label}
	c.status.State = c.tracker.cur
	return c, nil
}

// Status may be called from any goroutine.
func (c *Check) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Hurry makes the next look come now, unless the last one was just before. Who
// sees one application fail wants to know at once whether the others do, since
// what they share is this place's network. It may be called from any goroutine.
func (c *Check) Hurry() {
	select {
	case c.hurry <- struct{}{}:
	default:
	}
}

// Pulses ask Run's loop whether it lives. An application that is gone does not
// keep it from answering.
func (c *Check) Pulses() []pulse.Named {
	return []pulse.Named{{Name: "application " + c.cfg.Name, Pulse: c.pulse}}
}

// Run looks at the application until ctx ends; it returns nil.
func (c *Check) Run(ctx context.Context) error {
	next := time.After(time.Duration(c.jitter() * float64(min(longestStart, c.cfg.Every))))
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case beat := <-c.pulse:
			beat()
			continue
		case <-c.hurry:
			if !last.IsZero() && time.Since(last) < confirmPause {
				continue
			}
		case <-next:
		}
		var r result
		c.pulse.While(2*c.cfg.Timeout, func() { r = c.ask(ctx) })
		if ctx.Err() != nil {
			return nil
		}
		last = time.Now()
		next = time.After(c.took(r))
	}
}

// took tells what a look found, and says how long to wait for the next.
func (c *Check) took(r result) time.Duration {
	now := c.cfg.Now()
	calm := now.Sub(c.tracker.cur.Since) > calmAfter || c.tracker.cur.State == report.AppChecking
	changed := c.tracker.take(r, now)
	stats := c.measured(r)
	c.mu.Lock()
	c.status = Status{c.tracker.cur, stats}
	c.mu.Unlock()
	if changed {
		c.changed()
	}
	c.out.AppMeasured(stats)
	for _, f := range c.findings(r) {
		c.out.AppFound(c.cfg.Name, f)
	}
	if (c.tracker.doubt() || changed && c.cfg.Confirm == 1) && stateOf(r.class) == report.AppUnreachable {
		c.cfg.OnDoubt()
	}
	pause := c.cfg.Every
	if c.tracker.doubt() && calm {
		pause = min(pause, confirmPause)
	}
	return time.Duration(float64(pause) * (0.9 + 0.2*c.jitter()))
}

func (c *Check) changed() {
	s := c.tracker.cur
	c.out.AppChanged(s)
	if s.State == report.AppOK {
		c.log.Info("application answers", "status", s.Status)
		return
	}
	c.log.Warn("application in trouble", "state", s.State, "class", s.Class, "detail", s.Detail)
}

func (c *Check) measured(r result) report.AppStats {
	return report.AppStats{
		Name: c.cfg.Name, Class: r.class, Status: r.status,
		DNSMS: ms(r.dns), ConnectMS: ms(r.connect), TLSMS: ms(r.tls), FirstByteMS: ms(r.firstByte), TotalMS: ms(r.total),
		Hops: r.hops, Family: r.family, Method: r.method,
		Bytes: r.bytes, BytesPerDay: c.traffic.add(r.bytes, c.cfg.Every),
		CertDays: r.certDays(),
	}
}

// ms rounds to a tenth of a millisecond.
func ms(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
