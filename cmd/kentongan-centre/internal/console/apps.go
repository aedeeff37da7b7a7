package console

import (
	"math"
	"net/http"
	"strconv"
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
	Days          []appDay
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
	all := applications(c.appRows(list))
	if err := c.addDays(r, all); err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "apps.html", "apps", "apps", all)
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

// appDays is how many days the page shows, today's among them.
const appDays = 14

// appDay is how an application could be used on one day.
type appDay struct {
	Start time.Time
	store.AppDay
}

// Tone follows the shares that service levels are written in: 99.5 % is some 7
// minutes of a day, 95 % an hour and a quarter.
func (d appDay) Tone() string {
	switch {
	case d.Looks == 0:
		return "idle"
	case d.Ratio() >= 0.995:
		return "good"
	case d.Ratio() >= 0.95:
		return "warn"
	}
	return "bad"
}

// Percent is the share of looks that found it well, rounded down: 99.96 is not
// yet 100.
func (d appDay) Percent() string {
	return strconv.FormatFloat(math.Floor(d.Ratio()*1000)/10, 'f', -1, 64)
}

// addDays puts the last days beside applications.
func (c *Console) addDays(r *http.Request, all []application) error {
	today := store.DayOf(c.cfg.Now())
	list, err := c.view(r).AppDays(r.Context(), store.DayStart(today-appDays+1))
	if err != nil {
		return err
	}
	by := map[string]store.AppDay{}
	for _, d := range list {
		by[d.Name+" "+d.Day] = d
	}
	for i := range all {
		for day := today - appDays + 1; day <= today; day++ {
			start := store.DayStart(day)
			all[i].Days = append(all[i].Days, appDay{start, by[all[i].Name+" "+start.In(wib).Format(time.DateOnly)]})
		}
	}
	return nil
}

// apiAppDays takes days (1 to 366, counted from today backwards).
func (c *Console) apiAppDays(w http.ResponseWriter, r *http.Request) {
	n := int64(appDays)
	if s := r.URL.Query().Get("days"); s != "" {
		var err error
		if n, err = strconv.ParseInt(s, 10, 64); err != nil || n < 1 || n > 366 {
			refuse(w, http.StatusBadRequest, "days: 1 to 366")
			return
		}
	}
	list, err := c.view(r).AppDays(r.Context(), store.DayStart(store.DayOf(c.cfg.Now())-n+1))
	c.answer(w, "app_days", list, err)
}
