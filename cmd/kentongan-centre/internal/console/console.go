// Package console is what people and programs see of the centre: the pages in
// Indonesian and English, the JSON API, the metrics, and the stream of events
// that keeps open pages fresh. What people order there goes to the Desk.
//
// A page is whole without a script. With one, the browser listens to /events
// and, when something has changed, fetches the page that it shows again and
// puts the parts marked data-live in place of the old ones; so there is one way
// only to draw each thing.
package console

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/crowd"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/open311"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/webhook"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Source is where the rows are. There is no way to them but through a View, which
// shows each agency its own.
type Source interface {
	For(store.Scope) *store.View
	Ping(context.Context) error
	open311.Source // what is public anyway
	Directory(context.Context) (store.Directory, error)

	// What admins do, who see the whole province.
	PutAgency(context.Context, store.Agency) error
	DropAgency(ctx context.Context, id string) error
	SetDeviceAgency(ctx context.Context, device, agency string) error
	PutService(context.Context, store.Service) error
	DropService(ctx context.Context, code string) error
	EraseAccount(ctx context.Context, id, as string, erase func(ctx context.Context, tx store.Tx) error) error
}

// Config is what the console shows from.
type Config struct {
	Store         Source
	Access        *access.Room
	Desk          Desk
	Rollouts      Rollouts
	Auditor       Auditor       // nil where nobody reads everything again
	KeepPictures  time.Duration // for people to read; the Desk erases
	Enrolment     http.Handler  // GET /api/v1/enrolment; nil where nobody enrols
	Ingest        func() ingest.Status
	Webhook       func() webhook.Status // nil: none
	Broker        string                // its URL, without secrets
	BrokerClients func() int            // negative when it isn't ours
	Verifier      string                // the key of the receipts
	Security      string                // URI to report faults to, "" is none
	Hosts         []string              // names that a browser may call us; IP addresses and localhost always
	TLS           *tls.Config           // nil = plain HTTP
	Proxy         bool                  // a proxy of ours is in front: X-Forwarded-For and -Proto are its word
	Now           func() time.Time
	Log           *slog.Logger
}

// Console serves the pages.
type Console struct {
	cfg       Config
	pages     map[string]*template.Template // by language
	hub       *hub
	directory directory
	open311   *open311.API
	requests  *access.Limiter
	underway  *crowd.Count // requests by client, behind a proxy
	assets    string       // version of the static files, for their URLs
	startedAt time.Time
	beat      time.Duration // see beat
	soonEvery time.Duration // see soonEvery
	unproxied sync.Once     // told that a proxy came without --behind-proxy
	unsaid    sync.Once     // told that a request came without X-Forwarded-For
	unread    sync.Once     // told that X-Forwarded-For has no address
}

// New parses the pages.
func New(cfg Config) (*Console, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Console{cfg: cfg, hub: newHub(), pages: map[string]*template.Template{}, requests: access.NewLimiter(requestBurst, requestEvery), underway: crowd.NewCount(connections), startedAt: cfg.Now(), beat: beat, soonEvery: soonEvery}
	var err error
	if c.assets, err = assetVersion(); err != nil {
		return nil, err
	}
	c.open311 = open311.New(cfg.Store, cfg.Now, c.addr, cfg.Log)
	for _, lang := range languages {
		t, err := template.New("").Funcs(c.functions(lang)).ParseFS(templateFiles, "templates/*.html")
		if err != nil {
			return nil, fmt.Errorf("read page templates: %w", err)
		}
		c.pages[lang] = t
	}
	return c, nil
}

func assetVersion() (string, error) {
	h := sha256.New()
	for _, name := range []string{"static/style.css", "static/live.js", "static/passkey.js"} {
		b, err := staticFiles.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// Notify tells open pages of a commit. It returns at once.
func (c *Console) Notify(done store.Committed) {
	concerned := c.directory.concerned(done)
	switch {
	case len(done.Complaints) > 0, done.Urgent:
		c.hub.tell(now, concerned)
	case done.State || done.Records > 0 || done.Duplicates > 0 || done.Conflicts > 0 || len(done.Refused) > 0:
		c.hub.tell(soon, concerned)
	}
}

// Changed tells open pages that something has changed which is no commit.
func (c *Console) Changed() { c.hub.tell(soon, nil) }

// connections may be open at a time: whole offices may share an address. Behind a
// proxy, which has them all, so many requests of a client may be under way.
var connections = crowd.Bounds{All: 2048, Each: 256}

// Requests of one address: so many at once, and then one in so long on average. A
// page takes some milliseconds of the database; a browser asks for a handful.
const (
	requestBurst = 600
	requestEvery = 20 * time.Millisecond
)

// shutdownWithin is how long requests under way may take at the end.
const shutdownWithin = 3 * time.Second

// Run serves on l until ctx ends.
func (c *Console) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           c.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // the event stream sets its own, line by line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.cfg.Log.Handler(), slog.LevelDebug),
	}
	bounds := connections
	if c.cfg.Proxy {
		bounds.Each = bounds.All
	}
	l = crowd.Around(l, bounds)
	var upkeep sync.WaitGroup
	defer upkeep.Wait()
	upkeep.Go(func() { c.upkeep(ctx) })
	ended := make(chan error, 1)
	if c.cfg.TLS != nil {
		l = tls.NewListener(l, c.cfg.TLS)
	}
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve pages: %w", err)
	case <-ctx.Done():
	}
	c.hub.close()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		c.cfg.Log.Warn("requests cut off", "err", err)
		_ = srv.Close() // they had their time
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve pages: %w", err)
	}
	return nil
}

// Handler is all that the console serves.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	routes := c.routes()
	if e := c.cfg.Enrolment; e != nil {
		routes = append(routes, route{"GET /api/v1/enrolment", access.Admin, "export", e.ServeHTTP})
	}
	for _, rt := range routes {
		mux.Handle(rt.pattern, c.admit(rt))
	}
	return c.guard(http.NewCrossOriginProtection().Handler(mux))
}

// routes is all that there is, with whom it is for.
func (c *Console) routes() []route {
	const nobody, viewer, operator, approver, admin = access.Nobody, access.Viewer, access.Operator, access.Approver, access.Admin
	return []route{
		{"GET /{$}", viewer, "", c.overview},
		{"GET /alarms", viewer, "", c.alarms},
		{"POST /alarms/{device}/{id}/ack", operator, "ack", c.doAck},
		{"POST /alarms/{device}/{id}/shelve", operator, "shelve", c.doShelve},
		{"POST /shelf/{device}/drop", operator, "unshelve", c.doUnshelve},
		{"GET /map", viewer, "", c.mapPage},
		{"GET /wall", viewer, "", c.wall},
		{"POST /wall/keep", viewer, "wall", c.doWall},
		{"GET /devices", viewer, "", c.devices},
		{"GET /devices/{id}", viewer, "", c.device},
		{"GET /devices/{id}/streams/{name}", viewer, "", c.stream},
		{"POST /devices/{id}/streams/{name}/snapshot", operator, "snapshot", c.doSnapshot},
		{"POST /devices/{id}/identify", operator, "identify", c.doOrder("identify")},
		{"POST /devices/{id}/restart", approver, "restart", c.doOrder("restart")},
		{"POST /devices/{id}/logs", approver, "logs", c.doOrder("logs")},
		{"POST /devices/{id}/profile", approver, "profile", c.doOrder("profile")},
		{configForm, approver, "config", c.doOrder("config")},
		{"POST /devices/{id}/update", approver, "update", c.doOrder("update")},
		{"POST /api/v1/devices/{id}/orders/update", approver, "update", c.apiOrder("update")},
		{"POST /api/v1/devices/{id}/orders/identify", operator, "identify", c.apiOrder("identify")},
		{"POST /api/v1/devices/{id}/orders/restart", approver, "restart", c.apiOrder("restart")},
		{"POST /api/v1/devices/{id}/orders/logs", approver, "logs", c.apiOrder("logs")},
		{"POST /api/v1/devices/{id}/orders/profile", approver, "profile", c.apiOrder("profile")},
		{"POST /api/v1/devices/{id}/orders/config", approver, "config", c.apiOrder("config")},
		{"GET /rollouts", viewer, "", c.rollouts},
		{"POST /rollouts", approver, "rollout", c.doRollout},
		{"GET /rollouts/{id}", viewer, "", c.rollout},
		{"POST /rollouts/{id}/{do}", approver, "rollout-steer", c.doSteer},
		{"GET /api/v1/rollouts", viewer, "export", c.apiRollouts},
		{"POST /api/v1/rollouts", approver, "rollout", c.apiRollout},
		{"GET /api/v1/rollouts/{id}", viewer, "export", c.apiRolloutOne},
		{"POST /api/v1/rollouts/{id}/{do}", approver, "rollout-steer", c.apiSteer},
		{"GET /pictures/{device}/{id}", viewer, "picture", c.picture},
		{"POST /pictures/{device}/{id}/erase", operator, "erase", c.doErase},
		{"GET /apps", viewer, "", c.apps},
		{"GET /complaints", viewer, "complaints", c.complaints},
		{"POST /complaints/{id}/status", operator, "status", c.doStatus},
		{"POST /complaints/{id}/erase", admin, "erase-complaint", c.doEraseComplaint},
		{"GET /gaps", viewer, "", c.gaps},
		{"GET /events", viewer, "", c.events},
		{"GET /export/{file}", viewer, "export", c.export},
		{"GET /metrics", viewer, "", c.metrics},
		{"GET /metrics/devices", viewer, "", c.deviceMetrics},
		{"GET /healthz", nobody, "", c.healthz},
		{"GET /api/v1/devices", viewer, "export", c.apiDevices},
		{"GET /api/v1/streams", viewer, "export", c.apiStreams},
		{"GET /api/v1/apps", viewer, "export", c.apiApps},
		{"GET /api/v1/surroundings", viewer, "export", c.apiSurroundings},
		{"GET /api/v1/app-days", viewer, "export", c.apiAppDays},
		{"GET /api/v1/complaints", viewer, "export", c.apiComplaints},
		{"POST /api/v1/complaints/{id}/status", operator, "status", c.apiStatus},
		{"GET /api/v1/lanes", viewer, "export", c.apiLanes},
		{"GET /api/v1/proofs", viewer, "export", c.apiProofs},
		{"POST /api/v1/alarms/{device}/{id}/ack", operator, "ack", c.apiAck},
		{"GET /api/v1/problems", viewer, "export", c.apiProblems},
		{"GET /api/v1/alarms", viewer, "export", c.apiAlarms},
		{"GET /api/v1/orders", viewer, "export", c.apiOrders},
		{"GET /api/v1/pictures", viewer, "export", c.apiPictures},

		{"GET /login", nobody, "", c.login},
		{"POST /login", nobody, "", c.doLogin}, // these write their own lines: who it is is known only afterwards
		{"POST /login/passkey/begin", nobody, "", c.doLoginBegin},
		{"POST /login/passkey", nobody, "", c.doLoginPasskey},
		{"GET /link/{token}", nobody, "", c.link},
		{"POST /link/{token}", nobody, "", c.doLink},
		{"POST /logout", viewer, "logout", c.doLogout},
		{"GET /account", viewer, "", c.account},
		{"POST /account/password", viewer, "password", c.doPassword},
		{"POST /account/passkeys/begin", viewer, "", c.doPasskeyBegin},
		{"POST /account/passkeys", viewer, "passkey", c.doPasskey},
		{"POST /account/passkeys/{id}/drop", viewer, "passkey-drop", c.doDropPasskey},
		{"POST /account/sessions/{hash}/end", viewer, "session-end", c.doEndSession},

		{"GET /users", admin, "users", c.users},
		{"POST /users", admin, "user-add", c.doAddUser},
		{"POST /users/{id}", admin, "user-change", c.doChangeUser},
		{"POST /users/{id}/link", admin, "user-link", c.doLinkUser},
		{"POST /users/{id}/end", admin, "user-end", c.doEndUser},
		{"POST /users/{id}/erase", admin, "user-erase", c.doEraseUser},
		{"GET /agencies", admin, "", c.agencies},
		{"POST /agencies", admin, "agency", c.doAgency},
		{"POST /agencies/{id}/drop", admin, "agency-drop", c.doDropAgency},
		{"POST /agencies/devices", admin, "device-agency", c.doDeviceAgency},
		{"POST /agencies/services", admin, "service", c.doService},
		{"POST /agencies/services/{code}/drop", admin, "service-drop", c.doDropService},
		{"GET /access-log", admin, "access-log", c.accessLog},

		{"GET /open311/v2/{path...}", nobody, "", c.open311.ServeHTTP},
		{"GET /.well-known/security.txt", nobody, "", c.securityText},
		{"GET /static/{file}", nobody, "", c.static},
		{"GET /favicon.ico", nobody, "", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/static/icon.svg", http.StatusMovedPermanently)
		}},
		{"/", viewer, "", c.notFound},
	}
}

// guard sets the headers of all answers, and refuses names that are not ours:
// a page of a stranger's domain that resolves to us must not read this one.
func (c *Console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-create=(self), publickey-credentials-get=(self)")
		if c.secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !c.ours(r.Host) {
			http.Error(w, "this centre does not answer to the name "+r.Host+"; start it with --host "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		addr := c.addr(r)
		// By the clock of the machine: what is shown may have another.
		if !c.requests.Take(access.Place(addr), time.Now()) {
			tooMany(w)
			return
		}
		if c.cfg.Proxy {
			ip, _ := netip.ParseAddr(addr) // what is none counts as one client
			from := crowd.Network(ip)
			if !c.underway.Enter(from) {
				tooMany(w)
				return
			}
			defer c.underway.Leave(from)
		}
		next.ServeHTTP(w, r)
	})
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "too many requests of this address", http.StatusTooManyRequests)
}

func (c *Console) ours(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || net.ParseIP(host) != nil || slices.Contains(c.cfg.Hosts, host)
}

func (c *Console) static(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("v") == c.assets {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, staticFiles, "static/"+r.PathValue("file"))
}

func (c *Console) healthz(w http.ResponseWriter, r *http.Request) {
	if err := c.cfg.Store.Ping(r.Context()); err != nil {
		http.Error(w, "database: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	if !c.cfg.Ingest().Connected {
		http.Error(w, "not connected to the broker", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
