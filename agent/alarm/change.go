package alarm

import (
	"context"
	"slices"
	"time"
)

// Change is another configuration for a running engine.
type Change struct {
	Sources []string // all, as in Config
	Groups  []Group
	Anew    []string // of Sources: those that are looked at anew, as after a restart
}

type change struct {
	Change
	done chan struct{}
}

// gone is the last word about what nobody watches any more.
const gone = "no longer in the configuration"

// Change takes another configuration, and returns when it counts: alarms of
// sources and groups that are no more are over, all others go on. It needs Run.
func (e *Engine) Change(ctx context.Context, c Change) error {
	done := make(chan struct{})
	select {
	case e.changes <- change{c, done}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// reconfigure is called by Run's goroutine.
func (e *Engine) reconfigure(now time.Time, c Change) {
	e.mu.Lock()
	e.b.reconfigure(now, c)
	for k := range e.inbox {
		if !e.b.knows(k) {
			delete(e.inbox, k)
		}
	}
	clear(e.strays)
	e.mu.Unlock()
	e.b.tell(now)
}

func (b *book) reconfigure(now time.Time, c Change) {
	b.cfg.Sources, b.cfg.Groups = c.Sources, c.Groups
	b.setSources()
	old := b.parties
	b.parties, b.partyOf = nil, map[string][]*party{}
	for _, g := range c.Groups {
		at := slices.IndexFunc(old, func(p *party) bool { return p.Source() == g.Source() && p.condition() == g.condition() })
		if at < 0 {
			b.addParty(g)
			continue
		}
		p := old[at]
		old = slices.Delete(old, at, at+1)
		p.Group, p.track.label = g, g.Label
		b.joinParty(p)
	}
	for _, p := range old {
		b.drop(p.track)
	}
	for _, t := range b.all() {
		switch {
		case t.party != nil || t == b.stall:
		case !b.sources[t.source]:
			b.drop(t)
		case !slices.Contains(c.Anew, t.source):
		case t.alarm == nil:
			b.forget(t)
		default:
			t.restored = now
		}
	}
}

// drop ends what is known of a source that is no more.
func (b *book) drop(t *track) {
	if t.alarm != nil {
		t.f.Detail = gone
		b.end(t)
	}
	b.forget(t)
}
