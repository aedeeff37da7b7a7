package console

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"kentongan/cmd/kentongan-centre/internal/access"
)

type loginPage struct {
	Name, Next, Err string
	Passkeys        bool
	Nobody          bool // there is no account yet
}

// ownPage is where a request wants to be led to, if that is a page of ours.
func ownPage(to, otherwise string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return otherwise
	}
	return to
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if session(r) != nil {
		http.Redirect(w, r, ownPage(r.URL.Query().Get("next"), "/"), http.StatusSeeOther)
		return
	}
	c.showLogin(w, r, http.StatusOK, loginPage{Next: r.URL.Query().Get("next")})
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request, status int, p loginPage) {
	any, err := c.cfg.Access.Anybody(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	p.Nobody, p.Passkeys = !any, c.site(r).Passkeys()
	c.show(w, r, status, "login.html", "login", "login", p)
}

// site is this page as the browser calls it.
func (c *Console) site(r *http.Request) access.Site {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	scheme := "http"
	if c.secure(r) {
		scheme = "https"
	}
	return access.Site{Host: strings.Trim(host, "[]"), Origin: scheme + "://" + r.Host}
}

func (c *Console) doLogin(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		c.show(w, r, http.StatusBadRequest, "message.html", "", "notdone", "err.form")
		return
	}
	name := strings.ToLower(strings.TrimSpace(r.PostForm.Get("name")))
	p := loginPage{Name: name, Next: r.PostForm.Get("next")}
	token, a, err := c.cfg.Access.Login(r.Context(), name, r.PostForm.Get("password"), c.from(r))
	// A name that nobody has is not written down: it may be that of an account that was
	// erased, or a password in the wrong field.
	e := access.Entry{Account: a.ID, Action: "login", Object: "password", Addr: c.addr(r)}
	switch {
	case err == nil:
		e.Agency = a.Agency
	case errors.Is(err, access.ErrSlow), errors.Is(err, access.ErrLogin):
		e.Outcome = access.Refused
	default:
		c.fail(w, r, err)
		return
	}
	note := c.cfg.Access.Note
	if errors.Is(err, access.ErrSlow) { // a stranger must not be able to fill the log
		note, e.Account, e.Addr = c.cfg.Access.Look, "", access.Place(e.Addr)
	}
	if noteErr := note(r.Context(), e); noteErr != nil {
		c.fail(w, r, noteErr)
		return
	}
	switch {
	case errors.Is(err, access.ErrSlow):
		w.Header().Set("Retry-After", "30")
		p.Err = "err.slow"
		c.showLogin(w, r, http.StatusTooManyRequests, p)
	case err != nil:
		p.Err = "err.login"
		c.showLogin(w, r, http.StatusUnauthorized, p)
	default:
		c.letIn(w, r, token, 0)
		http.Redirect(w, r, ownPage(p.Next, "/"), http.StatusSeeOther)
	}
}

func (c *Console) doLogout(w http.ResponseWriter, r *http.Request) {
	s := session(r)
	if err := c.cfg.Access.End(r.Context(), s.Account.ID, s.Hash); err != nil && !errors.Is(err, access.ErrNoSession) {
		c.fail(w, r, err)
		return
	}
	c.letIn(w, r, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// link shows whose way in it is; only the button uses it up, so that a program
// which looks at links beforehand doesn't.
func (c *Console) link(w http.ResponseWriter, r *http.Request) {
	a, err := c.cfg.Access.Peek(r.Context(), r.PathValue("token"), c.from(r))
	if err != nil {
		c.linkOver(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "link.html", "login", "login", a)
}

func (c *Console) doLink(w http.ResponseWriter, r *http.Request) {
	token, a, err := c.cfg.Access.Follow(r.Context(), r.PathValue("token"), c.from(r))
	if err != nil {
		c.linkOver(w, r, err)
		return
	}
	if err := c.cfg.Access.Note(r.Context(), access.Entry{Account: a.ID, Agency: a.Agency, Action: "login", Object: "link", Addr: c.addr(r)}); err != nil {
		c.fail(w, r, err)
		return
	}
	c.letIn(w, r, token, 0)
	to := "/"
	if !a.HasPassword {
		to = "/account"
	}
	if r.URL.Query().Has("now") { // the demo's: straight to the first page
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (c *Console) linkOver(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, access.ErrExpired):
		c.show(w, r, http.StatusGone, "message.html", "login", "notdone", "err.link")
	case errors.Is(err, access.ErrSlow):
		c.show(w, r, http.StatusTooManyRequests, "message.html", "login", "notdone", "err.slow")
	default:
		c.fail(w, r, err)
	}
}

// Passkeys: the page's script asks for the options, the browser for the person,
// and the script brings the answer.

type challenge struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

func (c *Console) doLoginBegin(w http.ResponseWriter, r *http.Request) {
	options, id, err := c.cfg.Access.BeginLogin(c.site(r), c.from(r))
	c.answerPasskey(w, challenge{id, options}, err)
}

func (c *Console) doLoginPasskey(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token, a, err := c.cfg.Access.FinishLogin(r.Context(), c.site(r), r.URL.Query().Get("id"), r, c.from(r))
	e := access.Entry{Account: a.ID, Agency: a.Agency, Action: "login", Object: "passkey", Addr: c.addr(r)}
	note := c.cfg.Access.Note
	if err != nil { // nothing limits how often somebody tries; once in a while it is written down
		e.Outcome, e.Account, e.Agency, e.Addr = access.Refused, "", "", access.Place(e.Addr)
		note = c.cfg.Access.Look
	}
	if noteErr := note(r.Context(), e); err == nil {
		err = noteErr
	}
	if err == nil {
		c.letIn(w, r, token, 0)
	}
	c.answerPasskey(w, map[string]string{"next": ownPage(r.URL.Query().Get("next"), "/")}, err)
}

func (c *Console) doPasskeyBegin(w http.ResponseWriter, r *http.Request) {
	options, id, err := c.cfg.Access.BeginPasskey(r.Context(), c.site(r), session(r).Account.ID)
	c.answerPasskey(w, challenge{id, options}, err)
}

func (c *Console) doPasskey(w http.ResponseWriter, r *http.Request) {
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err == nil {
		err = c.cfg.Access.AddPasskey(r.Context(), c.site(r), session(r).Account.ID, r.URL.Query().Get("id"), r.URL.Query().Get("label"), answer)
	}
	c.answerPasskey(w, map[string]string{"next": "/account"}, err)
}

func (c *Console) answerPasskey(w http.ResponseWriter, good any, err error) {
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(good) // the client has gone
	case errors.Is(err, access.ErrSlow):
		refuse(w, http.StatusTooManyRequests, err.Error())
	case errors.Is(err, access.ErrLogin):
		c.cfg.Log.Info("passkey refused", "err", err)
		refuse(w, http.StatusUnauthorized, access.ErrLogin.Error())
	case errors.Is(err, access.ErrPasskey), errors.Is(err, access.ErrNoPasskeys):
		c.cfg.Log.Info("passkey refused", "err", err)
		refuse(w, http.StatusBadRequest, err.Error())
	default:
		c.cfg.Log.Error("passkey failed", "err", err)
		refuse(w, http.StatusInternalServerError, "the database did not answer")
	}
}
