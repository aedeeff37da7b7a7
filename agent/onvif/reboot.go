package onvif

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Rebooter makes one camera start again. It is what a recovery ladder takes:
//
//	r := onvif.Rebooter{URL: s.ONVIF.URL, Stream: s.URL, Username: s.Username, Password: password}
//	err := r.Reboot(ctx)
//
// The zero URL is the usual place at the host of Stream. Reboot may be called
// from any goroutine; each call is a connection of its own.
type Rebooter struct {
	URL      string // of the device service; "" is http://HOST/onvif/device_service
	Stream   string // the camera's RTSP URL; used when URL is ""
	Username string
	Password string
	// PasswordOf is asked at each reboot instead of Password, for a password
	// that stands in a file; may be nil.
	PasswordOf func() (string, error)
}

// rebootWithin is the longest time that a camera may take to agree.
const rebootWithin = 20 * time.Second

// Reboot asks the camera to start again and returns when it has agreed; it is
// down for a minute or so after that. The error is ErrNotAuthorized, a Fault, or
// that nobody answered. It asks once: who wants more tries decides how many.
func (r Rebooter) Reboot(ctx context.Context) error {
	at, password := r.URL, r.Password
	if at == "" {
		u, err := url.Parse(r.Stream)
		if err != nil || u.Hostname() == "" {
			return fmt.Errorf("reboot: no host in the stream's URL")
		}
		at = (&url.URL{Scheme: "http", Host: bracketed(u.Hostname()), Path: DevicePath}).String()
	}
	if r.PasswordOf != nil {
		var err error
		if password, err = r.PasswordOf(); err != nil {
			return fmt.Errorf("reboot: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, rebootWithin)
	defer cancel()
	d, err := New(Config{URL: at, Username: r.Username, Password: password})
	if err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	defer d.Close()
	return d.Reboot(ctx)
}
