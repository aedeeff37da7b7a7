package stream

import (
	"context"
	"errors"
	"time"

	"github.com/bluenviron/gortsplib/v4"
)

// fault is what is wrong with a stream now, and what speaks for whose fault it
// is. Used by the watcher's goroutine only.
type fault struct {
	evidence
	is       bool
	since    time.Time        // monotonic
	now      blame            // as it was last judged
	ownSince time.Time        // since when it is the camera's own, or its power's; zero while it is not
	probed   chan probeResult // of a silence; nil when nobody was asked
}

type probeResult struct {
	state probeState
	err   error
}

// Times of finding the cause.
const (
	assessEvery = time.Second      // the measurements
	retellEvery = 5 * time.Second  // a cause: others may have gone down since
	rateWindow  = 10 * time.Second // of the measurements that are judged
	trickleTime = 3 * time.Second  // senders report at least each 5 s; a picture comes more often
)

// fail notes that a session failed, and tells what that means.
func (w *Watcher) fail(s *session, err error) {
	step, addr := s.reached()
	e := gather(err, step, addr.Addr(), w.cfg.Site.look(addr.Addr()))
	if errors.Is(err, errSilent) {
		e = w.fault.evidence // that was gathered while it was silent
	}
	w.blame(e)
}

// blame takes evidence for what the stream is now, and tells it.
func (w *Watcher) blame(e evidence) {
	now := time.Now()
	e.clockKnown = w.cfg.ClockKnown()
	if w.fault.is && !e.answered() && e.addr == w.fault.addr {
		e.remember(w.fault.evidence)
	}
	if !w.fault.is {
		w.fault.is, w.fault.since = true, now
	}
	w.fault.evidence = e
	w.cfg.Site.set(w.cfg.Name, true, now)
	w.retell()
}

// remember keeps what was known of the same fault and is not known now: routers
// say that nobody is there once a second to all who ask (RFC 1812, 4.3.2.8), and
// the kernel takes a neighbour's word for a while only.
func (e *evidence) remember(was evidence) {
	if e.class == ClassTimeout {
		e.hostGone = e.hostGone || was.hostGone
	}
	if e.path.Neighbour == NeighbourUnknown && e.path.Interface == was.path.Interface {
		e.path.Neighbour = was.path.Neighbour
	}
}

// retell says again what is wrong, when it is seen with other eyes by now.
func (w *Watcher) retell() {
	if !w.fault.is {
		return
	}
	select {
	case r := <-w.fault.probed:
		w.fault.probed = nil
		w.fault.take(r, w.cfg.Site)
	default:
	}
	w.fault.lookAgain(w.cfg.Site)
	now := time.Now()
	w.fault.common = w.cfg.Site.common(w.cfg.Name)
	w.fault.starved = w.cfg.Site.starved(now, w.cfg.SilentAfter)
	w.fault.judgeNow(now)
	st, _ := w.board.read()
	if st.State != StateFailed && st.State != StateSilent {
		return
	}
	w.finder.state(st.State, st.Class, st.Detail, w.fault.now)
}

// judgeNow judges, and notes since when the camera itself is to blame.
func (f *fault) judgeNow(now time.Time) {
	f.now = f.judge()
	switch own := f.common == 0 && (f.now.cause == CauseCamera || f.now.cause == CausePower); {
	case !own:
		f.ownSince = time.Time{}
	case f.ownSince.IsZero():
		f.ownSince = now
	}
}

// climb takes the next step of recovery, when it is time for one.
func (w *Watcher) climb(ctx context.Context) {
	if err := w.ladder.climb(ctx, &w.fault, w.helpers.Go); err != nil && !w.refusedClimb {
		w.refusedClimb = true // it is tried again each few seconds
		w.log.Error("recovery not begun", "err", err)
	}
}

// take adds what a probe met to the evidence of a silence.
func (f *fault) take(r probeResult, site *Site) {
	f.probe = r.state
	if r.state == probeFailed {
		met := gather(r.err, StateConnecting, f.addr, site.look(f.addr))
		f.hostGone, f.path = met.hostGone, met.path
	}
}

// lookAgain asks for what the kernel did not know yet: it takes 8 s to find out
// that a neighbour which it knew does not answer any more.
func (f *fault) lookAgain(site *Site) {
	if f.answered() || !f.path.OnLink || f.path.Here || f.path.Neighbour != NeighbourUnknown {
		return
	}
	if p := site.look(f.addr); p.LinkDown || p.Neighbour != NeighbourUnknown {
		f.path = p
	}
}

// well tells that the stream plays.
func (w *Watcher) well() {
	w.ladder.healed(&w.fault)
	w.refusedClimb = false
	w.fault = fault{}
	w.cfg.Site.set(w.cfg.Name, false, time.Now())
	w.finder.state(StatePlaying, "", "", blame{})
}

// suspect asks a camera that has said nothing at all for a while whether it is
// still there, in time for the silence to be told with its cause.
func (w *Watcher) suspect(ctx context.Context, s *session) {
	_, addr := s.reached()
	if s.suspected || !addr.IsValid() {
		return
	}
	s.suspected = true
	out := make(chan probeResult, 1) // room for the result, so that nobody has to wait for it
	w.fault.probed = out
	w.helpers.Go(func() {
		state, err := probe(ctx, w.cfg.Dial, addr)
		out <- probeResult{state, err}
	})
}

// trusts forgets a suspicion: the picture went on.
func (w *Watcher) trusts(s *session) {
	if s.suspected = false; !w.fault.is {
		w.fault.probed = nil
	}
}

// assess judges what was measured.
func (w *Watcher) assess(s *session, now time.Time) {
	w.ladder.collect()
	m := s.meter.measure(now)
	site := w.cfg.Site
	look := sample{
		m: &m, starved: site.starved(now, rateWindow), clockKnown: w.cfg.ClockKnown(), tcp: s.transport == gortsplib.TransportTCP,
	}
	if !look.tcp && m.Short.LossRatio >= lossGood {
		look.overflowed = site.overflowed(now, overflowsNow(), rateWindow)
	}
	w.finder.measured(now.Sub(w.born), look)
}
