package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/kiosk"
	"kentongan/agent/statuspage"
	"kentongan/hal"
)

// pageVisit is a session with the page of the agent that runs on this device: who
// may write the data directory may pair.
type pageVisit struct {
	client *http.Client
	base   string
}

// pageWithin bounds each request to the page.
const pageWithin = 10 * time.Second

// visitPage enters the page. ErrHeld says that there is none.
func visitPage(ctx context.Context, c *config.Config) (*pageVisit, error) {
	p, err := Pair(c)
	if errors.Is(err, ErrNoPage) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, fmt.Errorf("%w; its page: %w", ErrHeld, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &pageVisit{base: p.URLs[len(p.URLs)-1], client: &http.Client{Jar: jar, Timeout: pageWithin, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // #nosec G402: VerifyConnection knows the one certificate
		VerifyConnection: func(s tls.ConnectionState) error {
			if got := fmt.Sprintf("%X", sha256.Sum256(s.PeerCertificates[0].Raw)); got != strings.ReplaceAll(p.Fingerprint, ":", "") {
				return fmt.Errorf("the page's certificate is not this device's: %s", got)
			}
			return nil
		},
	}}}}
	// The answer leads to the page itself, which nobody reads here.
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if err := v.post(ctx, "enter", url.Values{"code": {p.Code}}, nil); err != nil {
		return nil, fmt.Errorf("%w; its page: %w", ErrHeld, err)
	}
	return v, nil
}

func (v *pageVisit) post(ctx context.Context, path string, form url.Values, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(req, to)
}

func (v *pageVisit) get(ctx context.Context, path string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	if err != nil {
		return err
	}
	return v.do(req, to)
}

func (v *pageVisit) do(req *http.Request, to any) error {
	res, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, res.Status)
	}
	if to == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(to)
}

// leave gives the session back, also when ctx is over.
func (v *pageVisit) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = v.post(ctx, "leave", nil, nil) // it is over by itself one day
	v.client.CloseIdleConnections()
}

// pageEvery is how often the page is asked for its lines.
const pageEvery = 200 * time.Millisecond

// followPage follows lines through the page of the agent that has them.
func followPage(ctx context.Context, c *config.Config, all []input, each func(Touch)) error {
	v, err := visitPage(ctx, c)
	if err != nil {
		return err
	}
	defer v.leave()
	t := newTryout(all, ViaAgent, each)
	seen := map[string]uint64{}
	tick := time.NewTicker(pageEvery)
	defer tick.Stop()
	for {
		var st struct{ Lines []statuspage.Line }
		if err := v.get(ctx, "status.json", &st); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("ask the running agent for its lines: %w", err)
		}
		for i, in := range all {
			for _, l := range st.Lines {
				if l.Name == in.Name {
					t.told(i, l, seen)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// told takes what the agent says of a line, which may have changed several times
// since it was asked.
func (t *tryout) told(i int, l statuspage.Line, seen map[string]uint64) {
	before, known := seen[l.Name]
	seen[l.Name] = l.Changes
	if !known {
		t.tell(i, kiosk.Judged{Edge: hal.Edge{Active: l.Active, At: t.began}})
		return
	}
	for n := l.Changes - min(before, l.Changes); n > 0; n-- {
		active := l.Active == (n%2 == 1)
		verdict := kiosk.Released
		if active {
			verdict = kiosk.Pressed
		}
		t.tell(i, kiosk.Judged{Edge: hal.Edge{Active: active, At: monotonic()}, Verdict: verdict})
	}
}

// IdentifyByAgent lets the running agent blink its lamps, and says which. ErrHeld
// is that it has no page.
func IdentifyByAgent(ctx context.Context, c *config.Config) (string, error) {
	v, err := visitPage(ctx, c)
	if err != nil {
		return "", err
	}
	defer v.leave()
	var said struct{ OK string }
	if err := v.post(ctx, "identify", nil, &said); err != nil {
		return "", fmt.Errorf("ask the running agent to blink: %w", err)
	}
	return said.OK, nil
}
