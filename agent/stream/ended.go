package stream

import (
	"context"
	"errors"
	"time"

	"kentongan/agent/report"
)

// ended says what a session's end means, and how long to wait.
func (w *Watcher) ended(s *session, err error) time.Duration {
	if r, ok := errors.AsType[*redirect](err); ok {
		if err = w.follow(r); err == nil {
			return leastPause
		}
	}
	if wantsOtherTransport(err) && len(w.transports) > 1 {
		w.transport = (w.transport + 1) % len(w.transports)
		if !w.switched {
			w.switched = true
			w.log.Info("transport changed", "err", err)
			w.ladder.transport(clip([]byte(err.Error()), 300), &w.fault)
			return leastPause
		}
	}
	w.target, w.hops = w.home, 0
	first := w.retry.refusals == 0
	pause := w.retry.after(err)
	if first && classify(err) == ClassAuth {
		w.log.Debug("refused once", "err", err) // a stale nonce looks like a wrong password; the next session tells
		return pause
	}
	w.failed(err)
	w.fail(s, err)
	w.ladder.failed(&w.fault)
	if w.ladder.wantsTransport(&w.fault) && len(w.transports) > 1 {
		w.transport = (w.transport + 1) % len(w.transports)
		w.ladder.transport("sessions over the other one failed again and again", &w.fault)
	}
	w.logFailure(err, pause)
	return pause
}

// follow takes a redirect that stays with the camera's own host.
func (w *Watcher) follow(r *redirect) error {
	to, err := w.cfg.target(r.to)
	switch w.hops++; {
	case err != nil:
		return failf(ClassProtocol, "the camera redirects to an impossible address: %w", err)
	case w.hops > maxHops:
		return failf(ClassProtocol, "the camera redirects more than %d times", maxHops)
	case !sameHost(w.target, to):
		return failf(ClassProtocol, "%w: another host never gets this camera's password; write that address into the configuration if it is right", r)
	}
	w.target = to
	return nil
}

// failed shows the failure. A stream that was silent and is silent again after
// a new session stays so.
func (w *Watcher) failed(err error) {
	class := classify(err)
	w.board.set(func(st *report.StreamState) {
		st.Attempts++
		if errors.Is(err, errSilent) {
			return
		}
		st.State, st.Class, st.Detail = StateFailed, class, clip([]byte(err.Error()), 300)
	})
}

// logFailure logs a failure when it begins and when it changes.
func (w *Watcher) logFailure(err error, pause time.Duration) {
	text := classify(err)
	if text == w.lastLog {
		w.sameLog++
		w.log.Debug("session over", "err", err, "retry_in", pause)
		return
	}
	w.log.Warn("session over", "class", text, "err", err, "retry_in", pause, "same_before", w.sameLog)
	w.lastLog, w.sameLog = text, 0
}

// pause waits before the next session.
func (w *Watcher) pause(ctx context.Context, d time.Duration) {
	w.mu.Lock()
	w.nextTry = w.cfg.Now().Add(d)
	w.mu.Unlock()
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	retell := time.NewTicker(retellEvery)
	defer retell.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case beat := <-w.pulse:
			beat()
		case <-end.C:
			return
		case <-look.C:
			w.board.flush()
		case <-retell.C:
			w.retell()
			w.climb(ctx)
		}
	}
}
