package console

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/crowd"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// route is a path, the role that it needs, and the action that the access log
// calls it. There is no other way to serve anything: what is not in the table of
// routes is not found, and what is there has said whom it is for.
type route struct {
	pattern string
	need    access.Role
	action  string // "" = seeing it is not worth a line
	do      http.HandlerFunc
}

// largest is how many bytes its form may have.
func (rt route) largest() int64 {
	switch rt.pattern {
	case configForm:
		return maxConfigBody
	case rolloutForm: // may name many devices
		return maxRolloutBody
	}
	return maxForm
}

type sessionKey struct{}

// session is who asks, nil for nobody.
func session(r *http.Request) *access.Session {
	s, _ := r.Context().Value(sessionKey{}).(*access.Session)
	return s
}

// scopeOf is what somebody may see: nobody, nothing.
func scopeOf(s *access.Session) store.Scope {
	switch {
	case s == nil:
		return store.Scope{}
	case s.Account.Agency == "":
		return store.Everything()
	}
	return store.OfAgency(s.Account.Agency)
}

// view is what who asks may see. Pages have no other way to the store's rows.
func (c *Console) view(r *http.Request) *store.View { return c.cfg.Store.For(scopeOf(session(r))) }

// who is the name that stands beside what is done.
func who(r *http.Request) string {
	if s := session(r); s != nil {
		return s.Account.Shown()
	}
	return ""
}

// may tells whether who asks may do what needs a role.
func may(r *http.Request, need access.Role) bool { return session(r).May(need) }

// liveHeader marks what a page fetches by itself: it is no sign of a person.
const liveHeader = "X-Live"

// admit lets a request through to its route, or says why not.
func (c *Console) admit(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := c.comeIn(r)
		if err != nil {
			c.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, s))
		switch {
		case s == nil && rt.need != access.Nobody:
			c.askToLogIn(w, r)
		case !s.May(rt.need) || s != nil && s.Kind == access.Wall && rt.need != access.Nobody && !wallShows[rt.pattern]:
			c.deny(w, r, http.StatusForbidden, "err.role")
		case unsafe(r) && s != nil && s.Kind != access.Token && rt.need != access.Nobody && !c.formOf(w, r, rt, s):
			c.deny(w, r, http.StatusForbidden, "err.csrf")
		case rt.action == "":
			rt.do(w, r)
		case !unsafe(r):
			if err := c.cfg.Access.Look(r.Context(), c.entry(r, rt.action)); err != nil {
				c.fail(w, r, err)
				return
			}
			rt.do(w, r)
		default:
			c.act(w, r, rt)
		}
	})
}

// wallShows is all that a screen on the wall may fetch.
var wallShows = map[string]bool{"GET /wall": true, "GET /events": true}

func unsafe(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// comeIn finds who asks: a program by its token, a person by the cookie.
func (c *Console) comeIn(r *http.Request) (*access.Session, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		cookie, err := r.Cookie(c.cookieName(r))
		if err != nil {
			return nil, nil
		}
		token = cookie.Value
	}
	s, err := c.cfg.Access.Session(r.Context(), token, r.Header.Get(liveHeader) == "" && r.URL.Path != "/events")
	if errors.Is(err, access.ErrNoSession) {
		return nil, nil
	}
	// A cookie is no program's, and a program's token is no cookie: a token that
	// leaks into a browser lets nobody act there.
	if err == nil && ok != (s.Kind == access.Token) {
		return nil, nil
	}
	return s, err
}

// formOf tells whether the form, or the script's request, is of this session.
func (c *Console) formOf(w http.ResponseWriter, r *http.Request, rt route, s *access.Session) bool {
	if token := r.Header.Get("X-CSRF"); token != "" {
		return s.FormOf(token)
	}
	r.Body = http.MaxBytesReader(w, r.Body, rt.largest())
	return r.ParseForm() == nil && s.FormOf(r.PostForm.Get("csrf"))
}

func program(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics" || r.URL.Path == "/events" || r.Header.Get(liveHeader) != ""
}

// askToLogIn sends a person to the log-in page, and tells a program.
func (c *Console) askToLogIn(w http.ResponseWriter, r *http.Request) {
	if program(r) || unsafe(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kentongan"`)
		refuse(w, http.StatusUnauthorized, "log in, or send Authorization: Bearer TOKEN; kentongan-centre user token makes one")
		return
	}
	language(w, r) // keeps the choice in the address
	to := "/login"
	if r.URL.Path != "/" {
		to += "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (c *Console) deny(w http.ResponseWriter, r *http.Request, status int, text string) {
	if program(r) {
		refuse(w, status, say("en", text))
		return
	}
	c.show(w, r, status, "message.html", "", "notdone", text)
}

// act does what changes something, and writes it down with what became of it.
func (c *Console) act(w http.ResponseWriter, r *http.Request, rt route) {
	if r.PostForm == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") { // a program's
		r.Body = http.MaxBytesReader(w, r.Body, rt.largest())
		if err := r.ParseForm(); err != nil {
			c.show(w, r, http.StatusBadRequest, "message.html", "", "notdone", "err.form")
			return
		}
	}
	seen := &statusWriter{ResponseWriter: w}
	rt.do(seen, r)
	if seen.noted {
		return
	}
	e := c.entry(r, rt.action)
	if seen.object != "" {
		e.Object = seen.object
	}
	if seen.status >= 400 {
		e.Outcome = access.Refused
	}
	// What was done stays written down also when the browser has gone.
	if err := c.cfg.Access.Note(context.WithoutCancel(r.Context()), e); err != nil {
		c.cfg.Log.Error("access not written down", "action", e.Action, "object", e.Object, "account", e.Account, "err", err)
	}
}

// entry is the line of the access log for a request.
func (c *Console) entry(r *http.Request, action string) access.Entry {
	e := access.Entry{Action: action, Object: r.URL.Path, Addr: c.addr(r)}
	if strings.HasPrefix(action, "user-") && r.PathValue("id") != "" && !access.IsID(r.PathValue("id")) {
		// A page of before the update has the name there.
		_, after, _ := strings.Cut(r.Pattern, "{id}")
		e.Object = "/users/…" + after
	}
	if s := session(r); s != nil {
		e.Account, e.Agency = s.Account.ID, s.Account.Agency
	}
	if q := r.URL.RawQuery; q != "" && !unsafe(r) {
		e.Object += "?" + withoutPeople(r.URL.Path, q)
	}
	var said []string
	for _, key := range saidFields {
		v := strings.TrimSpace(r.PostForm.Get(key))
		if v == "" || key == "note" && action == "status" {
			continue
		}
		if strings.HasPrefix(action, "user-") && (key == "name" || key == "full_name") {
			v = "…" // who an account is of: that is erased with it
		}
		said = append(said, key+": "+v)
	}
	e.Detail = strings.Join(said, "; ")
	return e
}

// withoutPeople takes out of a query which ticket was searched for, or whose lines in
// the access log. The log is for ever: it would keep what was erased.
func withoutPeople(path, query string) string {
	parts := strings.Split(query, "&")
	for i, p := range parts {
		key, _, _ := strings.Cut(p, "=")
		switch k, err := url.QueryUnescape(key); {
		case err != nil || k == "ticket":
			parts[i] = "ticket=…"
		case k == "name" && path == "/access-log":
			parts[i] = "name=…"
		}
	}
	return strings.Join(parts, "&")
}

// saidFields are the fields of forms that the access log keeps. Never secrets, nor
// what is written to a citizen, the note of a status: that is erased with the
// complaint.
var saidFields = []string{"id", "name", "full_name", "role", "agency", "device", "code", "state", "hours", "false", "seconds", "url", "number", "now", "scope", "found", "stages", "soak_hours", "wait_hours", "max_failed_percent", "max_failed", "at_once", "reason", "note", "disabled"}

// statusWriter tells act what became of what it let somebody do.
type statusWriter struct {
	http.ResponseWriter
	status int
	object string // what it was about, where the path does not say it
	noted  bool   // it is written down already
}

// acting is what act gave to what it runs.
func acting(w http.ResponseWriter) *statusWriter {
	if s, ok := w.(*statusWriter); ok {
		return s
	}
	return &statusWriter{ResponseWriter: w} // nobody asks it
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// addr is where a request comes from. A header is believed only when the centre
// was told that a proxy of ours writes it.
func (c *Console) addr(r *http.Request) string {
	if c.cfg.Proxy {
		via := r.Header.Values("X-Forwarded-For")
		if ip, ok := client(via); ok {
			return ip.String()
		}
		told := &c.unsaid // a probe beside the proxy does that, too, and must not hide the other
		if len(via) > 0 {
			told = &c.unread
		}
		told.Do(func() {
			c.cfg.Log.Warn("proxy names no client", "addr", r.RemoteAddr, "x_forwarded_for", report.Clip(strings.Join(via, ", "), 200), "why", "such requests count as one client, and share the bounds of one; have the proxy end X-Forwarded-For with the client's IP address")
		})
	} else if r.Header.Get("X-Forwarded-For") != "" {
		c.unproxied.Do(func() {
			c.cfg.Log.Warn("unknown proxy", "addr", r.RemoteAddr, "why", "all users share its one address, and the bounds of one; start with --behind-proxy if it is yours")
		})
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// client is the address that the last entry of X-Forwarded-For says: some proxies
// add the port.
func client(via []string) (netip.Addr, bool) {
	if len(via) == 0 {
		return netip.Addr{}, false
	}
	last := via[len(via)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(last, "["), "]"))
	if err != nil {
		ip = crowd.Address(last)
	}
	return ip.Unmap().WithZone(""), ip.IsValid()
}

func (c *Console) from(r *http.Request) access.From {
	return access.From{Addr: c.addr(r), Label: r.UserAgent()}
}

// secure tells whether the browser came by TLS.
func (c *Console) secure(r *http.Request) bool {
	return r.TLS != nil || c.cfg.Proxy && r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookieName is __Host-… where the browser allows it: then no other name of the
// domain can set it.
func (c *Console) cookieName(r *http.Request) string {
	if c.secure(r) {
		return "__Host-kentongan"
	}
	return "kentongan"
}

// letIn gives the browser its session. The cookie ends with the browser; the
// session ends here.
func (c *Console) letIn(w http.ResponseWriter, r *http.Request, token string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: c.cookieName(r), Value: token, Path: "/", HttpOnly: true, Secure: c.secure(r), SameSite: http.SameSiteLaxMode, MaxAge: maxAge})
}

// csrfMark stands in a page for the token of whoever looks, which show puts in:
// so that no template has to carry it to its forms. It is made anew at every
// start, and nobody outside can write it.
var csrfMark = func() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}()

func csrfField() template.HTML {
	return template.HTML(`<input type="hidden" name="csrf" value="` + csrfMark + `">`)
}
