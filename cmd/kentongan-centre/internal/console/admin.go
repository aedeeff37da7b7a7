package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// The pages of admins: people, agencies with what belongs to them, and the
// access log.

type usersPage struct {
	Accounts []access.Account
	Agencies []store.Agency
	Roles    []access.Role
	Link     string // just made, for Name
	Name     string
	New      access.Account // what was written, when it was not taken
	Err      string
	Self     string // id of who looks
}

func (c *Console) users(w http.ResponseWriter, r *http.Request) {
	c.showUsers(w, r, http.StatusOK, usersPage{New: access.Account{Role: access.Operator}})
}

func (c *Console) showUsers(w http.ResponseWriter, r *http.Request, status int, p usersPage) {
	var err error
	if p.Accounts, err = c.cfg.Access.Accounts(r.Context()); err == nil {
		p.Agencies, err = c.view(r).Agencies(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Roles, p.Self = access.Roles(), session(r).Account.ID
	c.show(w, r, status, "users.html", "users", "users", p)
}

// accountErr is the text for what is wrong with an account, "" when the account
// is not at fault.
func accountErr(err error) string {
	for known, text := range map[error]string{
		access.ErrName: "err.name", access.ErrFullName: "err.fullname", access.ErrRole: "err.badrole", access.ErrTaken: "err.taken",
		access.ErrNoAgency: "err.noagency", access.ErrLastOne: "err.lastadmin", access.ErrNoOne: "err.noone",
	} {
		if errors.Is(err, known) {
			return text
		}
	}
	return ""
}

func accountOf(r *http.Request) access.Account {
	f := r.PostForm
	return access.Account{
		Name: strings.ToLower(strings.TrimSpace(f.Get("name"))), FullName: strings.Join(strings.Fields(f.Get("full_name")), " "),
		Role: access.Role(f.Get("role")), Agency: f.Get("agency"), Disabled: f.Get("disabled") == "1",
	}
}

// doAddUser makes an account and shows the link that lets it in.
func (c *Console) doAddUser(w http.ResponseWriter, r *http.Request) {
	a, err := c.cfg.Access.Add(r.Context(), accountOf(r))
	c.linked(w, r, a, err)
}

// linked shows a new link for an account, or why there is none.
func (c *Console) linked(w http.ResponseWriter, r *http.Request, a access.Account, err error) {
	var token string
	if err == nil {
		token, err = c.cfg.Access.Link(r.Context(), a.ID)
	}
	switch text := accountErr(err); {
	case err == nil:
		c.showUsers(w, r, http.StatusOK, usersPage{Link: c.site(r).Origin + "/link/" + token, Name: a.Name, New: access.Account{Role: access.Operator}})
	case text != "":
		c.showUsers(w, r, http.StatusBadRequest, usersPage{New: a, Err: text})
	default:
		c.fail(w, r, err)
	}
}

func (c *Console) doLinkUser(w http.ResponseWriter, r *http.Request) {
	a, err := c.cfg.Access.Named(r.Context(), r.PathValue("name"))
	c.linked(w, r, a, err)
}

func (c *Console) doChangeUser(w http.ResponseWriter, r *http.Request) {
	old, err := c.cfg.Access.Named(r.Context(), r.PathValue("name"))
	if err == nil {
		a := accountOf(r)
		a.ID, a.Name = old.ID, old.Name
		err = c.cfg.Access.Change(r.Context(), a)
	}
	c.changedUser(w, r, err)
}

// doEndUser ends all that an account has open.
func (c *Console) doEndUser(w http.ResponseWriter, r *http.Request) {
	a, err := c.cfg.Access.Named(r.Context(), r.PathValue("name"))
	if err == nil {
		err = c.cfg.Access.EndAll(r.Context(), a.ID)
	}
	c.changedUser(w, r, err)
}

func (c *Console) changedUser(w http.ResponseWriter, r *http.Request, err error) {
	switch text := accountErr(err); {
	case err == nil:
		http.Redirect(w, r, "/users", http.StatusSeeOther)
	case text != "":
		c.showUsers(w, r, http.StatusBadRequest, usersPage{New: access.Account{Role: access.Operator}, Err: text})
	default:
		c.fail(w, r, err)
	}
}

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

type logPage struct {
	List         []access.Entry
	Name, Action string
	Actions      []string
	Older        int64
	Paged        bool
	Whole        int64  // entries that are as they were written
	Broken       int64  // the first that is not, 0 for none
	Newest       string // hash
}

// actions are the words of the access log.
func (c *Console) actions() []string {
	set := []string{"login"}
	for _, rt := range c.routes() {
		if rt.action != "" && !slices.Contains(set, rt.action) {
			set = append(set, rt.action)
		}
	}
	slices.Sort(set)
	return set
}

const maxLog = 100

func (c *Console) accessLog(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := logPage{Name: strings.TrimSpace(q.Get("name")), Action: q.Get("action"), Actions: c.actions()}
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	p.Paged = err == nil && before > 0
	if p.List, err = c.cfg.Access.Journal(r.Context(), p.Name, p.Action, max(0, before), maxLog); err == nil {
		p.Whole, p.Broken, p.Newest, err = c.cfg.Access.Check(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(p.List) == maxLog {
		p.Older = p.List[maxLog-1].Seq
	}
	c.show(w, r, http.StatusOK, "accesslog.html", "accesslog", "accesslog", p)
}
