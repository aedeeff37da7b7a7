package statuspage

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/web"
)

// answer is what a request of the script gets. Error is a text in the page's
// language; Detail is what the device said, in English.
type answer struct {
	OK       string    `json:"ok,omitempty"`
	Error    string    `json:"error,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Problems []Problem `json:"problems,omitempty"`
	Text     string    `json:"text,omitempty"`
	Base     string    `json:"base,omitempty"`
}

func (p *Page) say(w http.ResponseWriter, r *http.Request, status int, key string) {
	web.Answer(w, status, answer{Error: language(r).t("err." + key)})
}

// failed answers with what the device said.
func (p *Page) failed(w http.ResponseWriter, r *http.Request, key string, err error) {
	status := http.StatusServiceUnavailable
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrChanged) {
		status = http.StatusConflict
	}
	web.Answer(w, status, answer{Error: language(r).t("err." + key), Detail: err.Error()})
}

func addrOnly(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}

// status is the state as JSON, for programs.
func (p *Page) status(w http.ResponseWriter, r *http.Request) {
	web.Answer(w, http.StatusOK, p.device.Status())
}

// tail is the log from a line on.
func (p *Page) tail(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64) // "" is from the oldest
	lines, next := p.device.Log(after)
	web.Answer(w, http.StatusOK, map[string]any{"lines": lines, "next": next})
}

// identify lets the device blink.
func (p *Page) identify(w http.ResponseWriter, r *http.Request) {
	what, err := p.device.Identify(blinkFor)
	if err != nil {
		p.failed(w, r, "identify", err)
		return
	}
	p.used(r, report.PageIdentify, what)
	web.Answer(w, http.StatusOK, answer{OK: language(r).t("identified") + " " + what})
}

// picture shows a camera's picture; one at a time, for decoding costs memory.
func (p *Page) picture(w http.ResponseWriter, r *http.Request) {
	select {
	case p.look <- struct{}{}:
		defer func() { <-p.look }()
	default:
		p.failed(w, r, "busy", ErrBusy)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pictureFor)
	defer cancel()
	name := r.PathValue("stream")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pictureFor + time.Second)) // it may take long
	pic, err := p.device.Picture(ctx, name)
	if err != nil {
		p.failed(w, r, "picture", err)
		return
	}
	p.used(r, report.PagePicture, name)
	w.Header().Set("Content-Type", pic.Type)
	w.Header().Set("X-Taken-At", pic.TakenAt.UTC().Format(time.RFC3339))
	_, _ = w.Write(pic.Bytes) // the client may have gone
}

// doctor runs the checks and sends each as a line of JSON once it is known.
func (p *Page) doctor(w http.ResponseWriter, r *http.Request) {
	if p.cfg.Doctor == nil {
		p.say(w, r, http.StatusNotFound, "doctor")
		return
	}
	select {
	case p.exam <- struct{}{}:
		defer func() { <-p.exam }()
	default:
		p.failed(w, r, "busy", ErrBusy)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), doctorFor)
	defer cancel()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Now().Add(doctorFor + time.Second))
	l := language(r)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	err := p.cfg.Doctor.Examine(ctx, func(c Check) {
		_ = enc.Encode(map[string]string{"state": c.State, "title": l.of(c.Title), "seen": l.of(c.Seen), "next": l.of(c.Next)}) // the client may have gone
		_ = out.Flush()
	})
	if err != nil {
		_ = enc.Encode(answer{Error: l.t("err.doctor"), Detail: err.Error()})
	}
}

// config is the configuration that is used.
func (p *Page) config(w http.ResponseWriter, r *http.Request) {
	text, base, err := p.device.ConfigText()
	if err != nil {
		p.failed(w, r, "config", err)
		return
	}
	web.Answer(w, http.StatusOK, answer{Text: text, Base: base})
}

// sent is a configuration from the page.
type sent struct{ Text, Base string }

func (p *Page) sent(w http.ResponseWriter, r *http.Request) (s sent, ok bool) {
	if err := web.Read(w, r, maxConfig, &s); err != nil {
		p.say(w, r, http.StatusBadRequest, "form")
		return s, false
	}
	return s, true
}

// check says what is wrong with a configuration.
func (p *Page) check(w http.ResponseWriter, r *http.Request) {
	if s, ok := p.sent(w, r); ok {
		problems, err := p.device.CheckConfig(s.Text, s.Base)
		p.judged(w, r, problems, err, "checked")
	}
}

// apply puts a configuration on trial.
func (p *Page) apply(w http.ResponseWriter, r *http.Request) {
	s, ok := p.sent(w, r)
	if !ok {
		return
	}
	problems, err := p.device.ApplyConfig(s.Text, s.Base)
	if err == nil && len(problems) == 0 {
		defer p.device.StartAnew() // once the answer is on its way
		p.log.Info("configuration applied", "from", r.RemoteAddr)
		p.used(r, report.PageConfigured, "")
	}
	p.judged(w, r, problems, err, "applied")
}

func (p *Page) judged(w http.ResponseWriter, r *http.Request, problems []Problem, err error, good string) {
	l := language(r)
	switch {
	case errors.Is(err, ErrChanged):
		p.failed(w, r, "changed", err)
	case err != nil:
		p.failed(w, r, "config", err)
	case len(problems) > 0:
		web.Answer(w, http.StatusUnprocessableEntity, answer{Error: l.t("err.problems"), Problems: problems})
	default:
		web.Answer(w, http.StatusOK, answer{OK: l.t(good)})
	}
}

// keep ends a trial.
func (p *Page) keep(w http.ResponseWriter, r *http.Request) {
	if err := p.device.KeepConfig(); err != nil {
		p.failed(w, r, "keep", err)
		return
	}
	p.used(r, report.PageKept, "")
	web.Answer(w, http.StatusOK, answer{OK: language(r).t("kept")})
}
