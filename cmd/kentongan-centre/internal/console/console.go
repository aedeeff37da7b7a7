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
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Config is what the console shows from.
type Config struct {
	Store         *store.Store
	Desk          Desk
	KeepPictures  time.Duration // for people to read; the Desk erases
	Enrolment     http.Handler  // GET /api/v1/enrolment; nil where nobody enrols
	Ingest        func() ingest.Status
	Broker        string     // its URL, without secrets
	BrokerClients func() int // negative when it isn't ours
	Verifier      string     // the key of the receipts
	Hosts         []string   // names that a browser may call us; IP addresses and localhost always
	Now           func() time.Time
	Log           *slog.Logger
}

// Console serves the pages.
type Console struct {
	cfg       Config
	pages     map[string]*template.Template // by language
	hub       *hub
	assets    string // version of the static files, for their URLs
	startedAt time.Time
}

// New parses the pages.
func New(cfg Config) (*Console, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Console{cfg: cfg, hub: newHub(), pages: map[string]*template.Template{}, startedAt: cfg.Now()}
	var err error
	if c.assets, err = assetVersion(); err != nil {
		return nil, err
	}
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
	for _, name := range []string{"static/style.css", "static/live.js"} {
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
	switch {
	case len(done.Complaints) > 0, done.Urgent:
		c.hub.tell(now)
	case done.State || done.Records > 0 || done.Duplicates > 0 || done.Conflicts > 0 || len(done.Refused) > 0:
		c.hub.tell(soon)
	}
}

// Changed tells open pages that something has changed which is no commit.
func (c *Console) Changed() { c.hub.tell(soon) }

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
	ended := make(chan error, 1)
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
	mux.HandleFunc("GET /{$}", c.overview)
	mux.HandleFunc("GET /alarms", c.alarms)
	mux.HandleFunc("POST /alarms/{device}/{id}/ack", c.doAck)
	mux.HandleFunc("GET /devices", c.devices)
	mux.HandleFunc("GET /devices/{id}", c.device)
	mux.HandleFunc("GET /devices/{id}/streams/{name}", c.stream)
	mux.HandleFunc("POST /devices/{id}/streams/{name}/snapshot", c.doSnapshot)
	mux.HandleFunc("GET /pictures/{device}/{id}", c.picture)
	mux.HandleFunc("POST /pictures/{device}/{id}/erase", c.doErase)
	mux.HandleFunc("GET /apps", c.apps)
	mux.HandleFunc("GET /complaints", c.complaints)
	mux.HandleFunc("POST /complaints/{id}/status", c.doStatus)
	mux.HandleFunc("GET /gaps", c.gaps)
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /metrics", c.metrics)
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.HandleFunc("GET /api/v1/devices", c.apiDevices)
	mux.HandleFunc("GET /api/v1/streams", c.apiStreams)
	mux.HandleFunc("GET /api/v1/apps", c.apiApps)
	mux.HandleFunc("GET /api/v1/complaints", c.apiComplaints)
	mux.HandleFunc("POST /api/v1/complaints/{id}/status", c.apiStatus)
	mux.HandleFunc("GET /api/v1/lanes", c.apiLanes)
	mux.HandleFunc("GET /api/v1/problems", c.apiProblems)
	mux.HandleFunc("GET /api/v1/alarms", c.apiAlarms)
	mux.HandleFunc("GET /api/v1/orders", c.apiOrders)
	mux.HandleFunc("GET /api/v1/pictures", c.apiPictures)
	if c.cfg.Enrolment != nil {
		mux.Handle("GET /api/v1/enrolment", c.cfg.Enrolment)
	}
	mux.HandleFunc("GET /static/{file}", c.static)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/static/icon.svg", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/", c.notFound)
	return c.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard sets the headers of all answers, and refuses names that are not ours:
// a page of a stranger's domain that resolves to us must not read this one.
func (c *Console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if !c.ours(r.Host) {
			http.Error(w, "this centre does not answer to the name "+r.Host+"; start it with --host "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
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
