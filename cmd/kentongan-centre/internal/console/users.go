package console

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

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
		access.ErrNoAgency: "err.noagency", access.ErrLastOne: "err.lastadmin", access.ErrOnlyWayIn: "err.onlywayin", access.ErrNoOne: "err.noone",
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
	if err == nil {
		acting(w).object = "/users/" + a.ID
	}
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
	a, err := c.cfg.Access.OfID(r.Context(), r.PathValue("id"))
	c.linked(w, r, a, err)
}

func (c *Console) doChangeUser(w http.ResponseWriter, r *http.Request) {
	old, err := c.cfg.Access.OfID(r.Context(), r.PathValue("id"))
	if err == nil {
		a := accountOf(r)
		a.ID, a.Name = old.ID, old.Name
		err = c.cfg.Access.Change(r.Context(), a)
	}
	c.changedUser(w, r, err)
}

// doEndUser ends all that an account has open.
func (c *Console) doEndUser(w http.ResponseWriter, r *http.Request) {
	a, err := c.cfg.Access.OfID(r.Context(), r.PathValue("id"))
	if err == nil {
		err = c.cfg.Access.EndAll(r.Context(), a.ID)
	}
	c.changedUser(w, r, err)
}

// doEraseUser erases an account. That it did, and why, is written down in the same
// transaction; what was refused, by act.
func (c *Console) doEraseUser(w http.ResponseWriter, r *http.Request) {
	if strings.TrimSpace(r.PostForm.Get("reason")) == "" {
		c.refused(w, r, orders.ErrReason)
		return
	}
	id := r.PathValue("id")
	err := c.cfg.Store.EraseAccount(r.Context(), id, access.Mark(id), func(ctx context.Context, tx store.Tx) error {
		return c.cfg.Access.EraseIn(ctx, tx, id, c.entry(r, "user-erase"))
	})
	acting(w).noted = err == nil
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
