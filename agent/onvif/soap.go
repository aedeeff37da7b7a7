package onvif

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	nsSOAP   = "http://www.w3.org/2003/05/soap-envelope"
	nsSchema = "http://www.onvif.org/ver10/schema"
)

// request is one operation. body stands in the namespace ns; tt: is the
// schema's.
type request struct {
	ns, name, body string
	open           bool // needs no user (access class PRE_AUTH)
}

func (r request) action() string { return r.ns + "/" + r.name }

// Fault is a SOAP fault: the camera has understood, and says no.
type Fault struct {
	Code   string // as ter:NotAuthorized, without the prefix: the innermost subcode
	Reason string
}

func (f *Fault) Error() string {
	return "the camera answers " + strings.TrimSuffix(f.Code+": "+f.Reason, ": ")
}

// Is makes a fault for want of a password known as such.
func (f *Fault) Is(target error) bool {
	return target == ErrNotAuthorized && (f.Code == "NotAuthorized" || f.Code == "FailedAuthentication" || f.Code == "OperationProhibited")
}

// call does one operation and returns the element of its answer.
func (d *Device) call(ctx context.Context, to *url.URL, r request) (*node, error) {
	n, err := d.answer(ctx, to, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return n, nil
}

// tries of one operation: as it is, with HTTP digest, with a newer nonce.
const tries = 3

func (d *Device) answer(ctx context.Context, to *url.URL, r request) (*node, error) {
	if !r.open {
		d.askClock(ctx)
	}
	for try := 1; ; try++ {
		resp, body, err := d.post(ctx, to, r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusUnauthorized {
			if try < tries && d.challenged(resp.Header.Values("WWW-Authenticate")) {
				r.open = false // it wants a name even for this
				continue
			}
			return nil, ErrNotAuthorized
		}
		if d.digest != nil && !r.open {
			d.digest.good = true
		}
		return result(resp.StatusCode, body, r)
	}
}

// post sends the envelope and reads the bounded answer.
func (d *Device) post(ctx context.Context, to *url.URL, r request) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(d.envelope(r)))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", `application/soap+xml; charset=utf-8; action="`+r.action()+`"`)
	req.Header.Set("User-Agent", "kentongan")
	if d.digest != nil && !r.open {
		req.Header.Set("Authorization", d.digest.authorize(d.cfg.Username, d.cfg.Password, http.MethodPost, to.RequestURI()))
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, nil, plainURLError(err)
	}
	defer resp.Body.Close() //nolint:errcheck // all that was wanted is read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return resp, body, nil
}

// plainURLError takes the method and address off, which the caller names.
func plainURLError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func (d *Device) envelope(r request) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="` + nsSOAP + `" xmlns:tt="` + nsSchema + `"><s:Header>`)
	if d.cfg.Username != "" && d.digest == nil && !r.open {
		b.WriteString(usernameToken(d.cfg.Username, d.cfg.Password, newNonce(), d.cfg.Now().Add(d.offset)))
	}
	fmt.Fprintf(&b, `</s:Header><s:Body><%s xmlns="%s">%s</%s></s:Body></s:Envelope>`, r.name, r.ns, r.body, r.name)
	return b.Bytes()
}

// result finds the answer, or the fault, in what came.
func result(status int, body []byte, r request) (*node, error) {
	root, err := parse(body)
	switch {
	case status/100 == 3:
		return nil, fmt.Errorf("HTTP status %d: the camera redirects, which is not followed", status)
	case err != nil && status != http.StatusOK:
		return nil, fmt.Errorf("HTTP status %d, and no SOAP", status)
	case err != nil:
		return nil, fmt.Errorf("the answer is %w", err)
	}
	inner := root.at("Body")
	if root.name != "Envelope" || inner == nil {
		return nil, errors.New("the answer is no SOAP envelope")
	}
	if f := inner.at("Fault"); f != nil {
		return nil, faultOf(f)
	}
	n := inner.at(r.name + "Response")
	if n == nil {
		return nil, fmt.Errorf("the answer holds no %sResponse", r.name)
	}
	return n, nil
}

// faultOf reads a fault of SOAP 1.2, or 1.1 as some cameras send it.
func faultOf(n *node) *Fault {
	f := &Fault{Reason: n.text("Reason", "Text")}
	if f.Reason == "" {
		f.Reason = n.text("faultstring")
	}
	f.Code = n.text("faultcode")
	for code := n.at("Code"); code != nil; code = code.at("Subcode") {
		if v := code.text("Value"); v != "" {
			f.Code = v
		}
	}
	if i := strings.LastIndexByte(f.Code, ':'); i >= 0 {
		f.Code = f.Code[i+1:]
	}
	return f
}
