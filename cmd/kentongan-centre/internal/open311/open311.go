// Package open311 serves what is public of the complaints by Open311 GeoReport
// v2 (wiki.open311.org/GeoReport_v2): services, requests and tokens, in JSON and
// in XML, to whoever asks. It only reads: complaints come from kiosks.
//
// A token is a kiosk's ticket, which it gives out offline: the request's own
// number comes when the complaint has arrived. Requests don't say their tickets,
// their PINs, or what was written to their citizens.
package open311

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Source is what is public; *store.Store has it.
type Source interface {
	PublicServices(context.Context) ([]store.Service, error)
	PublicRequests(context.Context, store.PublicFilter) ([]store.PublicRequest, error)
	RequestOfTicket(context.Context, report.Ticket) (int64, error)
}

// API answers. See New.
type API struct {
	source Source
	limit  *access.Limiter
	now    func() time.Time
	addr   func(*http.Request) string // who asks, for the limit
	log    *slog.Logger
}

// New makes an API.
func New(source Source, now func() time.Time, addr func(*http.Request) string, log *slog.Logger) *API {
	return &API{source: source, limit: access.NewLimiter(60, time.Second), now: now, addr: addr, log: log}
}

const (
	// maxSpan and maxPage are the standard's: 90 days or the first 1,000 requests.
	maxSpan = 90 * 24 * time.Hour
	maxPage = 1000
	maxList = 100 // of ids or codes in one question
)

// refusal is an error as the standard wants it.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func bad(text string) error { return &refusal{http.StatusBadRequest, text} }

// ServeHTTP answers GET …/services.json, requests.json, requests/ID.json,
// tokens/TOKEN.json, and the same with .xml; the path's prefix is cut off.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, format, _ := cutLast(r.PathValue("path"), ".")
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // it is public, and other people's pages are to show it
	h.Set("Cache-Control", "public, max-age=30")
	if format != "json" && format != "xml" {
		format = "xml" // the standard's own
		a.refuse(w, format, &refusal{http.StatusNotFound, "no such resource; ask for services, requests, requests/ID or tokens/TOKEN, with .json or .xml"})
		return
	}
	if !a.limit.Take(access.Place(a.addr(r)), a.now()) {
		h.Set("Retry-After", "5")
		a.refuse(w, format, &refusal{http.StatusTooManyRequests, "too many requests; wait a little"})
		return
	}
	answer, err := a.answer(r, path)
	if err != nil {
		a.refuse(w, format, err)
		return
	}
	a.write(w, format, http.StatusOK, answer)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (a *API) answer(r *http.Request, path string) (any, error) {
	what, id, single := strings.Cut(path, "/")
	switch {
	case what == "services" && !single:
		return a.services(r)
	case what == "services":
		// None has a definition: metadata is false for each.
		return nil, &refusal{http.StatusNotFound, "service_code not found, or it has no further attributes"}
	case what == "requests" && !single:
		return a.requests(r)
	case what == "requests":
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, &refusal{http.StatusNotFound, "service_request_id not found"}
		}
		return a.list(r, store.PublicFilter{IDs: []int64{n}, Most: 1}, true)
	case what == "tokens" && single:
		return a.token(r, id)
	}
	return nil, &refusal{http.StatusNotFound, "no such resource; ask for services, requests, requests/ID or tokens/TOKEN, with .json or .xml"}
}

func (a *API) services(r *http.Request) (any, error) {
	list, err := a.source.PublicServices(r.Context())
	if err != nil {
		return nil, err
	}
	out := services{List: []service{}}
	for _, v := range list {
		out.List = append(out.List, service{Code: v.Code, Name: pick(r, v.Name), Description: pick(r, v.Name), Type: "batch", Keywords: v.Code, Group: v.Agency})
	}
	return out, nil
}

func (a *API) requests(r *http.Request) (any, error) {
	f, err := a.filter(r)
	if err != nil {
		return nil, err
	}
	return a.list(r, f, false)
}

// filter reads the standard's parameters, and page and page_size beside them. A
// service_request_id overrides the others.
func (a *API) filter(r *http.Request) (f store.PublicFilter, err error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f, bad("the query can't be read: " + err.Error())
	}
	f.Most = maxPage
	if s := q.Get("page_size"); s != "" {
		if f.Most, err = strconv.Atoi(s); err != nil || f.Most < 1 || f.Most > maxPage {
			return f, bad("page_size: write 1 to 1000")
		}
	}
	if s := q.Get("page"); s != "" {
		page, err := strconv.Atoi(s)
		if err != nil || page < 1 || page > 100_000 {
			return f, bad("page: write 1 or more")
		}
		f.Skip = (page - 1) * f.Most
	}
	if s := q.Get("service_request_id"); s != "" {
		for id := range strings.SplitSeq(s, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
			if err != nil || len(f.IDs) >= maxList {
				return f, bad("service_request_id: write up to 100 numbers, separated by commas")
			}
			f.IDs = append(f.IDs, n)
		}
		return f, nil
	}
	if s := q.Get("service_code"); s != "" {
		for code := range strings.SplitSeq(s, ",") {
			if len(f.Codes) >= maxList {
				return f, bad("service_code: write up to 100 codes, separated by commas")
			}
			f.Codes = append(f.Codes, strings.TrimSpace(code))
		}
	}
	for s := range strings.SplitSeq(q.Get("status"), ",") {
		switch s = strings.TrimSpace(s); {
		case s == "":
		case s != "open" && s != "closed":
			return f, bad("status: write open, closed, or both separated by a comma")
		case f.Open != nil && *f.Open != (s == "open"):
			f.Open = nil // both
		default:
			is := s == "open"
			f.Open = &is
		}
	}
	return a.span(f, q.Get("start_date"), q.Get("end_date"))
}

// span is the time asked for: the newest 90 days when nothing is said of it,
// and never more than 90 days.
func (a *API) span(f store.PublicFilter, start, end string) (store.PublicFilter, error) {
	var err error
	if f.From, err = moment(start); err != nil {
		return f, bad("start_date: write a time with its zone, as 2026-11-26T00:00:00+07:00")
	}
	if f.To, err = moment(end); err != nil {
		return f, bad("end_date: write a time with its zone, as 2026-11-26T00:00:00+07:00")
	}
	switch {
	case f.From.IsZero() && f.To.IsZero():
		f.From = a.now().Add(-maxSpan)
	case f.From.IsZero():
		f.From = f.To.Add(-maxSpan)
	case f.To.IsZero():
		f.To = f.From.Add(maxSpan)
	case f.To.Before(f.From):
		return f, bad("end_date is before start_date")
	case f.To.Sub(f.From) > maxSpan:
		return f, bad("start_date and end_date are more than 90 days apart")
	}
	return f, nil
}

func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	// A plus sign that was not escaped arrives as a space.
	return time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+"))
}

func (a *API) list(r *http.Request, f store.PublicFilter, one bool) (any, error) {
	list, err := a.source.PublicRequests(r.Context(), f)
	if err != nil {
		return nil, err
	}
	if one && len(list) == 0 {
		return nil, &refusal{http.StatusNotFound, "service_request_id not found"}
	}
	out := requests{List: []request{}}
	for _, p := range list {
		out.List = append(out.List, requestOf(r, p))
	}
	return out, nil
}

func requestOf(r *http.Request, p store.PublicRequest) request {
	q := request{
		ID: strconv.FormatInt(p.ID, 10), Status: "open", Notes: pick(r, stateTexts[p.State]),
		Name: pick(r, p.Name), Code: p.Code, Description: pick(r, p.Name), Agency: pick(r, p.Agency),
		Requested: p.Requested.Format(time.RFC3339), Updated: p.Updated.Format(time.RFC3339), Address: p.Site,
	}
	if slices.Contains([]string{"done", "rejected", "withdrawn"}, p.State) {
		q.Status = "closed"
	}
	if p.Lat != 0 || p.Lon != 0 {
		q.Lat, q.Long = &p.Lat, &p.Lon
	}
	return q
}

// stateTexts are the public words of the states; what somebody wrote to the
// citizen is for the citizen.
var stateTexts = map[string]report.Text{
	"received":  {ID: "Diterima", EN: "Received"},
	"assigned":  {ID: "Diteruskan ke dinas", EN: "Passed on to an agency"},
	"done":      {ID: "Selesai", EN: "Done"},
	"rejected":  {ID: "Tidak dapat ditangani", EN: "Can't be dealt with"},
	"withdrawn": {ID: "Dibatalkan warga", EN: "Taken back by the citizen"},
}

func (a *API) token(r *http.Request, id string) (any, error) {
	t, err := report.ParseTicket(id)
	if err != nil {
		return nil, bad("token: not a ticket number: " + err.Error())
	}
	n, err := a.source.RequestOfTicket(r.Context(), t)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &refusal{http.StatusNotFound, "token not found; the kiosk may not have sent its complaint yet"}
	}
	return requests{List: []request{{ID: strconv.FormatInt(n, 10), Token: t.String()}}}, nil
}

// pick is a text in the language that ?lang= asks for; Indonesian without it.
func pick(r *http.Request, x report.Text) string {
	if r.URL.Query().Get("lang") == "en" && x.EN != "" {
		return x.EN
	}
	if x.ID == "" {
		return x.EN
	}
	return x.ID
}

func (a *API) refuse(w http.ResponseWriter, format string, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		a.log.Error("query failed", "err", err)
		no = &refusal{http.StatusInternalServerError, "the database did not answer"}
	}
	w.Header().Set("Cache-Control", "no-store")
	a.write(w, format, no.status, failures{List: []failure{{Code: no.status, Description: no.text}}})
}

func (a *API) write(w http.ResponseWriter, format string, status int, answer any) {
	var out []byte
	var err error
	if format == "json" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		out, err = json.Marshal(answer)
	} else {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		out, err = xml.Marshal(answer)
		out = append([]byte(xml.Header), out...)
	}
	if err != nil {
		a.log.Error("answer not encoded", "err", err)
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(out, '\n')) // the client has gone
}
