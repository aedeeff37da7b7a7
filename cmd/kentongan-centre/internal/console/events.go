package console

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// How soon an open page should look again.
type urgency int

const (
	none urgency = iota
	soon         // measurements, states
	now          // a complaint came in
)

const (
	maxListeners = 200
	// maxOwn is how many of them one account may have: an account that is open on
	// many screens keeps no other from its one.
	maxOwn = 50
	// lastPlaces are for accounts that have none yet: a few that take all they may
	// leave each other one its first.
	lastPlaces = 50
	// soonEvery is how often a page is told of ordinary changes; a complaint
	// is told at once, and then at most every nowEvery.
	soonEvery = time.Second
	nowEvery  = 150 * time.Millisecond
	// beat keeps proxies from closing a quiet stream, and finds dead clients.
	beat         = 15 * time.Second
	writeTimeout = 5 * time.Second
)

// hub tells the open pages that something has changed. What, they find out by
// fetching; so a listener holds one flag and never a queue.
type hub struct {
	mu        sync.Mutex // guards the fields below
	listeners map[*listener]bool
	closed    bool
}

type listener struct {
	scope   store.Scope
	account string // its id

	mu   sync.Mutex // guards most
	most urgency
	wake chan struct{} // one token when most is set, closed with the hub
}

func newHub() *hub { return &hub{listeners: map[*listener]bool{}} }

// tell tells those who may know: the province, and the agencies named; to all,
// when concerned is nil.
func (h *hub) tell(u urgency, concerned map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for l := range h.listeners {
		if concerned != nil && !l.scope.All() && !concerned[l.scope.Agency()] {
			continue
		}
		l.mu.Lock()
		l.most = max(l.most, u)
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *listener) take() urgency {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.most
	l.most = none
	return u
}

// join is nil when there are too many already, of all or of the account.
func (h *hub) join(scope store.Scope, account string) *listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.listeners) >= maxListeners {
		return nil
	}
	own := 0
	for l := range h.listeners {
		if l.account == account {
			own++
		}
	}
	if own >= maxOwn || own > 0 && len(h.listeners) >= maxListeners-lastPlaces {
		return nil
	}
	l := &listener{scope: scope, account: account, wake: make(chan struct{}, 1)}
	h.listeners[l] = true
	return l
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners)
}

// close ends all listeners.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for l := range h.listeners {
		close(l.wake)
	}
}

// events is the stream of server-sent events: event "change" with data soon or
// now. A client that doesn't take what it is sent within writeTimeout is
// dropped; its browser comes back by itself.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	l := c.hub.join(c.view(r).Scope(), session(r).Account.ID)
	if l == nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many open pages", http.StatusServiceUnavailable)
		return
	}
	defer c.hub.leave(l)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // nothing more is read; the stream's end is found by writing
	say := func(text string) bool {
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return false
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !say("retry: 2000\nevent: hello\ndata: " + c.assets + "\n\n") {
		return
	}
	ticker := time.NewTicker(c.beat)
	defer ticker.Stop()
	var last time.Time
	for {
		select {
		case _, open := <-l.wake:
			if !open || !l.pause(r, time.Since(last), c.soonEvery) {
				return
			}
			last = time.Now()
			if text := changeText(l.take()); text != "" && !say(text) {
				return
			}
		case <-ticker.C:
			// Who was thrown out, or whose agency has changed, is told no more.
			if s, err := c.comeIn(r); err == nil && (s == nil || scopeOf(s) != l.scope) {
				return
			}
			if !say(": still here\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func changeText(u urgency) string {
	switch u {
	case now:
		return "event: change\ndata: now\n\n"
	case soon:
		return "event: change\ndata: soon\n\n"
	}
	return ""
}

// pause waits until the next event may be sent; a complaint cuts it short. It
// is false when the stream is over.
func (l *listener) pause(r *http.Request, since, soonEvery time.Duration) bool {
	begun := time.Now()
	for {
		l.mu.Lock()
		u := l.most
		l.mu.Unlock()
		every := soonEvery
		if u == now {
			every = nowEvery
		}
		left := every - since - time.Since(begun)
		if left <= 0 {
			return true
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case _, open := <-l.wake:
			t.Stop()
			if !open {
				return false
			}
		case <-r.Context().Done():
			t.Stop()
			return false
		}
	}
}
