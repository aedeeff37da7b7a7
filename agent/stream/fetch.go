package stream

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Bounds of a picture that is fetched.
const (
	fetchTimeout = 10 * time.Second
	maxFetched   = 4 << 20
	maxFetchHops = 3
)

// errPassword is a camera that does not let us in.
var errPassword = errors.New("the camera refuses user name or password")

// shy keeps a refused password from being tried again and again, which would
// lock the account: the pauses are those of the sessions.
type shy struct {
	mu       sync.Mutex // guards what follows
	refusals int
	until    time.Time
}

// ask asks when it is time, and notes how that went.
func (s *shy) ask(fetch func() ([]byte, error)) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Before(s.until) {
		return nil, fmt.Errorf("fetch picture: %w (%d times in a row); it is asked again in %v", errPassword, s.refusals, s.until.Sub(now).Round(time.Second))
	}
	file, err := fetch()
	if !errors.Is(err, errPassword) {
		s.refusals = 0
		return file, err
	}
	s.refusals++
	s.until = time.Now().Add(min(authPause<<min(s.refusals-1, 6), authLong))
	return file, err
}

// fetchJPEG gets a JPEG from a camera's HTTP address. The password goes to that
// host alone: a redirect to another is refused. An error never shows it.
func fetchJPEG(ctx context.Context, address, username, password string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("fetch picture: snapshot_url is no URL")
	}
	transport := &http.Transport{
		Proxy: nil, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ResponseHeaderTimeout: fetchTimeout,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	f := fetcher{client: client, username: username, password: password}
	for range maxFetchHops + 1 {
		body, next, err := f.try(ctx, u)
		if err != nil || next == nil {
			return body, err
		}
		if !strings.EqualFold(next.Host, u.Host) || u.Scheme == "https" && next.Scheme != "https" {
			return nil, fmt.Errorf("fetch picture: the camera redirects to %s, which never gets this camera's password; write that address into the configuration if it is right", Redact(next.String()))
		}
		u = next
	}
	return nil, fmt.Errorf("fetch picture: the camera redirects more than %d times", maxFetchHops)
}

type fetcher struct {
	client             *http.Client
	username, password string
}

// try asks once, and again with the password if the camera wants it. next is
// where it redirects to.
func (f *fetcher) try(ctx context.Context, u *url.URL) (body []byte, next *url.URL, err error) {
	authorization := ""
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, nil, fmt.Errorf("fetch picture: %w", err)
		}
		req.Header.Set("User-Agent", "kentongan")
		req.Header.Set("Accept", "image/jpeg")
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		res, err := f.client.Do(req)
		if err != nil {
			return nil, nil, fmt.Errorf("fetch picture: %w", unwrapURL(err))
		}
		again := false
		body, next, again, err = f.answer(res, u, &authorization)
		_ = res.Body.Close()
		if !again {
			return body, next, err
		}
	}
}

// answer reads a response; again is a request for the password.
func (f *fetcher) answer(res *http.Response, u *url.URL, authorization *string) (body []byte, next *url.URL, again bool, err error) {
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized && *authorization == "" && f.username != "":
		*authorization, err = authorize(res.Header.Values("WWW-Authenticate"), u, f.username, f.password)
		return nil, nil, err == nil, err
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, nil, false, fmt.Errorf("fetch picture: %w (%d)", errPassword, code)
	case code >= 300 && code < 400:
		if next, err = res.Location(); err != nil {
			return nil, nil, false, fmt.Errorf("fetch picture: a redirect to nowhere (%d)", code)
		}
		return nil, next, false, nil
	case code != http.StatusOK:
		return nil, nil, false, fmt.Errorf("fetch picture: the camera answers %d", code)
	case res.ContentLength > maxFetched:
		return nil, nil, false, fmt.Errorf("fetch picture: %d bytes, more than %d", res.ContentLength, maxFetched)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, maxFetched+1))
	if err != nil {
		return nil, nil, false, fmt.Errorf("fetch picture: %w", err)
	}
	if len(body) > maxFetched {
		return nil, nil, false, fmt.Errorf("fetch picture: more than %d bytes", maxFetched)
	}
	return body, nil, false, nil
}

func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// authorize answers a challenge: Digest (RFC 7616, with MD5 or SHA-256) where it
// is offered, else Basic.
func authorize(challenges []string, u *url.URL, username, password string) (string, error) {
	basic := false
	for _, c := range challenges {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(c), " ")
		switch strings.ToLower(scheme) {
		case "digest":
			return digest(parameters7616(rest), u.RequestURI(), username, password)
		case "basic":
			basic = true
		}
	}
	if !basic {
		return "", errors.New("fetch picture: the camera wants a password in a way that is neither Digest nor Basic")
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(username, password)
	return r.Header.Get("Authorization"), nil
}

func digest(p map[string]string, uri, username, password string) (string, error) {
	var algorithm func() hash.Hash
	switch strings.ToUpper(p["algorithm"]) {
	case "", "MD5":
		algorithm = md5.New // #nosec: the camera chooses
	case "SHA-256":
		algorithm = sha256.New
	default:
		return "", errors.New("fetch picture: the camera wants a digest other than MD5 or SHA-256")
	}
	sum := func(parts ...string) string {
		h := algorithm()
		_, _ = io.WriteString(h, strings.Join(parts, ":"))
		return hex.EncodeToString(h.Sum(nil))
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	cnonce, nc := hex.EncodeToString(random[:]), "00000001"
	a1, a2 := sum(username, p["realm"], password), sum(http.MethodGet, uri)
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	out := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quote.Replace(username), quote.Replace(p["realm"]), quote.Replace(p["nonce"]), uri)
	if strings.Contains(","+strings.ReplaceAll(p["qop"], " ", "")+",", ",auth,") {
		out += fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, sum(a1, p["nonce"], nc, cnonce, "auth", a2))
	} else {
		out += fmt.Sprintf(`, response="%s"`, sum(a1, p["nonce"], a2))
	}
	if p["algorithm"] != "" {
		out += ", algorithm=" + strings.ToUpper(p["algorithm"])
	}
	if p["opaque"] != "" {
		out += fmt.Sprintf(`, opaque="%s"`, quote.Replace(p["opaque"]))
	}
	return out, nil
}

// parameters7616 reads name=value and name="value", separated by commas. What
// is none of that ends it.
func parameters7616(s string) map[string]string {
	out := map[string]string{}
	for s = strings.TrimLeft(s, " ,\t"); s != "" && len(out) < 16; s = strings.TrimLeft(s, " ,\t") {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		var value strings.Builder
		if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' && i+1 < len(rest) {
					i++
				}
				value.WriteByte(rest[i])
			}
			s = rest[min(i+1, len(rest)):]
		} else {
			end := strings.IndexAny(rest, ", \t")
			if end < 0 {
				end = len(rest)
			}
			value.WriteString(rest[:end])
			s = rest[end:]
		}
		out[strings.ToLower(strings.TrimSpace(name))] = value.String()
	}
	return out
}
