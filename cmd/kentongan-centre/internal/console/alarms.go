package console

import (
	"net/http"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const (
	maxAlarms   = 200 // on a page
	maxEnded    = 30
	maxPictures = 12
	maxOrders   = 10
)

// alarmView is an alarm with what its card needs.
type alarmView struct {
	store.Alarm
	Pending *store.Order // somebody's word about it that the device has not answered yet
	May     bool         // who looks may say something about it
	Back    string       // the page to come back to
	Now     time.Time
}

// Kind is what the source is.
func (a alarmView) Kind() string {
	kind, _, _ := strings.Cut(a.Source, "/")
	return kind
}

// Name is the source without its kind.
func (a alarmView) Name() string {
	if a.Kind() == a.Source {
		return ""
	}
	return named(a.Source)
}

// Members are the names of what it explains.
func (a alarmView) Members() (names []string) {
	for _, s := range a.Hides {
		names = append(names, named(s))
	}
	return names
}

// More is how many it explains beyond those that it names.
func (a alarmView) More() int { return max(0, a.Hidden-len(a.Hides)) }

// Percent is the confidence, 0 where none was said.
func (a alarmView) Percent() int { return int(a.Confidence*100 + 0.5) }

// Open tells whether something can be said about it.
func (a alarmView) Open() bool { return a.Shelvable() && !a.Ours() }

// Ours tells whether it is the centre's own: no device can be told a word about it.
func (a alarmView) Ours() bool { return strings.HasPrefix(a.Source, store.CentreSource) }

// Shelvable tells whether it can be put aside.
func (a alarmView) Shelvable() bool { return a.Ended == nil && a.Pending == nil && a.May }

// deniableFor is how long an alarm that is over can still be called false: the
// device remembers its newest 32.
const deniableFor = 24 * time.Hour

// Deniable tells whether an alarm that is over can be called false.
func (a alarmView) Deniable() bool {
	return a.May && !a.Ours() && a.Ended != nil && !a.False && a.Pending == nil && a.Now.Sub(*a.Ended) < deniableFor
}

// Shown is the state, or that it was called false.
func (a alarmView) Shown() string {
	if a.False {
		return "false"
	}
	return a.State
}

// views dresses alarms.
func (c *Console) views(r *http.Request, list []store.Alarm, back string) ([]alarmView, error) {
	pending, err := c.pending(r, list)
	if err != nil {
		return nil, err
	}
	out := make([]alarmView, len(list))
	for i, a := range list {
		out[i] = alarmView{Alarm: a, Pending: pending[a.ID], May: may(r, access.Operator), Back: back, Now: c.cfg.Now()}
	}
	return out, nil
}

// pending are the open words about alarms, by the alarm's id.
func (c *Console) pending(r *http.Request, list []store.Alarm) (map[string]*store.Order, error) {
	if len(list) == 0 {
		return nil, nil
	}
	open, err := c.view(r).Orders(r.Context(), store.OrderFilter{Name: report.OrderAckAlarm, Open: true, Limit: 5000})
	by := make(map[string]*store.Order, len(open))
	for i := range open {
		by[open[i].Subject] = &open[i]
	}
	return by, err
}

type alarmsPage struct {
	Active, Ended []alarmView
	Shelved       []shelfView
	Sums          store.AlarmSums
	Rate          float64
	RateKnown     bool
}

// Severities are those of the tiles.
func (alarmsPage) Severities() []string { return report.Severities() }

func (c *Console) alarms(w http.ResponseWriter, r *http.Request) {
	var p alarmsPage
	active, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Now: c.cfg.Now(), Limit: maxAlarms})
	if err == nil {
		p.Active, err = c.views(r, active, "/alarms")
	}
	var ended []store.Alarm
	if err == nil {
		ended, err = c.view(r).Alarms(r.Context(), store.AlarmFilter{Ended: true, Limit: maxEnded})
	}
	if err == nil {
		p.Ended, err = c.views(r, ended, "/alarms")
	}
	if err == nil {
		p.Shelved, err = c.shelf(r)
	}
	if err == nil {
		p.Sums, err = c.view(r).AlarmSums(r.Context(), c.cfg.Now())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Rate, p.RateKnown = p.Sums.FalseRate()
	c.show(w, r, http.StatusOK, "alarms.html", "alarms", "alarms", p)
}
