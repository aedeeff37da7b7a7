package console

import (
	"errors"
	"net/http"

	"kentongan/cmd/kentongan-centre/internal/access"
)

type accountPage struct {
	access.Account
	Keys     []access.Passkey
	Sessions []access.Session
	This     string // this session's hash
	Passkeys bool   // browsers make them for this address
	Err      string
	Saved    bool
	Min      int
}

func (c *Console) account(w http.ResponseWriter, r *http.Request) {
	c.showAccount(w, r, http.StatusOK, accountPage{Saved: r.URL.Query().Has("saved")})
}

func (c *Console) showAccount(w http.ResponseWriter, r *http.Request, status int, p accountPage) {
	s := session(r)
	var err error
	if p.Account, err = c.cfg.Access.Named(r.Context(), s.Account.Name); err == nil {
		p.Keys, err = c.cfg.Access.Passkeys(r.Context(), s.Account.ID)
	}
	if err == nil {
		p.Sessions, err = c.cfg.Access.Sessions(r.Context(), s.Account.ID)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.This, p.Passkeys, p.Min = s.Hash, c.site(r).Passkeys(), access.MinPassword
	c.show(w, r, status, "account.html", "account", "account", p)
}

// passwordErr is the text for what is wrong with a password, "" when it is not
// the password's fault.
func passwordErr(err error) string {
	switch {
	case errors.Is(err, access.ErrShort):
		return "err.short"
	case errors.Is(err, access.ErrSimple):
		return "err.simple"
	}
	return ""
}

// doPassword takes a new password. The old one is asked for where there is one:
// a desk that was left alone for a minute must not lose its account.
func (c *Console) doPassword(w http.ResponseWriter, r *http.Request) {
	s := session(r)
	again := func(status int, text string) { c.showAccount(w, r, status, accountPage{Err: text}) }
	if s.Account.HasPassword {
		_, err := c.cfg.Access.Confirm(r.Context(), s.Account.Name, r.PostForm.Get("old"), c.from(r))
		switch {
		case errors.Is(err, access.ErrLogin):
			again(http.StatusForbidden, "err.old")
			return
		case errors.Is(err, access.ErrSlow):
			again(http.StatusTooManyRequests, "err.slow")
			return
		case err != nil:
			c.fail(w, r, err)
			return
		}
	}
	if r.PostForm.Get("password") != r.PostForm.Get("repeat") {
		again(http.StatusBadRequest, "err.repeat")
		return
	}
	err := c.cfg.Access.SetPassword(r.Context(), s.Account.ID, r.PostForm.Get("password"), s.Hash)
	switch {
	case err == nil:
		http.Redirect(w, r, "/account?saved", http.StatusSeeOther)
	case passwordErr(err) != "":
		again(http.StatusBadRequest, passwordErr(err))
	default:
		c.fail(w, r, err)
	}
}

func (c *Console) doDropPasskey(w http.ResponseWriter, r *http.Request) {
	err := c.cfg.Access.DropPasskey(r.Context(), session(r).Account.ID, r.PathValue("id"))
	if err != nil && !errors.Is(err, access.ErrPasskey) {
		c.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

func (c *Console) doEndSession(w http.ResponseWriter, r *http.Request) {
	err := c.cfg.Access.End(r.Context(), session(r).Account.ID, r.PathValue("hash"))
	if err != nil && !errors.Is(err, access.ErrNoSession) {
		c.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}
