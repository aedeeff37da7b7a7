package onvif

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Camera is what is known of a device after it was asked.
type Camera struct {
	Endpoint string       `json:"endpoint,omitempty"`
	Addr     netip.Addr   `json:"address"`
	Others   []netip.Addr `json:"other_addresses,omitempty"`
	URL      string       `json:"url"` // of its device service
	Name     string       `json:"name,omitempty"`
	Location string       `json:"location,omitempty"`
	Information
	ClockOffset *time.Duration `json:"-"`
	OffsetMS    *int64         `json:"clock_offset_ms,omitempty"` // its clock minus ours
	Profiles    []Profile      `json:"profiles"`
	Notes       []string       `json:"notes,omitempty"`
	Problem     string         `json:"problem,omitempty"` // why something of the above is missing; one line
	NeedsLogin  bool           `json:"needs_login,omitempty"`
}

// LookOptions are the same for all cameras.
type LookOptions struct {
	Username, Password string
	PerCamera          time.Duration // longest time of one; 0 is 15 s
	Done               func(n int)   // called after each, with how many are done; may be nil
}

// lookAtOnce is how many cameras are asked side by side.
const lookAtOnce = 8

// Look asks each of the found devices what it is and where its streams are. It
// always returns one Camera for each, in their order; what went wrong is in its
// Problem.
func Look(ctx context.Context, list []Found, o LookOptions) []Camera {
	if o.PerCamera == 0 {
		o.PerCamera = 15 * time.Second
	}
	cameras := make([]Camera, len(list))
	slots := make(chan struct{}, lookAtOnce)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards done
	done := 0
	for i, f := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			cameras[i] = lookAt(ctx, f, o)
			mu.Lock()
			defer mu.Unlock()
			if done++; o.Done != nil {
				o.Done(done)
			}
		})
	}
	wg.Wait()
	return cameras
}

func lookAt(ctx context.Context, f Found, o LookOptions) Camera {
	ctx, cancel := context.WithTimeout(ctx, o.PerCamera)
	defer cancel()
	c := Camera{
		Endpoint: f.Endpoint, Addr: f.Addr, Others: f.Others, URL: f.URL, Name: f.Name, Location: f.Location,
		Notes: f.Notes, Profiles: []Profile{}, Information: Information{Hardware: f.Hardware},
	}
	d, err := New(Config{URL: f.URL, Username: o.Username, Password: o.Password})
	if err != nil {
		c.Problem = err.Error()
		return c
	}
	defer d.Close()
	if err := c.ask(ctx, d); err != nil {
		c.Problem, c.NeedsLogin = clip(strings.ReplaceAll(err.Error(), "\n", "; ")), errors.Is(err, ErrNotAuthorized)
		if c.NeedsLogin && o.Username == "" {
			c.Problem = "wants a user name and password"
		} else if c.NeedsLogin {
			c.Problem = ErrNotAuthorized.Error()
		}
	}
	c.Notes = append(c.Notes, d.Notes()...)
	return c
}

// ask fills in what the camera tells. It goes on as far as it can.
func (c *Camera) ask(ctx context.Context, d *Device) error {
	if _, err := d.Clock(ctx); err == nil {
		ms := d.offset.Milliseconds()
		c.ClockOffset, c.OffsetMS = &d.offset, &ms
	} else if ctx.Err() != nil || !isFault(err) {
		return err // nobody there; no use to ask on
	}
	i, err := d.Information(ctx)
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err == nil {
		if i.Hardware == "" {
			i.Hardware = c.Hardware
		}
		c.Information = i
	}
	if errors.Is(err, ErrNotAuthorized) {
		return err // each further try might lock the account
	}
	profiles, perr := d.Profiles(ctx)
	if profiles != nil {
		c.Profiles = profiles
	}
	return errors.Join(err, perr)
}

// isFault tells whether the camera itself said no.
func isFault(err error) bool {
	_, fault := errors.AsType[*Fault](err)
	return fault || errors.Is(err, ErrNotAuthorized)
}

// Reachable asks, of addresses that gave no answer to a probe, which answer at
// the usual place over HTTP. It sends no password.
func Reachable(ctx context.Context, hosts []string, timeout time.Duration) []Found {
	found := make([]*Found, len(hosts))
	slots := make(chan struct{}, 4*lookAtOnce)
	var wg sync.WaitGroup
	for i, h := range hosts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i] = reachable(ctx, h, timeout)
		})
	}
	wg.Wait()
	var list []Found
	for _, f := range found {
		if f != nil {
			list = append(list, *f)
		}
	}
	return list
}

func reachable(ctx context.Context, host string, timeout time.Duration) *Found {
	d, err := New(Config{URL: host, Timeout: timeout})
	if err != nil {
		return nil
	}
	defer d.Close()
	if _, err := d.Clock(ctx); err != nil && !isFault(err) {
		return nil
	}
	f := &Found{URL: d.url.String()}
	f.Addr, _ = netip.ParseAddr(d.url.Hostname()) // a name has none here
	return f
}
