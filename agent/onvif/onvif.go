// Package onvif finds cameras on the network and asks them what they are: the
// part of ONVIF that a technician needs to write a configuration, and the
// reboot that a recovery needs.
//
//	Search ──► Found (who answers WS-Discovery, and where)
//	              │
//	              ▼
//	Look ──► Device (SOAP over HTTP) ──► Camera (maker, model, profiles, URIs)
//
// # Whom to trust
//
// What answers is a stranger: anybody on the network can claim to be a camera
// at any address. So a Device speaks with one host only, the one that the
// technician named or whose answer came from there. Addresses in its answers
// that lead elsewhere (another host, our own loopback) are not followed: their
// path is asked for at the camera's own host instead, and a Note says so.
// Redirects are not followed at all. Answers are bounded in bytes, depth, number
// and time.
//
// A password never goes out as it is: WS-Security's digest or HTTP digest prove
// it. Both let the receiver guess at it offline, so give Search's strangers no
// password that protects more than the cameras.
//
// # Concurrency
//
// A Device belongs to one goroutine at a time.
package onvif

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Namespaces of the services.
const (
	nsDevice = "http://www.onvif.org/ver10/device/wsdl"
	nsMedia  = "http://www.onvif.org/ver10/media/wsdl"
	nsMedia2 = "http://www.onvif.org/ver20/media/wsdl"
)

// DevicePath is where a camera's device service is (ONVIF Core, 5.1.1).
const DevicePath = "/onvif/device_service"

// ErrNotAuthorized is returned when the camera refuses the user name or
// password, or wants one.
var ErrNotAuthorized = errors.New("the camera refuses the user name or password")

// Config says which camera to ask, and how.
type Config struct {
	URL      string // of the device service; http://HOST is enough
	Username string // "" asks without a name
	Password string
	Timeout  time.Duration    // of one request; 0 is 5 s
	Now      func() time.Time // nil is time.Now
}

// Device is one camera that answers at one host.
type Device struct {
	cfg    Config
	url    *url.URL
	http   *http.Client
	offset time.Duration // the camera's clock minus ours
	timed  bool          // offset is known
	digest *challenge    // of HTTP; nil while WS-Security is used
	notes  []string
}

// New checks the configuration. It connects to nothing.
func New(cfg Config) (*Device, error) {
	u, err := deviceURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Device{cfg: cfg, url: u}
	d.http = &http.Client{
		Timeout: cfg.Timeout,
		// A redirect is an answer like any other, and none that we want.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
			MaxResponseHeaderBytes: 32 << 10,
			MaxIdleConns:           2,
			IdleConnTimeout:        10 * time.Second,
			DisableCompression:     true,
			// Cameras sign their own certificates, and most speak plain HTTP:
			// nothing here relies on TLS, only digests go out.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
	}
	return d, nil
}

// Close ends its connections.
func (d *Device) Close() { d.http.CloseIdleConnections() }

// Notes are what the camera does in its own way, for the technician.
func (d *Device) Notes() []string { return d.notes }

func (d *Device) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	for _, have := range d.notes {
		if have == n {
			return
		}
	}
	if len(d.notes) < 16 {
		d.notes = append(d.notes, n)
	}
}

// deviceURL reads a camera's address: a host, host:port, or a URL.
func deviceURL(s string) (*url.URL, error) {
	text := s
	if !strings.Contains(text, "://") {
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
			text = "[" + text + "]"
		}
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is no camera's address; write HOST, HOST:PORT or http://HOST/onvif/device_service", s)
	case u.User != nil:
		return nil, errors.New("the camera's address holds a user name; give it apart")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = DevicePath
	}
	return u, nil
}

// own turns an address out of an answer into one at the camera's own host.
// What leads elsewhere keeps its path only.
func (d *Device) own(raw, what string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: %q is no web address", what, clip(raw))
	}
	u.User, u.Fragment = nil, ""
	if !sameHost(u.Hostname(), d.url.Hostname()) {
		d.note("%s points to %s, which is another host; it was asked for at the camera's own address", what, u.Host)
		u.Scheme, u.Host = d.url.Scheme, d.url.Host
	}
	if d.url.Scheme == "https" && u.Scheme == "http" {
		return nil, fmt.Errorf("%s: goes from https to http", what)
	}
	return u, nil
}

// sameHost compares names without case and addresses by value. A zone belongs
// to our side.
func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x.Unmap().WithZone("") == y.Unmap().WithZone("")
	}
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// Clock asks for the camera's time, which WS-Security's digest goes by.
func (d *Device) Clock(ctx context.Context) (time.Time, error) {
	n, err := d.call(ctx, d.url, request{ns: nsDevice, name: "GetSystemDateAndTime", open: true})
	if err != nil {
		return time.Time{}, err
	}
	utc := n.at("SystemDateAndTime", "UTCDateTime")
	if utc == nil {
		return time.Time{}, errors.New("GetSystemDateAndTime: no UTCDateTime in the answer")
	}
	t := time.Date(utc.number("Date", "Year"), time.Month(utc.number("Date", "Month")), utc.number("Date", "Day"),
		utc.number("Time", "Hour"), utc.number("Time", "Minute"), utc.number("Time", "Second"), 0, time.UTC)
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("GetSystemDateAndTime: impossible year %d", t.Year())
	}
	d.offset, d.timed = t.Sub(d.cfg.Now()), true
	return t, nil
}

// Offset is the camera's clock minus ours, to the second, once it is known.
func (d *Device) Offset() (time.Duration, bool) { return d.offset, d.timed }

// Information is what a camera says of itself.
type Information struct {
	Maker    string `json:"maker"`
	Model    string `json:"model"`
	Firmware string `json:"firmware"`
	Serial   string `json:"serial,omitempty"`
	Hardware string `json:"hardware,omitempty"`
}

// Information asks what the camera is.
func (d *Device) Information(ctx context.Context) (Information, error) {
	n, err := d.call(ctx, d.url, request{ns: nsDevice, name: "GetDeviceInformation"})
	if err != nil {
		return Information{}, err
	}
	return Information{
		Maker: n.text("Manufacturer"), Model: n.text("Model"), Firmware: n.text("FirmwareVersion"),
		Serial: n.text("SerialNumber"), Hardware: n.text("HardwareId"),
	}, nil
}

// services are where the camera's media services are; nil is not offered.
type services struct{ media, media2 *url.URL }

// maxServices bounds what is looked at of a list of services.
const maxServices = 64

// services asks for them; cameras from before GetServices by GetCapabilities.
func (d *Device) services(ctx context.Context) (services, error) {
	var s services
	n, err := d.call(ctx, d.url, request{ns: nsDevice, name: "GetServices", body: "<IncludeCapability>false</IncludeCapability>", open: true})
	if err == nil {
		for _, v := range n.all("Service", maxServices) {
			var to **url.URL
			switch v.text("Namespace") {
			case nsMedia:
				to = &s.media
			case nsMedia2:
				to = &s.media2
			default:
				continue
			}
			if u, err := d.own(v.text("XAddr"), "the media service"); err == nil {
				*to = u
			}
		}
	}
	if s.media != nil || s.media2 != nil || errors.Is(err, ErrNotAuthorized) || ctx.Err() != nil {
		return s, err
	}
	n, err = d.call(ctx, d.url, request{ns: nsDevice, name: "GetCapabilities", body: "<Category>All</Category>", open: true})
	if err != nil {
		return s, err
	}
	media := n.at("Capabilities", "Media")
	if media == nil {
		return s, errors.New("the camera offers no media service")
	}
	s.media, err = d.own(media.text("XAddr"), "the media service")
	return s, err
}

// Reboot makes the camera start again. It returns when the camera has agreed,
// which is before it goes down.
func (d *Device) Reboot(ctx context.Context) error {
	_, err := d.call(ctx, d.url, request{ns: nsDevice, name: "SystemReboot"})
	return err
}

// askClock learns the camera's time once, where a digest needs it. A camera
// that does not tell is taken to be right.
func (d *Device) askClock(ctx context.Context) {
	if d.timed || d.cfg.Username == "" {
		return
	}
	if _, err := d.Clock(ctx); err != nil {
		d.note("its clock can't be asked: %v", err)
		d.timed = true
	}
}
