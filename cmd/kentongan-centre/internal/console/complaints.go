package console

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// complaint is a complaint with what the page works out.
type complaint struct{ store.Complaint }

func dressed(list []store.Complaint) []complaint {
	out := make([]complaint, len(list))
	for i, c := range list {
		out[i] = complaint{c}
	}
	return out
}

// Known tells whether its time can be shown as a time.
func (c complaint) Known() bool { return c.Clock != string(report.ClockUnset) }

// Ahead tells that the device's clock was ahead of ours.
func (c complaint) Ahead() bool { return c.Known() && c.Time.After(c.Received.Add(time.Minute)) }

// Delay is how long it took to arrive.
func (c complaint) Delay() time.Duration { return max(0, c.Received.Sub(c.Time)) }

// Late tells whether it waited on the device.
func (c complaint) Late() bool { return c.Known() && c.Delay() >= 10*time.Second }

// Quality is the clock's, or that it was ahead.
func (c complaint) Quality() string {
	if c.Ahead() {
		return "ahead"
	}
	return c.Clock
}

type complaintsPage struct {
	List          []complaint
	Query, Device string
	State, Agency string // filters
	Agencies      []store.Agency
	BadTicket     bool
	Back          string
	May           bool
	MayErase      bool
	Older         int64 // id to go on before, 0 at the end
	Paged         bool
}

func (c *Console) complaints(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := complaintsPage{Query: q.Get("ticket"), May: may(r, access.Operator), MayErase: may(r, access.Admin), Back: r.URL.RequestURI()}
	f := store.ComplaintFilter{Limit: perPage}
	if d := q.Get("device"); report.ValidDevice(d) {
		p.Device, f.Device = d, d
	}
	if n, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && n > 0 {
		f.Before, p.Paged = n, true
	}
	if s := q.Get("state"); slices.Contains(complaintStates, s) {
		p.State, f.State = s, s
	}
	if a := q.Get("agency"); store.ValidAgency(a) {
		p.Agency, f.Agency = a, a
	}
	agencies, err := c.view(r).Agencies(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Agencies = agencies
	if p.Query != "" {
		ticket, err := report.ParseTicket(p.Query)
		p.BadTicket = err != nil
		f.Ticket = ticket.String()
	}
	if !p.BadTicket {
		list, err := c.view(r).Complaints(r.Context(), f)
		if err != nil {
			c.fail(w, r, err)
			return
		}
		p.List = dressed(list)
		if len(list) == perPage {
			p.Older = list[len(list)-1].ID
		}
	}
	c.show(w, r, http.StatusOK, "complaints.html", "complaints", "complaints", p)
}

// complaintStates are those that the page can be restricted to.
var complaintStates = append(report.TicketStates(), report.TicketWithdrawn)

// States are those to choose from.
func (complaintsPage) States() []string { return complaintStates }

// Filter is what the page is restricted to, as a query.
func (p complaintsPage) Filter() template.URL {
	q := url.Values{}
	for key, v := range map[string]string{"device": p.Device, "state": p.State, "agency": p.Agency} {
		if v != "" {
			q.Set(key, v)
		}
	}
	return template.URL(q.Encode()) // escaped
}
