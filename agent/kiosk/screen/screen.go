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
// each ticket. Nothing of it is in a URL, so nothing is in a history, and no
// answer may be stored.
package screen

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
)

//go:embed static
var static embed.FS

const (
	relisten     = 5 * time.Second // when the address is taken
	maxBody      = 1 << 10         // bytes of a request
	touchLimit   = 10 * time.Second
	requestLimit = 15 * time.Second
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
	guard *guard
	more  *longer
	seats chan struct{} // one for each open page
	alive alive
}

// New makes a screen. It listens in Run.
func New(cfg Config, k Kiosk) *Screen {
	return &Screen{cfg: cfg, kiosk: k, log: cfg.Log.With("part", "screen"), guard: newGuard(), more: &longer{}, seats: make(chan struct{}, maxPages), alive: alive{every: askEvery, limit: askLimit}}
}

// Run serves the page until ctx ends. An address that is taken is tried again.
func (s *Screen) Run(ctx context.Context) error {
	said := ""
	for {
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			s.log.Error("screen not served", "err", err, "retry_in", relisten)
		}
		select {
		case <-time.After(relisten):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Screen) serve(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.log.Info("screen served", "url", "http://"+l.Addr().String()+"/")
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: requestLimit, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	defer s.watch(ctx, l.Addr())()
	err = srv.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return err
}

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
	return guarded(http.NewCrossOriginProtection().Handler(mux))
}

// guarded refuses names that are not ours, so that a page of somebody else can't
// make its own name point here, and says what the browser may do.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			http.Error(w, "open this page by its address, http://127.0.0.1:PORT/ or http://localhost:PORT/", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// isLocal tells whether the client is on this machine.
func isLocal(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

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
