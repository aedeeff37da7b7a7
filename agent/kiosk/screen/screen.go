// Package screen is the page that a kiosk shows to citizens: a browser in kiosk
// mode opens it, on the kiosk itself or beside it.
//
//	kiosk.Changed ──► events (server-sent) ──► page: ready, saved, received, out of service
//	page ──► POST touch, cancel, ticket ──► kiosk
//
// The page is whole without a network and loads nothing from elsewhere. It
// hears from here every two seconds; when it does not for five, it says by
// itself that the kiosk is out of service, and forgets what it showed.
//
// # What it shows of whom
//
// The ticket and PIN of the newest press are shown for Config.ShowFor, to
// clients on this machine only: everybody else sees the states. Who asks for a
// complaint needs its PIN, and wrong guesses are limited, all together and for
// each ticket, those of the network apart from those of this machine. Nothing of it is in a URL, so nothing is in a history, and no
// answer may be stored.
package screen

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/agent/web"
)

//go:embed static
var static embed.FS

const (
	maxBody    = 1 << 10 // bytes of a request
	touchLimit = 10 * time.Second
)

// Kiosk is what the screen shows and presses.
type Kiosk interface {
	Show() kiosk.Show
	Changed() <-chan struct{}
	Touch(ctx context.Context, button string) (kiosk.Kept, error)
	Cancel(ctx context.Context, button, ticket string) error
	Ask(t report.Ticket, pin string) (report.TicketStatus, error)
}

// Choice is a service that can be touched.
type Choice struct {
	Name  string
	Label report.Text
}

// Config says what the screen shows.
type Config struct {
	Listen    string // HOST:PORT
	Title     string
	Help      string        // telephone number for when the kiosk is out of service; "" is none
	Buttons   []Choice      // all that there are
	Touch     []Choice      // of these, what can be touched; none is nothing
	CanCancel bool          // a touch can be taken back
	ShowFor   time.Duration // of a ticket
	Languages []Language    // the first is the one to begin with
	Log       *slog.Logger
}

// Screen serves the page.
type Screen struct {
	cfg   Config
	kiosk Kiosk
	log   *slog.Logger
	guard *web.Guesses // of PINs, on this machine
	aside *web.Guesses // the same of others, which close nothing here
	more  *longer
	seats web.Seats // one for each page that is open on this machine
	away  web.Seats // the same of others, which take none of the kiosk's own
	alive alive
}

// New makes a screen. It listens in Run.
func New(cfg Config, k Kiosk) *Screen {
	return &Screen{cfg: cfg, kiosk: k, log: cfg.Log.With("part", "screen"), guard: web.NewGuesses(pinLimits), aside: web.NewGuesses(pinLimits), more: &longer{}, seats: make(web.Seats, maxPages), away: make(web.Seats, maxPages), alive: alive{every: askEvery, limit: askLimit}}
}

// Run serves the page until ctx ends. An address that is taken is tried again.
func (s *Screen) Run(ctx context.Context) error {
	return web.Server{Listen: s.cfg.Listen, Handler: s.Handler(), Log: s.log, Serving: s.watch, Bounds: bounds}.Run(ctx)
}

// bounds are of connections: each open page holds one for its events, and a
// stranger who opens many and says nothing must not take the agent's descriptors, nor
// the kiosk's own page its place.
var bounds = web.Bounds{Conns: 64, Each: 32, Own: 32, Every: 20 * time.Millisecond, Burst: 100, WriteIdle: 20 * time.Second}

// Handler serves the page and what it asks for.
func (s *Screen) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /events", s.events)
	for _, name := range []string{"screen.css", "screen.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, static, "static/"+name)
		})
	}
	mux.Handle("POST /touch", local(s.touch))
	mux.Handle("POST /cancel", local(s.cancel))
	mux.Handle("POST /more", local(s.longer))
	mux.HandleFunc("POST /ticket", s.ticket)
	return web.Guard(mux, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'")
}

// isLocal tells whether the client is on this machine.
func isLocal(r *http.Request) bool { return web.IsLocal(r.RemoteAddr) }

func local(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r) {
			say(w, http.StatusForbidden, "remote")
			return
		}
		next(w, r)
	})
}

// choices are what this client may touch.
func (s *Screen) choices(r *http.Request) []Choice {
	if !isLocal(r) {
		return nil
	}
	return s.cfg.Touch
}

// texts are what the page's script needs of each language.
func (s *Screen) texts() map[string]any {
	all := map[string]any{}
	for _, l := range s.cfg.Languages {
		services := map[string]string{}
		for _, c := range s.cfg.Buttons {
			services[c.Name] = l.Service(c)
		}
		all[l.Code] = map[string]any{"texts": l.Texts, "services": services, "borrowed": l.Borrowed}
	}
	return all
}
