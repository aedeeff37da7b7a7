// Package statuspage is the page for a technician at the device: a phone on the
// same network opens it.
//
//	code (printed at the device) ─► session ─► page ◄── live: what has changed, as HTML
//	                                            └─► picture, identify, doctor, log, configuration
//
// The page is made here, in Indonesian and English, and is whole without a script:
// then it shows the state and loads itself anew. With one it is told of what
// changes, a line that is touched within a quarter of a second.
//
// # Who gets in
//
// It is served over TLS only. A code is for one log-in, for ten minutes and this
// boot; guesses are limited for each neighbour and for all together. A session
// lasts two hours and the boot, and its cookie is for this page alone. Requests of
// other pages and under other names than ours are refused. There is no password
// and no default one.
//
// # What it costs
//
// Connections, requests, open pages and what they may send are bounded; nothing is
// looked at while nobody has the page open.
package statuspage

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/agent/web"
)

// Bounds of what anybody can ask of the page.
const (
	maxPages   = 4         // open at a time
	maxForm    = 1 << 10   // bytes of a request
	maxConfig  = 256 << 10 // bytes of a configuration: 200 cameras have about 40 KiB, as JSON half more
	askEvery   = 20 * time.Millisecond
	askBurst   = 100
	blinkFor   = 30 * time.Second
	pictureFor = 40 * time.Second // keyframes may be rare
	doctorFor  = 2 * time.Minute
)

var bounds = web.Bounds{Conns: 24, Each: 12, Every: 100 * time.Millisecond, Burst: 30, WriteIdle: 20 * time.Second}

// codeLimits: five wrong codes close the page to that neighbour for five minutes,
// and all together have 100, then one in a second: 700 in the life of a code,
// which is one of 2^40. It takes twenty neighbours to keep others waiting.
var codeLimits = web.Limits{Burst: 100, Every: time.Second, Wrong: 5, For: 5 * time.Minute}

// Device is what the page shows and does.
type Device interface {
	Status() Status
	Lines() []Line
	// Log returns the newest lines after a number, and the number to go on from.
	Log(after uint64) (lines []Entry, next uint64)
	// Identify blinks, says what does, and returns at once.
	Identify(d time.Duration) (what string, err error)
	// Picture is a still picture with its privacy masks burnt in.
	Picture(ctx context.Context, stream string) (Picture, error)
	// ConfigText is the configuration that is used, its secrets hidden; base names
	// it.
	ConfigText() (text, base string, err error)
	// CheckConfig says all that is wrong with a text in the place of base.
	CheckConfig(text, base string) ([]Problem, error)
	// ApplyConfig puts it on trial, which begins with StartAnew.
	ApplyConfig(text, base string) ([]Problem, error)
	// StartAnew ends the agent and starts it again. It returns at once.
	StartAnew()
	// KeepConfig ends the trial: it stays.
	KeepConfig() error
	// Used tells that somebody did something here.
	Used(report.PageUse)
}

// Doctor runs the checks of the device, and tells each once it is known.
type Doctor interface {
	Examine(ctx context.Context, each func(Check)) error
}

// Picture is one of a camera.
type Picture struct {
	Type    string // as of Content-Type
	Bytes   []byte
	TakenAt time.Time
}

// ErrChanged is a configuration that was made from another one than is used now.
var ErrChanged = errors.New("the configuration has changed meanwhile; load it again")

// ErrBusy is somebody else who does the same at the moment.
var ErrBusy = errors.New("this is being done already")

// Config says how the page is served.
type Config struct {
	Listen      string // HOST:PORT
	Device      string
	Names       []string // of this machine; addresses need none
	Certificate tls.Certificate
	CodeFile    string
	Sessions    string // file
	Disk        Disk
	Doctor      Doctor // nil is none
	Now         func() report.Stamp
	Log         *slog.Logger
}

// Page serves it.
type Page struct {
	cfg      Config
	device   Device
	log      *slog.Logger
	sessions *sessions
	guesses  *web.Guesses
	asks     *rate.Limiter
	seats    web.Seats
	pulse    pulse.Pulse
	look     chan struct{} // holds one: a picture is taken
	exam     chan struct{} // holds one: the doctor is at work
	refused  *rate.Limiter // of telling the centre
}

// New makes a page. It listens in Run.
func New(cfg Config, d Device) *Page {
	p := &Page{
		cfg: cfg, device: d, log: cfg.Log.With("part", "page"), guesses: web.NewGuesses(codeLimits),
		asks: rate.NewLimiter(rate.Every(askEvery), askBurst), seats: make(web.Seats, maxPages), pulse: pulse.New(),
		look: make(chan struct{}, 1), exam: make(chan struct{}, 1), refused: rate.NewLimiter(rate.Every(time.Minute), 3),
	}
	var err error
	if p.sessions, err = openSessions(cfg.Disk, cfg.Sessions, cfg.Now); err != nil {
		p.log.Error("sessions lost", "err", err)
	}
	return p
}

// Run serves the page until ctx ends. An address that is taken is tried again.
func (p *Page) Run(ctx context.Context) error {
	p.log.Info("page waits for a code", "get_one", "kentongan pair", "certificate", Fingerprint(p.cfg.Certificate))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return web.Server{
			Listen: p.cfg.Listen, Handler: p.Handler(), Log: p.log, Bounds: bounds,
			TLS: &tls.Config{Certificates: []tls.Certificate{p.cfg.Certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		}.Run(ctx)
	})
	g.Go(func() error {
		p.sweep(ctx)
		return nil
	})
	return g.Wait()
}

// sweep forgets sessions that are over, and answers the watchdog.
func (p *Page) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.sessions.sweep()
		case beat := <-p.pulse:
			beat()
		case <-ctx.Done():
			return
		}
	}
}

// Pulses ask the loop.
func (p *Page) Pulses() []pulse.Named { return []pulse.Named{{Name: "page", Pulse: p.pulse}} }

// policy lets the page load what is its own and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'"

// Handler serves the page and what it asks for.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("POST /enter", p.enter)
	mux.HandleFunc("GET /page.css", asset("text/css; charset=utf-8", css))
	mux.HandleFunc("GET /page.js", asset("text/javascript; charset=utf-8", js))
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /live":             p.live,
		"GET /status.json":      p.status,
		"GET /log":              p.tail,
		"GET /picture/{stream}": p.picture,
		"GET /config":           p.config,
		"POST /config/check":    p.check,
		"POST /config/apply":    p.apply,
		"POST /config/keep":     p.keep,
		"POST /identify":        p.identify,
		"POST /doctor":          p.doctor,
		"POST /leave":           p.leave,
	} {
		mux.HandleFunc(pattern, p.known(h))
	}
	return web.Guard(p.limited(mux), policy, p.cfg.Names...)
}

//go:embed static/page.css
var css string

//go:embed static/page.js
var js string

func asset(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(text)) // the client may have gone
	}
}

// limited bounds the requests of all together.
func (p *Page) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.asks.Allow() {
			w.Header().Set("Retry-After", "2")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known lets those in who are.
func (p *Page) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !p.sessions.has(r) {
			p.say(w, r, http.StatusUnauthorized, "over")
			return
		}
		next(w, r)
	}
}

// enter takes a code.
func (p *Page) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.door(w, r, http.StatusBadRequest, "form")
		return
	}
	asked, err := p.guesses.Ask(web.Neighbour(r.RemoteAddr), time.Now(), func() error {
		return useCode(p.cfg.Disk, p.cfg.CodeFile, r.PostForm.Get("code"), p.cfg.Now())
	})
	switch {
	case !asked:
		w.Header().Set("Retry-After", "300")
		p.door(w, r, http.StatusTooManyRequests, "guesses")
		return
	case err != nil:
		p.log.Warn("wrong code", "from", r.RemoteAddr, "err", err)
		if p.refused.Allow() {
			p.used(r, report.PageRefused, "")
		}
		p.door(w, r, http.StatusForbidden, "wrong")
		return
	}
	cookie, err := p.sessions.begin()
	if err != nil {
		p.log.Error("nobody let in", "err", err)
		p.door(w, r, http.StatusInternalServerError, "failed")
		return
	}
	p.log.Info("technician entered", "from", r.RemoteAddr)
	p.used(r, report.PageEntered, "")
	http.SetCookie(w, cookie)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// leave ends the session.
func (p *Page) leave(w http.ResponseWriter, r *http.Request) {
	if err := p.sessions.end(r); err != nil {
		p.log.Error("session not ended on the disk", "err", err)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// used tells the centre.
func (p *Page) used(r *http.Request, did, detail string) {
	p.device.Used(report.PageUse{Did: did, From: addrOnly(r.RemoteAddr), Detail: detail})
}
