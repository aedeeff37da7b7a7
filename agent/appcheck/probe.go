package appcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"

	"kentongan/agent/report"
)

// strangerEvery is how long what was learned of an application spares bytes:
// TLS sessions, and the answer's validators.
const strangerEvery = time.Hour

// result is what one look found. class "" is a good answer.
type result struct {
	class, detail string

	dns, connect, tls, firstByte, total time.Duration // added up over the hops

	status  int
	hops    int // connections
	family  string
	method  string
	bytes   int64
	expires time.Time // of the certificate chain's first-expiring; zero when there is none, or the clock can't tell
	at      time.Time // by which expires is judged
	subject string    // of that certificate
}

// prober looks at one application. It belongs to one goroutine.
type prober struct {
	cfg   Config
	url   *url.URL
	shown string // the URL without its query, which may hold a secret
	want  statuses

	get      bool // HEAD is not understood
	sessions tls.ClientSessionCache
	known    validators
	learned  time.Time // monotonic: when the two above were empty
}

// validators say which answer was good, so that it need not come again.
type validators struct {
	url            string
	etag, modified string
	status         int
}

// newProber takes a configuration that was checked.
func newProber(cfg Config) *prober {
	u, err := cfg.address()
	if err != nil {
		panic(err) // check let it through
	}
	want, err := parseStatuses(cfg.ExpectStatus)
	if err != nil {
		panic(err)
	}
	shown := *u
	shown.RawQuery, shown.Fragment = "", ""
	p := &prober{cfg: cfg, url: u, want: want, shown: shown.String()}
	p.forget()
	return p
}

// forget makes the next look a stranger's.
func (p *prober) forget() {
	p.sessions, p.known, p.learned = tls.NewLRUClientSessionCache(8), validators{}, time.Now()
}

// probe looks once. It takes no longer than Config.Timeout.
func (p *prober) probe(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	if time.Since(p.learned) > strangerEvery {
		p.forget()
	}
	v := &visit{prober: p, began: time.Now(), method: http.MethodHead, jar: newJar()}
	if p.cfg.ExpectText != "" || p.get {
		v.method = http.MethodGet
	}
	err := v.walk(ctx)
	v.r.total, v.r.method = time.Since(v.began), v.method
	switch {
	case err != nil:
		v.r.class, v.r.detail = classify(err), clip(err.Error())
		p.forget()
	case v.r.total > p.cfg.SlowAfter:
		v.r.class = ClassSlow
		v.r.detail = fmt.Sprintf("took %v, longer than %v", v.r.total.Round(time.Millisecond), p.cfg.SlowAfter)
	}
	return v.r
}

// maxDetail bounds what a stranger's words may add to a record, in bytes.
const maxDetail = 300

func clip(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	return report.Clip(s, maxDetail) + "…"
}

func newJar() *cookiejar.Jar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // never without options
	}
	return jar
}

// visit is one look on its way.
type visit struct {
	*prober
	began  time.Time
	method string
	jar    *cookiejar.Jar
	near   nearness // of the application's own address
	hops   int      // redirects that were followed
	r      result
}

// walk follows the application's redirects to its answer.
func (v *visit) walk(ctx context.Context) error {
	at := v.url
	for {
		answer, err := v.hop(ctx, at)
		if err != nil {
			return err
		}
		if v.method == http.MethodHead && answer.status >= 400 && !v.want.has(answer.status) {
			// Many frameworks know no HEAD. The same again, as a browser asks.
			v.method = http.MethodGet
			continue
		}
		if answer.to == "" || v.hops == v.cfg.Redirects && v.want.has(answer.status) {
			return v.judge(at, answer)
		}
		if at, err = v.next(at, answer); err != nil {
			return err
		}
	}
}

// next is where a redirect leads.
func (v *visit) next(at *url.URL, a answer) (*url.URL, error) {
	if v.hops++; v.hops > v.cfg.Redirects {
		return nil, failf(ClassRedirect, "%d redirects, more than the %d allowed; the last one to %s", v.hops, v.cfg.Redirects, clip(a.to))
	}
	to, err := at.Parse(a.to)
	if err != nil || !isWeb(to) {
		return nil, failf(ClassRedirect, "redirects to %q, which is no web address", clip(a.to))
	}
	if at.Scheme == "https" && to.Scheme == "http" {
		return nil, failf(ClassRedirect, "redirects from https to %s, which is not encrypted", to.Redacted())
	}
	to.Fragment, to.User = "", nil
	return to, nil
}

// judge compares the last answer with what was wanted, and learns from a good
// one.
func (v *visit) judge(at *url.URL, a answer) error {
	if a.status == http.StatusNotModified && v.known.url == at.String() {
		v.r.status = v.known.status
		return nil
	}
	where := ""
	if at != v.url {
		where = " from " + at.Scheme + "://" + at.Host + at.Path
	}
	if !v.want.has(a.status) {
		return failf(ClassStatus, "status %d%s, not %s", a.status, where, v.cfg.ExpectStatus)
	}
	if v.cfg.ExpectText != "" && !a.hasText {
		return failf(ClassText, "the first %d bytes%s do not hold the expected text", a.read, where)
	}
	v.get = v.method == http.MethodGet
	if v.cfg.ExpectText != "" && a.etag+a.modified != "" {
		v.known = validators{at.String(), a.etag, a.modified, a.status}
	}
	return nil
}
