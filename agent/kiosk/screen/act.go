package screen

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/agent/web"
)

// answer is what a request gets; Error is the key of a text, err.Error.
type answer struct {
	Error  string `json:"error,omitempty"`
	Ticket string `json:"ticket,omitempty"`
	PIN    string `json:"pin,omitempty"`
	State  string `json:"state,omitempty"`
	At     string `json:"at,omitempty"` // day
	NoteID string `json:"note_id,omitempty"`
	NoteEN string `json:"note_en,omitempty"`
}

func say(w http.ResponseWriter, status int, problem string) { reply(w, status, answer{Error: problem}) }

func reply(w http.ResponseWriter, status int, a answer) { web.Answer(w, status, a) }

// read reads a small request into v; it answers when that fails.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := web.Read(w, r, maxBody, v); err != nil {
		say(w, http.StatusBadRequest, "form")
		return false
	}
	return true
}

// touch presses a button.
func (s *Screen) touch(w http.ResponseWriter, r *http.Request) {
	var q struct{ Button string }
	if !read(w, r, &q) {
		return
	}
	if !s.offers(q.Button) {
		say(w, http.StatusNotFound, "form")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), touchLimit)
	defer cancel()
	switch kept, err := s.kiosk.Touch(ctx, q.Button); {
	case err == nil:
		reply(w, http.StatusOK, answer{Ticket: kept.Ticket, PIN: kept.PIN})
	case errors.Is(err, kiosk.ErrCancelled):
		say(w, http.StatusConflict, "cancelled")
	case errors.Is(err, kiosk.ErrBusy):
		say(w, http.StatusTooManyRequests, "busy")
	case s.kiosk.Show().Unkept:
		say(w, http.StatusServiceUnavailable, "unkept")
	default: // it is counted, and its record comes after the cool-down
		say(w, http.StatusAccepted, "counted")
	}
}

func (s *Screen) offers(button string) bool {
	for _, c := range s.cfg.Touch {
		if c.Name == button {
			return true
		}
	}
	return false
}

// cancel takes back the newest press, by whoever sees its ticket.
func (s *Screen) cancel(w http.ResponseWriter, r *http.Request) {
	var q struct{ Button, Ticket string }
	if !read(w, r, &q) {
		return
	}
	if !s.cfg.CanCancel {
		say(w, http.StatusNotFound, "form")
		return
	}
	ctx, end := context.WithTimeout(r.Context(), touchLimit)
	defer end()
	switch err := s.kiosk.Cancel(ctx, q.Button, q.Ticket); {
	case err == nil:
		reply(w, http.StatusOK, answer{State: kiosk.StateWithdrawn})
	case errors.Is(err, kiosk.ErrNothingToCancel):
		say(w, http.StatusConflict, "late")
	default:
		say(w, http.StatusServiceUnavailable, "unkept")
	}
}

// longer shows the newest ticket longer.
func (s *Screen) longer(w http.ResponseWriter, r *http.Request) {
	var q struct{ Ticket string }
	if !read(w, r, &q) {
		return
	}
	if n := s.kiosk.Show().Newest; n != nil && n.Ticket == q.Ticket {
		s.more.ask(q.Ticket, time.Now(), n.At.Add(s.cfg.ShowFor+mostTime))
	}
	reply(w, http.StatusOK, answer{})
}

// ticket tells how a complaint stands.
func (s *Screen) ticket(w http.ResponseWriter, r *http.Request) {
	var q struct{ Text string }
	if !read(w, r, &q) {
		return
	}
	t, pin, err := parseSlip(q.Text)
	if err != nil {
		say(w, http.StatusBadRequest, "ticket")
		return
	}
	guesses := s.aside
	if isLocal(r) {
		guesses = s.guard
	}
	var st report.TicketStatus
	asked, err := guesses.Ask(t.String(), time.Now(), func() (err error) {
		st, err = s.kiosk.Ask(t, pin)
		return err
	})
	if !asked {
		say(w, http.StatusTooManyRequests, "guesses")
		return
	}
	if err != nil {
		say(w, http.StatusNotFound, "wrong")
		return
	}
	a := answer{Ticket: st.Ticket, State: st.State, NoteID: st.Note.ID, NoteEN: st.Note.EN}
	if !st.At.IsZero() {
		a.At = st.At.Local().Format(time.DateOnly)
	}
	reply(w, http.StatusOK, a)
}

// slipForm finds a ticket and its PIN in what is typed or scanned: both alone, or
// in the address of a slip's QR code.
var slipForm = regexp.MustCompile(`(?i)(?:^|[^0-9a-z])([0-9a-z]{4}[-. ]?[0-9a-z]{4}[-. ]?[0-9a-z])(?:[-. ]*|[?&#/=.]|[?&]pin=)([0-9a-z]{4})$`)

var errSlip = errors.New("no ticket and PIN in it")

func parseSlip(text string) (report.Ticket, string, error) {
	m := slipForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return report.Ticket{}, "", errSlip
	}
	t, err := report.ParseTicket(m[1])
	if err != nil {
		return report.Ticket{}, "", err
	}
	return t, report.NormalPIN(m[2]), nil
}
