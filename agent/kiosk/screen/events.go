package screen

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	maxPages = 16               // open on this machine, and as many elsewhere
	beat     = 2 * time.Second  // the page takes five without one for our end
	moreTime = 30 * time.Second // that a ticket is shown from when somebody asks for more
	mostTime = 10 * moreTime    // after ShowFor: WCAG 2.2, 2.2.1 asks for ten times
)

// state is what the page shows. It is sent whole, at each change.
type state struct {
	State     string   `json:"state"`          // ready, saving, saved, received, unkept, out
	Dead      []string `json:"dead,omitempty"` // buttons that are out of order, where others serve
	Ticket    string   `json:"ticket,omitempty"`
	PIN       string   `json:"pin,omitempty"`
	Button    string   `json:"button,omitempty"`
	LabelID   string   `json:"label_id,omitempty"`
	LabelEN   string   `json:"label_en,omitempty"`
	Presses   int      `json:"presses,omitempty"`
	Left      int      `json:"left,omitempty"` // seconds that the ticket is shown
	Cancel    bool     `json:"cancel,omitempty"`
	Withdrawn bool     `json:"withdrawn,omitempty"`
	Waiting   uint64   `json:"waiting"`
}

// longer is until when the newest ticket is shown, for who asked for it. Time can't
// be laid up by asking often: who goes away leaves the ticket for no more than
// moreTime.
type longer struct {
	mu     sync.Mutex // guards what follows
	ticket string
	until  time.Time
}

// ask shows a ticket for moreTime from now, or until most.
func (l *longer) ask(ticket string, now, most time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticket, l.until = ticket, now.Add(moreTime)
	if l.until.After(most) {
		l.until = most
	}
}

// end is when a ticket goes that would else at the time by.
func (l *longer) end(ticket string, by time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ticket == ticket && l.until.After(by) {
		return l.until
	}
	return by
}

// now is the state, and when it changes by itself; local clients see the ticket.
func (s *Screen) now(local bool) (state, time.Duration) {
	k := s.kiosk.Show()
	st := state{State: "ready", Dead: k.Dead, Waiting: k.Waiting}
	var next time.Duration
	if n := k.Newest; n != nil {
		if left := time.Until(s.more.end(n.Ticket, n.At.Add(s.cfg.ShowFor))); left > 0 {
			next = min(left, time.Second)
			st.State = "saved"
			if k.Received {
				st.State = "received"
			}
			st.Left, st.Presses = int((left+time.Second-1)/time.Second), n.Presses
			if local {
				st.Ticket, st.PIN, st.Button, st.LabelID, st.LabelEN = n.Ticket, n.PIN, n.Button, n.Label.ID, n.Label.EN
				st.Cancel = k.Takeable && s.cfg.CanCancel
			}
		}
	}
	switch {
	case k.Unkept:
		st = state{State: "unkept", Waiting: k.Waiting}
	case k.Working: // it may be another citizen's: what is shown of the one before goes
		st, next = state{State: "saving", Waiting: k.Waiting}, 0
	case k.Out && st.State == "ready":
		st.State = "out"
	}
	st.Withdrawn = k.Cancelled != "" && local && st.State == "ready"
	return st, next
}

// events sends the state at each change, and every beat.
func (s *Screen) events(w http.ResponseWriter, r *http.Request) {
	seats := s.away
	if isLocal(r) {
		seats = s.seats
	}
	seats.Events(w, r, func(send func([]byte) bool) {
		timer := time.NewTimer(beat)
		defer timer.Stop()
		for {
			changed := s.kiosk.Changed()
			st, next := s.now(isLocal(r))
			data, err := json.Marshal(st)
			if err != nil || !send(data) {
				return
			}
			if next == 0 {
				next = beat
			}
			timer.Reset(next)
			select {
			case <-changed:
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
	})
}
