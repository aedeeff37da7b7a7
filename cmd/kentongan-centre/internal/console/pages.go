package console

import (
	"bytes"
	"net/http"
	"net/url"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
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
