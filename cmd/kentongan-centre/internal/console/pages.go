package console

import (
	"bytes"
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// page is what every template gets.
type page struct {
	Lang, OtherLang string
	Here            string // the section of the menu
	Title           string
	Self            string     // this page's path
	Query           url.Values // of this page, without lang
	Now             time.Time
	Connected       bool
	Broker, Key     string
	User            *access.Account // nil for nobody
	Admin           bool
	Body            any
}

const (
	maxProblems = 100
	maxFeed     = 12 // complaints on the first page
	perPage     = 50
	maxEvents   = 15
	maxRows     = 300 // devices or lanes on one page; the API has them all
	// quietAfter is when a device that says it is online and sends nothing is
	// called quiet: stats come every 10 s, and a broker gives the will after
	// one and a half keepalives.
	quietAfter = 2 * time.Minute
)

// show renders a template whole, so that an error never leaves half a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, name, here, title string, body any) {
	lang := language(w, r)
	q := r.URL.Query()
	q.Del("lang")
	p := page{
		Lang: lang, OtherLang: other(lang), Here: here, Title: title, Self: r.URL.EscapedPath(), Query: q,
		Now: c.cfg.Now(), Connected: c.cfg.Ingest().Connected, Broker: c.cfg.Broker, Key: c.cfg.Verifier, Body: body,
	}
	if s := session(r); s != nil {
		p.User, p.Admin = &s.Account, s.May(access.Admin)
	}
	if _, ok := texts[title]; ok {
		p.Title = say(lang, title)
	}
	var buf bytes.Buffer
	if err := c.pages[lang].ExecuteTemplate(&buf, name, p); err != nil {
		c.cfg.Log.Error("page failed", "page", name, "err", err)
		http.Error(w, "this page could not be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.ReplaceAll(buf.Bytes(), []byte(csrfMark), []byte(session(r).CSRF()))) // the client has gone
}

func other(lang string) string {
	if lang == "id" {
		return "en"
	}
	return "id"
}

func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the viewer has gone
	}
	c.cfg.Log.Error("query failed", "err", err)
	c.show(w, r, http.StatusInternalServerError, "message.html", "", "failed", "")
}

func (c *Console) notFound(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "there is nothing to do here", http.StatusMethodNotAllowed)
		return
	}
	c.show(w, r, http.StatusNotFound, "message.html", "", "notfound", "")
}

type overviewPage struct {
	store.Overview
	Problems []store.Problem
	Cards    []deviceCard
	Feed     []complaint
	Ingest   ingest.Status
}

// deviceCard is a device and its first cameras, in short.
type deviceCard struct {
	deviceRow
	Cameras []store.Stream
}

// The first page shows so many devices, and so many cameras of each; the other
// pages show all.
const (
	maxCards   = 4
	maxCameras = 6
)

// cards are the first devices, those that are offline before the others.
func (c *Console) cards(r *http.Request) ([]deviceCard, error) {
	list, err := c.view(r).FirstDevices(r.Context(), "", maxCards)
	if err != nil {
		return nil, err
	}
	var cards []deviceCard
	for _, row := range c.deviceRows(list) {
		cameras, err := c.view(r).Streams(r.Context(), row.ID)
		if err != nil {
			return nil, err
		}
		cards = append(cards, deviceCard{row, cameras[:min(len(cameras), maxCameras)]})
	}
	return cards, nil
}

func (o overviewPage) Bad() int    { return o.Silent + o.Failed + o.Unusable }
func (o overviewPage) Empty() bool { return o.Devices == 0 }
func (o overviewPage) Whole() bool { return o.Missing == 0 && o.Conflicts == 0 }

// Rest is the streams that nobody can tell the state of: they are starting, or
// their device is offline.
func (o overviewPage) Rest() int { return o.Streams - o.Playing - o.Silent - o.Failed }

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	o, err := c.view(r).Overview(r.Context(), dayBegan(c.cfg.Now()))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	problems, err := c.view(r).Problems(r.Context(), c.cfg.Now(), maxProblems)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	list, err := c.view(r).Complaints(r.Context(), store.ComplaintFilter{Limit: maxFeed})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	cards, err := c.cards(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "overview.html", "overview", "overview", overviewPage{o, gathered(problems), cards, dressed(list), c.cfg.Ingest()})
}

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

type devicePage struct {
	deviceRow
	Cameras    []store.Stream
	Apps       []appRow
	Around     []around
	Lanes      []store.Lane
	Events     []store.Happening
	Complaints []complaint
	History    map[string][]store.StreamPoint
	Orders     []store.Order
	Logs       []pictureView
	May        bool // order what changes nothing
	MayChange  bool // and what does
}

// Ranges tells whether any lane has holes or gaps to show.
func (d devicePage) Ranges() bool { return anyRanges(d.Lanes) }

func anyRanges(lanes []store.Lane) bool {
	for _, l := range lanes {
		if len(l.Holes)+len(l.Gaps) > 0 {
			return true
		}
	}
	return false
}

func (c *Console) device(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	ctx := r.Context()
	var list []store.Device
	var err error
	if report.ValidDevice(id) {
		list, err = c.view(r).Devices(ctx, id)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(list) == 0 {
		c.show(w, r, http.StatusNotFound, "message.html", "devices", "notfound", "nodevice")
		return
	}
	p := devicePage{deviceRow: c.deviceRows(list)[0]}
	apps, err := c.view(r).Apps(ctx, id)
	p.Apps = c.appRows(apps)
	if err == nil {
		p.Cameras, err = c.view(r).Streams(ctx, id)
	}
	var said []store.Around
	if err == nil {
		said, err = c.view(r).Surroundings(ctx, id, c.cfg.Now())
	}
	p.Around = c.surroundings(said)
	if err == nil {
		p.Lanes, err = c.view(r).Lanes(ctx, id)
	}
	if err == nil {
		p.Events, err = c.view(r).Happenings(ctx, id, maxEvents)
	}
	var complaints []store.Complaint
	if err == nil {
		complaints, err = c.view(r).Complaints(ctx, store.ComplaintFilter{Device: id, Limit: maxFeed})
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if p.History, err = c.view(r).StreamHistory(ctx, id, c.cfg.Now().Add(-sparkSpan)); err != nil {
		c.fail(w, r, err)
		return
	}
	if p.Orders, p.Logs, err = c.deviceOrders(r, id); err != nil {
		c.fail(w, r, err)
		return
	}
	p.May, p.MayChange = may(r, access.Operator), may(r, access.Approver)
	p.Complaints = dressed(complaints)
	c.show(w, r, http.StatusOK, "device.html", "devices", id, p)
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

type gapsPage struct {
	Proofs proofs
	Lanes  []store.Lane
	All    int
	store.Overview
}

// Accounted is how many numbers there are below the newest.
func (g gapsPage) Accounted() uint64 { return g.Records + g.Explained + g.Missing }

func (g gapsPage) Ranges() bool { return anyRanges(g.Lanes) }

func (c *Console) gaps(w http.ResponseWriter, r *http.Request) {
	o, err := c.view(r).Overview(r.Context(), time.Time{})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	lanes, err := c.view(r).Lanes(r.Context(), "")
	if err != nil {
		c.fail(w, r, err)
		return
	}
	found, err := c.proofs(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	slices.SortStableFunc(lanes, func(a, b store.Lane) int { return cmp.Compare(severity(a), severity(b)) })
	p := gapsPage{Proofs: found, Lanes: lanes[:min(maxRows, len(lanes))], All: len(lanes), Overview: o}
	c.show(w, r, http.StatusOK, "gaps.html", "gaps", "gaps", p)
}

// severity puts the lanes that break the proof first, then those with an
// explanation or something to come.
func severity(l store.Lane) int {
	switch {
	case l.Missing > 0 || l.Conflicts > 0:
		return 0
	case l.Waiting > 0 || l.Explained > 0:
		return 1
	}
	return 2
}
