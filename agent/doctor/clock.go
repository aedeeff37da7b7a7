package doctor

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"kentongan/agent/report"
)

// Clock is what is known of the time.
type Clock struct {
	Now     func() time.Time
	Quality func(time.Time) report.Clock
	Known   time.Time // a time that was right once; zero is none
	// Ask are addresses of web servers whose date this clock is held against,
	// when they answer. What they say is evidence for a person, and no more.
	Ask []string
}

// Bounds of a clock.
const (
	clockOff  = 2 * time.Minute         // told: certificates and presses bear less
	askWithin = 2500 * time.Millisecond // at least; a network that is down is another check's
)

// Check checks the clock.
func (c Clock) Check(ctx context.Context) Verdict {
	now := c.Now()
	text := now.Format("2006-01-02 15:04:05 -07:00")
	quality := c.Quality(now)
	switch {
	case quality == report.ClockUnset:
		return Say("time.unset", "now", text)
	case !c.Known.IsZero() && now.Before(c.Known.Add(-clockOff)):
		return Say("time.behind", "now", text, "known", c.Known.Format("2006-01-02 15:04"))
	}
	if off, source, ok := c.compare(ctx); ok && off.Abs() > clockOff {
		return Say("time.off", "now", text, "off", off.Round(time.Minute).String(), "source", source)
	}
	if quality != report.ClockSynced {
		return Say("time.alone", "now", text)
	}
	return Say("time.ok", "now", text)
}

// compare asks one after the other until one tells its date.
func (c Clock) compare(ctx context.Context) (off time.Duration, source string, ok bool) {
	limit := askWithin
	if end, bounded := ctx.Deadline(); bounded {
		limit = max(limit, time.Until(end)/2) // who has more patience has it here, too
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// A clock that is wrong takes no certificate; nothing is sent, and what
			// comes back is a date.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // #nosec G402
		},
	}
	for _, address := range c.Ask {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		began := c.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
		if err != nil {
			continue
		}
		answer, err := client.Do(req)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		date, err := http.ParseTime(answer.Header.Get("Date"))
		if err == nil {
			return began.Sub(date), u.Host, true
		}
	}
	return 0, "", false
}
