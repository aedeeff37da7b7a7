package console

import (
	"net/http"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// maxPlaces is how many places of one application a page shows; the API has
// them all. The worst come first.
const maxPlaces = 100

// appRow is an application as one device sees it, with what the page works out.
type appRow struct {
	store.App
	Now time.Time
}

// Shown is the state; of a device that is offline nobody knows it.
func (a appRow) Shown() string {
	if !a.Online || a.State == "" {
		return "unknown"
	}
	return a.State
}

// CertKnown tells whether it has a certificate whose end is known.
func (a appRow) CertKnown() bool { return a.Doc != nil && a.Doc.CertDays != nil }

// CertDays is how many days its certificate lasts, negative when it has ended.
func (a appRow) CertDays() int {
	if !a.CertKnown() {
		return 0
	}
	return *a.Doc.CertDays
}

// CertOver is how many days ago it ended.
func (a appRow) CertOver() int { return -a.CertDays() }

// certSoon is when a certificate is shown as a trouble: the device's own limit
// is an alarm of its own.
const certSoon = 14

// CertBad tells whether its certificate ends soon.
func (a appRow) CertBad() bool { return a.CertKnown() && a.CertDays() < certSoon }

// TotalMS is the time of the newest look.
func (a appRow) TotalMS() int64 {
	if a.Stats == nil {
		return -1
	}
	return int64(a.Stats.TotalMS + 0.5)
}

// application is one application and all who look at it.
type application struct {
	Name          string
	Label         report.Text
	URL           string
	Places, Bad   int // of devices that are online; Bad can't use it
	Slow, Unknown int
	Rows          []appRow
	More          int // rows beyond those
}

// Tone is how it is as a whole.
func (a application) Tone() string {
	switch {
	case a.Bad > 0:
		return "bad"
	case a.Slow > 0:
		return "warn"
	case a.Places == 0 || a.Unknown == a.Places:
		return "idle"
	}
	return "good"
}

// Good is how many places reach it.
func (a application) Good() int { return a.Places - a.Bad - a.Unknown }

func (c *Console) appRows(list []store.App) []appRow {
	rows := make([]appRow, len(list))
	for i, a := range list {
		rows[i] = appRow{a, c.cfg.Now()}
	}
	return rows
}

// applications puts rows, which are ordered by name, together.
func applications(rows []appRow) (all []application) {
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].Name != r.Name {
			all = append(all, application{Name: r.Name})
		}
		a := &all[len(all)-1]
		a.add(r)
	}
	return all
}

func (a *application) add(r appRow) {
	if r.Doc != nil && (a.URL == "" || r.Online && a.Label == report.Text{}) {
		a.URL, a.Label = r.Doc.URL, r.Doc.Label
	}
	switch r.Shown() {
	case "unknown":
	case report.AppChecking:
		a.Places, a.Unknown = a.Places+1, a.Unknown+1
	case report.AppSlow:
		a.Places, a.Slow = a.Places+1, a.Slow+1
	case report.AppUnreachable, report.AppWrong:
		a.Places, a.Bad = a.Places+1, a.Bad+1
	default:
		a.Places++
	}
	if len(a.Rows) < maxPlaces {
		a.Rows = append(a.Rows, r)
	} else {
		a.More++
	}
}

func (c *Console) apps(w http.ResponseWriter, r *http.Request) {
	list, err := c.view(r).Apps(r.Context(), "")
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "apps.html", "apps", "apps", applications(c.appRows(list)))
}

func (c *Console) apiApps(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Apps(r.Context(), d)
		c.answer(w, "apps", list, err)
	}
}

func appClassText(lang, class string) string {
	if class == "" {
		return ""
	}
	return sayAfter(lang, "appclass", class)
}
