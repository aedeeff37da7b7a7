// Package update brings a new version of the device program in, says when the
// one on trial is well, and tells the centre what became of it.
//
// It has no say itself: what it fetched is verified again and applied by a
// program that runs as root and has no network, and that program also counts
// the starts and takes a version back. The package looks for a release every so
// often, or when an order names one, fetches it in the hours for updates, and
// hands it over in a quiet moment.
//
// One goroutine (Run) does everything; Order and Status may be called from
// anywhere.
package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
)

// Board is the device as this package needs it.
type Board interface {
	// Trial is the newest switch of versions; nil when there was none.
	Trial() (*Trial, error)
	// Check says which release lies at url and whether it would be taken: a
	// Refusal when not.
	Check(ctx context.Context, url string) (Release, error)
	// Fetch brings it in, going on where it was cut off.
	Fetch(ctx context.Context, url string) (Release, error)
	// Offer hands over what was fetched, and returns when it was taken (the
	// device's program is about to be started anew) or refused.
	Offer(ctx context.Context) error
	// SayWell tells that the version on trial is well.
	SayWell(number uint64) error
}

// Trial is how the newest switch of versions went.
type Trial struct {
	Number                 uint64
	Version                string
	State                  string // report.UpdateTrying, -Committed, -WentBack
	Reason                 string
	Before                 uint64
	Starts, Failures, Cuts int
}

// Release is what can be installed.
type Release struct {
	Number  uint64
	Version string
}

// Refusal is why a release is not taken; Code is for programs.
type Refusal struct {
	Code, Detail string
	Release      Release // as far as it is known
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused (%s): %s", r.Code, r.Detail) }

// Output takes what the centre is to know. It must be durable when it returns
// nil.
type Output interface {
	Updated(ctx context.Context, u report.Update) error
}

// Config says when to look.
type Config struct {
	URL   string // looked at each Every; "" is only by order
	Every time.Duration
	// Hold is how long a version on trial must be well without a break. It has
	// 10 minutes in all, which the launcher counts.
	Hold time.Duration
	// Hours in which a version may be changed.
	Hours Hours
	// Now is the wall clock, and whether it is set.
	Now func() (t time.Time, known bool)
	// Quiet tells whether nobody would miss the device for a second just now.
	Quiet func() bool
	// Well tells what keeps the version on trial from being well; nil = it is.
	Well func(ctx context.Context) error
	// Stale is how long, in uptime, nothing new may be seen at URL before Found is
	// told so; 0 is for ever.
	Stale time.Duration
	Found func(stale bool, detail string)
	// Memory is what was told before a restart; Remember keeps it.
	Memory   Memory
	Remember func(Memory) error
}

// Memory is what has to outlive a restart.
type Memory struct {
	Told    string        `json:"told,omitempty"`    // the newest trial state that the centre was told of
	Newest  uint64        `json:"newest,omitempty"`  // release that was seen and verified
	Without time.Duration `json:"without,omitempty"` // uptime since then
}

const (
	gateEvery  = time.Second
	gateMost   = time.Minute      // that asking takes; every loop answers within that or hangs
	retryAfter = 10 * time.Minute // of a fetch that broke; it goes on where it ended
	quietWait  = 10 * time.Minute // for a quiet moment; then it is taken as it comes
	quietEvery = 5 * time.Second
)

// Updater is the part. See New.
type Updater struct {
	cfg    Config
	board  Board
	out    Output
	log    *slog.Logger
	pulse  pulse.Pulse
	orders chan order
	seen   *counter // of Run; nil where nothing is looked for

	mu     sync.Mutex // guards status
	status Status
}

// Status is what is going on.
type Status struct {
	Doing   string // idle, looking, fetching, waiting, offering, trying
	Release Release
	Err     string // of the newest try
}

// order is one, or a look of our own, which has no number and no end.
type order struct {
	url     string
	ordered bool
	number  uint64 // 0 is any
	now     bool
	until   time.Time // not to be handed over after it; zero is any time
	at      time.Time // when it came
}

// orderLife is how long an order whose fetch breaks is tried again.
const orderLife = 24 * time.Hour

// New makes an updater. It starts nothing.
func New(cfg Config, board Board, out Output, log *slog.Logger) *Updater {
	return &Updater{cfg: cfg, board: board, out: out, log: log.With("part", "update"), pulse: pulse.New(), orders: make(chan order, 1), status: Status{Doing: "idle"}}
}

// Pulses ask its loop whether it lives.
func (u *Updater) Pulses() []pulse.Named { return []pulse.Named{{Name: "update", Pulse: u.pulse}} }

// Status may be called from anywhere.
func (u *Updater) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Updater) set(s Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = s
}

// ErrBusy is an order while another is waiting.
var ErrBusy = errors.New("another update is being fetched")

// Order has a release fetched. It returns once the release was found good, or
// why it was not; what becomes of it then, the update events say, and that it was
// refused they say, too. What is not fetched by until is left for the next order.
func (u *Updater) Order(ctx context.Context, url string, number uint64, now bool, until time.Time) (Release, error) {
	o := order{url, true, number, now, until, time.Now()}
	r, err := u.board.Check(ctx, url)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return r, u.refused(ctx, o, refusal)
	}
	if err != nil {
		return r, err
	}
	if number > 0 && r.Number != number {
		return r, fmt.Errorf("release %d lies there, the order names %d", r.Number, number)
	}
	select {
	case u.orders <- o:
		return r, nil
	default:
		return r, ErrBusy
	}
}

// Run ends with ctx.
func (u *Updater) Run(ctx context.Context) error {
	u.tell(ctx)
	if !u.prove(ctx) {
		return nil
	}
	var hour <-chan time.Time // stays nil where nothing is looked for
	if u.cfg.Stale > 0 {
		u.seen = u.newCounter()
		tick := time.NewTicker(countEvery)
		defer tick.Stop()
		hour = tick.C
	}
	look := time.NewTimer(u.next())
	defer look.Stop()
	var broke *order // an order whose fetch did, to be tried again
	for {
		var o order
		select {
		case <-ctx.Done():
			return nil
		case beat := <-u.pulse:
			beat()
			continue
		case <-hour:
			u.seen.count()
			continue
		case o = <-u.orders:
		case <-look.C:
			o = order{url: u.cfg.URL}
			if broke != nil {
				o = *broke
			}
		}
		again := u.next()
		broke = nil
		if err := u.bring(ctx, o); err != nil && ctx.Err() == nil {
			u.log.Warn("update not brought", "url", o.url, "err", err)
			if _, refused := errors.AsType[*Refusal](err); !refused {
				if o.ordered && time.Since(o.at) < orderLife {
					broke = &o
				}
				if broke != nil || u.cfg.URL != "" {
					again = min(again, jitter(retryAfter))
				}
			}
			u.set(Status{Doing: "idle", Err: err.Error()})
		}
		look.Reset(again)
	}
}

// forever is longer than any board runs.
const forever = 100 * 365 * 24 * time.Hour

// next is when to look again: a province's boards must not all come at once.
func (u *Updater) next() time.Duration {
	if u.cfg.URL == "" {
		return forever
	}
	return jitter(u.cfg.Every)
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// tell says once how the newest switch of versions went.
func (u *Updater) tell(ctx context.Context) {
	t, err := u.board.Trial()
	if err != nil {
		u.log.Warn("update directory not read", "err", err)
		return
	}
	if t == nil {
		return
	}
	mark := fmt.Sprintf("%d %s %d", t.Number, t.State, t.Before)
	if u.cfg.Memory.Told == mark {
		return
	}
	err = u.out.Updated(ctx, report.Update{
		Number: t.Number, Version: t.Version, State: t.State, Detail: t.Reason, Before: t.Before,
		Starts: t.Starts, Failures: t.Failures, Cuts: t.Cuts,
	})
	if err == nil {
		// Told twice is better than not at all, so it is remembered afterwards.
		u.cfg.Memory.Told = mark
		err = u.cfg.Remember(u.cfg.Memory)
	}
	if err != nil {
		u.log.Warn("update not told", "state", t.State, "err", err)
	}
}

// prove waits until a version on trial is well, and says so. It returns false
// when ctx ended first.
func (u *Updater) prove(ctx context.Context) bool {
	t, err := u.board.Trial()
	if err != nil || t == nil || t.State != report.UpdateTrying {
		return true
	}
	u.set(Status{Doing: "trying", Release: Release{t.Number, t.Version}})
	tick := time.NewTicker(gateEvery)
	defer tick.Stop()
	var since time.Time // of being well; on the monotonic clock
	said := false
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return false
		case beat := <-u.pulse:
			beat()
			continue
		case <-tick.C:
		}
		if t, err := u.board.Trial(); err == nil && t != nil && t.State != report.UpdateTrying {
			u.tell(ctx)
			u.set(Status{Doing: "idle"})
			return true
		}
		var well error
		u.pulse.While(gateMost, func() { well = u.cfg.Well(ctx) })
		switch {
		case well != nil:
			since = time.Time{}
			if text := well.Error(); text != last {
				u.log.Info("not well yet", "number", t.Number, "because", text)
				last = text
			}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= u.cfg.Hold && !said:
			if err := u.board.SayWell(t.Number); err != nil {
				u.log.Warn("could not say that the version is well", "err", err)
				continue
			}
			said = true
			u.log.Info("version is well", "number", t.Number, "version", t.Version)
		}
	}
}
