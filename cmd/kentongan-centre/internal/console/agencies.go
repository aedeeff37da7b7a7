package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

type agenciesPage struct {
	Agencies []store.Agency
	Services []store.Service
	Devices  []store.Owned
	Query    string
	More     bool // devices beyond those that are listed
	Err      string
	Detail   string
}

// maxOwned is how many devices the page lists; a search finds the others.
const maxOwned = 30

func (c *Console) agencies(w http.ResponseWriter, r *http.Request) {
	c.showAgencies(w, r, http.StatusOK, nil)
}

func (c *Console) showAgencies(w http.ResponseWriter, r *http.Request, status int, wrong error) {
	p := agenciesPage{Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	var err error
	v := c.view(r)
	if p.Agencies, err = v.Agencies(r.Context()); err == nil {
		p.Services, err = v.Services(r.Context())
	}
	if err == nil {
		p.Devices, err = v.Owned(r.Context(), p.Query, maxOwned+1)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(p.Devices) > maxOwned {
		p.Devices, p.More = p.Devices[:maxOwned], true
	}
	switch {
	case errors.Is(wrong, store.ErrAgencyUsed):
		p.Err = "err.agencyused"
	case errors.Is(wrong, store.ErrNoAgency):
		p.Err = "err.noagency"
	case wrong != nil:
		p.Err, p.Detail = "err.form", wrong.Error()
	}
	c.show(w, r, status, "agencies.html", "agencies", "agencies", p)
}

// changedAgencies goes back to the page, or says what was wrong on it.
func (c *Console) changedAgencies(w http.ResponseWriter, r *http.Request, err error) {
	var bad *store.InputError
	switch {
	case err == nil:
		c.readDirectory(r.Context())
		c.hub.tell(now, nil)
		http.Redirect(w, r, "/agencies"+backQuery(r), http.StatusSeeOther)
	case errors.As(err, &bad), errors.Is(err, store.ErrAgencyUsed), errors.Is(err, store.ErrNoAgency):
		c.showAgencies(w, r, http.StatusBadRequest, err)
	default:
		c.fail(w, r, err)
	}
}

// backQuery keeps what was searched for.
func backQuery(r *http.Request) string {
	if q := r.PostForm.Get("q"); q != "" {
		return "?" + url.Values{"q": {q}}.Encode()
	}
	return ""
}

// bilingual reads a text in both languages; one that is left out is the other.
func bilingual(r *http.Request) report.Text {
	clean := func(key string) string {
		return report.Clip(strings.Join(strings.Fields(r.PostForm.Get(key)), " "), 120)
	}
	x := report.Text{ID: clean("name_id"), EN: clean("name_en")}
	if x.EN == "" {
		x.EN = x.ID
	}
	if x.ID == "" {
		x.ID = x.EN
	}
	return x
}

func (c *Console) doAgency(w http.ResponseWriter, r *http.Request) {
	c.changedAgencies(w, r, c.cfg.Store.PutAgency(r.Context(), store.Agency{ID: strings.TrimSpace(r.PostForm.Get("id")), Name: bilingual(r)}))
}

func (c *Console) doDropAgency(w http.ResponseWriter, r *http.Request) {
	c.changedAgencies(w, r, c.cfg.Store.DropAgency(r.Context(), r.PathValue("id")))
}

func (c *Console) doDeviceAgency(w http.ResponseWriter, r *http.Request) {
	c.changedAgencies(w, r, c.cfg.Store.SetDeviceAgency(r.Context(), strings.TrimSpace(r.PostForm.Get("device")), r.PostForm.Get("agency")))
}

func (c *Console) doService(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	v := store.Service{Code: strings.TrimSpace(f.Get("code")), Agency: f.Get("agency"), Name: bilingual(r), Public: f.Get("public") == "1"}
	c.changedAgencies(w, r, c.cfg.Store.PutService(r.Context(), v))
}

func (c *Console) doDropService(w http.ResponseWriter, r *http.Request) {
	c.changedAgencies(w, r, c.cfg.Store.DropService(r.Context(), r.PathValue("code")))
}
