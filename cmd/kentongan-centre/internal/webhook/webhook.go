// Package webhook tells another program of each change of an alarm, by HTTP.
//
// The body is a CloudEvent 1.0 in its JSON form; it is signed as Standard Webhooks
// says (standardwebhooks.com): webhook-signature is "v1," and the base64 of the
// HMAC-SHA-256 of ID.TIMESTAMP.BODY, where ID and TIMESTAMP are the headers
// webhook-id and webhook-timestamp.
//
// Events wait in memory, in order, and the ingest never waits for them: what finds
// no room, or was tried often enough, is dropped and counted. The alarms
// themselves are in the database; a webhook is a bell and no account.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Config is where to tell, and how.
type Config struct {
	URL      *url.URL // http or https
	Secret   []byte   // of the signature
	Internal bool     // addresses of this machine and of private networks are fine
	Waiting  int      // how many events may wait; 0 is 1000
	Log      *slog.Logger

	firstPause, longPause, answerWithin time.Duration // 0: as the constants say
}

// How often and how long an event is tried: the pauses double from the first to
// the longest, so twelve attempts take some 50 minutes.
const (
	attempts     = 12
	firstPause   = 2 * time.Second
	longPause    = 10 * time.Minute
	answerWithin = 10 * time.Second
	maxAnswer    = 64 << 10 // bytes of the answer that are read, to use the connection again
)

// Status is what became of the events since the start.
type Status struct {
	Sent, Retried, Failed, Dropped int64
	Waiting                        int
}

// Hook sends events. A nil Hook takes and says nothing.
type Hook struct {
	cfg    Config
	client *http.Client
	queue  chan event

	sent, retried, failed, dropped atomic.Int64
	behind                         atomic.Bool // events are dropped, and it was said
}

// event is one CloudEvent.
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"` // the same for the same change, so that doubles can be told
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            data      `json:"data"`
}

type data struct {
	Device  string       `json:"device"`
	Backlog bool         `json:"backlog"` // it comes late, out of the device's backlog
	Alarm   report.Alarm `json:"alarm"`
}

// New makes a Hook; Run sends.
func New(cfg Config) (*Hook, error) {
	if cfg.URL.Scheme != "http" && cfg.URL.Scheme != "https" || cfg.URL.Host == "" {
		return nil, errors.New("webhook: write http://HOST/PATH or https://HOST/PATH")
	}
	if len(cfg.Secret) < 16 {
		return nil, fmt.Errorf("webhook: the secret has %d bytes; at least 16 are needed", len(cfg.Secret))
	}
	if cfg.Waiting == 0 {
		cfg.Waiting = 1000
	}
	for d, or := range map[*time.Duration]time.Duration{&cfg.firstPause: firstPause, &cfg.longPause: longPause, &cfg.answerWithin: answerWithin} {
		if *d == 0 {
			*d = or
		}
	}
	h := &Hook{cfg: cfg, queue: make(chan event, cfg.Waiting)}
	dialer := &net.Dialer{Timeout: cfg.answerWithin, Control: h.allowed}
	h.client = &http.Client{
		Timeout: cfg.answerWithin,
		// No proxy: it would be the one to be dialled, and the address behind it is
		// not seen here.
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: cfg.answerWithin, TLSHandshakeTimeout: cfg.answerWithin},
		// A redirect would send what is signed for one to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

// sharedNAT is RFC 6598's, which netip does not count as private.
var sharedNAT = netip.MustParsePrefix("100.64.0.0/10")

// errInternal is an address that a webhook is not sent to unless it is allowed.
var errInternal = errors.New("is an address of this machine or of a private network; allow it with --webhook-internal")

// allowed looks at the address that is really dialled, so that no name can lead
// elsewhere after it was looked at.
func (h *Hook) allowed(_, address string, _ syscall.RawConn) error {
	if h.cfg.Internal {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || sharedNAT.Contains(ip) {
		return fmt.Errorf("%s %w", ip, errInternal)
	}
	return nil
}

// Notify takes the alarms of a commit. It returns at once.
func (h *Hook) Notify(done store.Committed) {
	if h == nil {
		return
	}
	for _, c := range done.Alarms {
		e := event{
			// The device chose the alarm's id; escaped, it can stand in a header.
			SpecVersion: "1.0", ID: fmt.Sprintf("%s/%s/%d", c.Device, url.PathEscape(c.Alarm.ID), c.Alarm.N), Source: "kentongan-centre", Type: "id.kentongan.alarm." + c.Alarm.State,
			Subject: c.Device + "/" + c.Alarm.Source, Time: c.At.UTC(), DataContentType: "application/json", Data: data{c.Device, c.Backlog, c.Alarm},
		}
		select {
		case h.queue <- e:
		default:
			h.dropped.Add(1)
			if !h.behind.Swap(true) {
				h.cfg.Log.Error("webhook falls behind", "url", h.cfg.URL.Redacted(), "waiting", h.cfg.Waiting, "why", "what finds no room is dropped")
			}
		}
	}
}

// Status counts.
func (h *Hook) Status() Status {
	if h == nil {
		return Status{}
	}
	return Status{h.sent.Load(), h.retried.Load(), h.failed.Load(), h.dropped.Load(), len(h.queue)}
}

// Run sends until ctx ends; what waits then is lost.
func (h *Hook) Run(ctx context.Context) error {
	defer h.client.CloseIdleConnections()
	for {
		select {
		case e := <-h.queue:
			h.deliver(ctx, e)
			if len(h.queue) == 0 && h.behind.Swap(false) {
				h.cfg.Log.Info("webhook has caught up", "url", h.cfg.URL.Redacted(), "dropped", h.dropped.Load())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// deliver sends an event, again and again where that may help.
func (h *Hook) deliver(ctx context.Context, e event) {
	body, err := json.Marshal(e)
	if err != nil {
		h.failed.Add(1)
		h.cfg.Log.Error("webhook not made", "err", err)
		return
	}
	pause := h.cfg.firstPause
	for n := 1; ; n++ {
		again, err := h.post(ctx, e.ID, body)
		switch {
		case err == nil:
			h.sent.Add(1)
			return
		case ctx.Err() != nil:
			return
		case !again || n == attempts:
			h.failed.Add(1)
			h.cfg.Log.Error("webhook given up", "url", h.cfg.URL.Redacted(), "id", e.ID, "attempts", n, "err", err)
			return
		case n == 1:
			h.cfg.Log.Warn("webhook failed", "url", h.cfg.URL.Redacted(), "id", e.ID, "err", err, "retry_in", pause)
		}
		h.retried.Add(1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, h.cfg.longPause)
	}
}

// post sends it once; again tells whether another time may help.
func (h *Hook) post(ctx context.Context, id string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	req.Header.Set("User-Agent", "kentongan-centre")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+Sign(h.cfg.Secret, id, at, body))
	res, err := h.client.Do(req)
	if err != nil {
		return !errors.Is(err, errInternal), err
	}
	defer res.Body.Close()                                          //nolint:errcheck // read only
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // it is of no interest
	switch s := res.StatusCode; {
	case s >= 200 && s < 300:
		return false, nil
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s == http.StatusTooManyRequests || s >= 500:
		return true, fmt.Errorf("the other side answers %s", res.Status)
	default: // it would say so again
		return false, fmt.Errorf("the other side answers %s", res.Status)
	}
}

// Sign is the signature of a body.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s.%s.", id, timestamp)
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
