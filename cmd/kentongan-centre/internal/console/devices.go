package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

type deviceRow struct {
	store.Device
	now time.Time
}

// Shown is the state as it is shown: a device that says it is online but has
// not been heard for a while is quiet.
func (d deviceRow) Shown() string {
	if d.State == report.Online && d.now.Sub(d.LastSeen) > quietAfter {
		return "quiet"
	}
	return d.State
}

// ShownSince is when that began.
func (d deviceRow) ShownSince() *time.Time {
	if d.Shown() == "quiet" {
		return &d.LastSeen
	}
	return d.Since
}

func (c *Console) deviceRows(list []store.Device) []deviceRow {
	out := make([]deviceRow, len(list))
	for i, d := range list {
		out[i] = deviceRow{d, c.cfg.Now()}
	}
	return out
}

type devicesPage struct {
	Rows          []deviceRow
	All           int // that the filter lets through
	Query         string
	State, Agency string
	Agencies      []store.Agency
	Page          int // from 1
}

// perFleet is how many devices one page lists.
const perFleet = 100

// Filtered tells whether the list is restricted.
func (p devicesPage) Filtered() bool { return p.Query != "" || p.State != "" || p.Agency != "" }

// At is the address of a page of the same list.
func (p devicesPage) At(page int) string {
	q := url.Values{}
	for key, v := range map[string]string{"q": p.Query, "state": p.State, "agency": p.Agency} {
		if v != "" {
			q.Set(key, v)
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return "/devices"
	}
	return "/devices?" + q.Encode()
}

// Prev and Next are the addresses beside this page, "" where there is none.
func (p devicesPage) Prev() string {
	if p.Page <= 1 {
		return ""
	}
	return p.At(p.Page - 1)
}

// Next is the one after it.
func (p devicesPage) Next() string {
	if p.Page*perFleet >= p.All {
		return ""
	}
	return p.At(p.Page + 1)
}

// First and Last are which of the list the page shows.
func (p devicesPage) First() int { return (p.Page-1)*perFleet + 1 }

// Last is the last one shown.
func (p devicesPage) Last() int { return p.First() + len(p.Rows) - 1 }

func (c *Console) devices(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := devicesPage{Query: report.Clip(strings.TrimSpace(q.Get("q")), 80), Page: 1}
	if s := q.Get("state"); s == store.FleetRed || s == store.FleetOnline || s == store.FleetOffline {
		p.State = s
	}
	if a := q.Get("agency"); store.ValidAgency(a) {
		p.Agency = a
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < 100_000 {
		p.Page = n
	}
	v := c.view(r)
	f := store.FleetFilter{Query: p.Query, State: p.State, Agency: p.Agency, Now: c.cfg.Now(), Skip: int64(p.Page-1) * perFleet, Limit: perFleet}
	list, err := v.Fleet(r.Context(), f)
	if err == nil {
		p.All, err = v.FleetSize(r.Context(), f)
	}
	if err == nil {
		p.Agencies, err = v.Agencies(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Rows = c.deviceRows(list)
	c.show(w, r, http.StatusOK, "devices.html", "devices", "devices", p)
}
