package appcheck

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxHeadBytes = 64 << 10 // of an answer's status line and headers, those before it (1xx) included
	maxText      = 64 << 10 // of an answer in which the text is looked for, unpacked
	maxPacked    = 64 << 10 // of it on the wire
	maxInterim   = 5        // answers 1xx before the real one
)

// answer is what came back on one connection.
type answer struct {
	status         int
	to             string // where a redirect leads; "" is none
	etag, modified string
	hasText        bool
	read           int // bytes in which the text was looked for
}

// ask sends the request and reads as much of the answer as is needed.
func (v *visit) ask(conn net.Conn, u *url.URL) (answer, error) {
	req := &http.Request{Method: v.method, URL: u, Host: u.Host, Header: http.Header{
		"User-Agent": {v.cfg.UserAgent},
		"Accept":     {"text/html,*/*;q=0.5"},
	}, Close: true}
	if v.method == http.MethodGet {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	v.conditions(req)
	for _, c := range v.jar.Cookies(u) {
		req.AddCookie(c)
	}
	if err := req.Write(conn); err != nil {
		return answer{}, fmt.Errorf("send request: %w", err)
	}
	sent := time.Now()
	wire := &wire{from: conn}
	limited := &io.LimitedReader{R: wire, N: maxHeadBytes}
	in := bufio.NewReader(limited)
	_, err := in.Peek(1)
	v.r.firstByte += time.Since(sent)
	if err != nil {
		return answer{}, fmt.Errorf("wait for the answer: %w", err)
	}
	resp, err := readResponse(in, req, limited)
	if err != nil {
		return answer{}, wire.before(err)
	}
	v.jar.SetCookies(u, resp.Cookies())
	v.r.status = resp.StatusCode
	a := answer{status: resp.StatusCode, etag: resp.Header.Get("Etag"), modified: resp.Header.Get("Last-Modified")}
	if isRedirect(resp.StatusCode) {
		a.to = resp.Header.Get("Location")
	}
	if a.to != "" || v.cfg.ExpectText == "" || v.method == http.MethodHead {
		return a, nil // what follows of the body is not read
	}
	limited.N = maxPacked
	err = v.read(&a, resp)
	return a, err
}

// wire remembers why reading ended: a line that was cut off by a deadline looks
// malformed to the parser.
type wire struct {
	from io.Reader
	err  error
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.from.Read(b)
	if err != nil {
		w.err = err
	}
	return n, err
}

// before gives the connection's own error where there was one other than its
// end.
func (w *wire) before(err error) error {
	if w.err == nil || errors.Is(w.err, io.EOF) {
		return err
	}
	return fmt.Errorf("read the answer: %w", w.err)
}

// conditions asks for the answer only if it is another than the last good one.
func (v *visit) conditions(req *http.Request) {
	if v.known.url != req.URL.String() {
		return
	}
	if v.known.etag != "" {
		req.Header.Set("If-None-Match", v.known.etag)
	}
	if v.known.modified != "" {
		req.Header.Set("If-Modified-Since", v.known.modified)
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// readResponse reads to the end of the headers of the real answer.
func readResponse(in *bufio.Reader, req *http.Request, limited *io.LimitedReader) (*http.Response, error) {
	for range maxInterim {
		resp, err := http.ReadResponse(in, req)
		switch {
		case err != nil && limited.N <= 0:
			return nil, failf(ClassProtocol, "the answer's headers have more than %d bytes", maxHeadBytes)
		case err != nil && strings.HasPrefix(err.Error(), "malformed"):
			return nil, failf(ClassProtocol, "the answer is not HTTP: %w", err)
		case err != nil:
			return nil, fmt.Errorf("read the answer: %w", err)
		case resp.StatusCode >= 200:
			return resp, nil
		}
	}
	return nil, failf(ClassProtocol, "%d interim answers (1xx) and no real one", maxInterim)
}

// read looks for the text, and stops as soon as it is there.
func (v *visit) read(a *answer, resp *http.Response) error {
	body := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(resp.Body)
		if err != nil {
			return bodyError(err)
		}
		body = unpacked
	}
	var text []byte
	piece := make([]byte, 4<<10)
	want := []byte(v.cfg.ExpectText)
	for len(text) < maxText {
		n, err := body.Read(piece)
		from := max(0, len(text)-len(want))
		text = append(text, piece[:n]...)
		a.read = len(text)
		if a.hasText = bytes.Contains(text[from:], want); a.hasText {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && len(text) > 0 {
			return nil // whole, cut short, or as much as we take
		}
		if err != nil {
			return bodyError(err)
		}
	}
	return nil
}

func bodyError(err error) error {
	switch class := classify(err); class {
	case ClassTimeout, ClassClosed:
		return failf(class, "read the page: %w", err)
	}
	return failf(ClassProtocol, "read the page: %w", err)
}
