package update

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// desk is a device, a web server and a centre on a table: what this package
// does is to ask them in the right order at the right time.
type desk struct {
	trial   *Trial
	check   error
	fetches []error // of the next fetches; then nil
	offer   error
	mu      sync.Mutex // guards ill
	ill     error      // what Well says
	busy    bool       // Quiet says no
	now     func() (time.Time, bool)

	did    []string
	events []report.Update
	memory Memory
	start  time.Time
}

func (d *desk) say(what string) {
	d.did = append(d.did, what+" "+time.Since(d.start).Round(time.Second).String())
}

func (d *desk) sicken(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ill = err
}

func (d *desk) Trial() (*Trial, error) {
	if d.trial == nil {
		return nil, nil
	}
	t := *d.trial
	return &t, nil
}

func (d *desk) Check(context.Context, string) (Release, error) {
	d.say("check")
	return Release{5, "five"}, d.check
}

func (d *desk) Fetch(context.Context, string) (Release, error) {
	d.say("fetch")
	if len(d.fetches) == 0 {
		return Release{5, "five"}, nil
	}
	err := d.fetches[0]
	d.fetches = d.fetches[1:]
	return Release{5, "five"}, err
}

func (d *desk) Offer(context.Context) error {
	d.say("offer")
	if d.offer == nil {
		d.check = &Refusal{Code: "trial-runs"} // it is taken; the next look finds nothing new
	}
	return d.offer
}

func (d *desk) SayWell(uint64) error {
	d.say("well")
	d.trial.State = report.UpdateCommitted // the launcher's answer
	return nil
}

func (d *desk) Updated(_ context.Context, u report.Update) error {
	d.events = append(d.events, u)
	return nil
}

func (d *desk) updater(c Config) *Updater {
	c.Memory = d.memory
	c.Remember = func(m Memory) error { d.memory = m; return nil }
	c.Hold = time.Minute
	c.Quiet = func() bool { return !d.busy }
	c.Well = func(context.Context) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.ill
	}
	c.Now = d.now
	if c.Now == nil {
		c.Now = func() (time.Time, bool) { return time.Now().UTC(), true }
	}
	return New(c, d, d, slog.New(slog.DiscardHandler))
}

// run runs an updater for a while of the bubble's time.
func run(t *testing.T, d *desk, c Config, while time.Duration, meanwhile func(u *Updater)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d.start = time.Now()
		u := d.updater(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- u.Run(ctx) }()
		if meanwhile != nil {
			meanwhile(u)
		}
		time.Sleep(while)
		synctest.Wait()
		if err := u.Pulses()[0].Ask(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func states(events []report.Update) string {
	var all []string
	for _, e := range events {
		all = append(all, strings.TrimSpace(e.State+" "+e.Code))
	}
	return strings.Join(all, ", ")
}

func TestByOrder(t *testing.T) {
	const url = "https://x/fw"
	night := Config{Hours: Hours{3 * time.Hour, 5 * time.Hour, true}}
	noClock := func() (time.Time, bool) { return time.Time{}, false }
	tests := map[string]*struct {
		desk   desk
		config Config
		now    bool
		number uint64
		until  time.Duration // from the start; 0 is any time
		did    string
		events string
		order  string // error of the order
	}{
		"good":                         {did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched"},
		"refused at once":              {desk: desk{check: &Refusal{Code: "tampered"}}, number: 5, did: "check 0s", events: "refused tampered", order: "refused (tampered)"},
		"another number lies there":    {number: 6, did: "check 0s", order: "release 5 lies there, the order names 6"},
		"payload is another":           {desk: desk{fetches: []error{&Refusal{Code: "mixed"}}}, did: "check 0s, check 0s, fetch 0s", events: "refused mixed"},
		"refused by who applies":       {desk: desk{offer: &Refusal{Code: "no-run"}}, did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched, refused no-run"},
		"outside the hours":            {config: night, did: "check 0s, check 0s, fetch 0s, offer 3h0m0s", events: "fetched"},
		"outside the hours, now":       {config: night, now: true, did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched"},
		"outside the hours, no clock":  {desk: desk{now: noClock}, config: night, did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched"},
		"until after its hours begin":  {config: night, until: 4 * time.Hour, did: "check 0s, check 0s, fetch 0s, offer 3h0m0s", events: "fetched"},
		"until before its hours begin": {config: night, until: 2 * time.Hour, did: "check 0s, check 0s, fetch 0s", events: "refused window"},
		"until, now":                   {config: night, until: 2 * time.Hour, now: true, did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched"},
		"until, no clock":              {desk: desk{now: noClock}, until: time.Nanosecond, did: "check 0s, check 0s, fetch 0s, offer 0s", events: "fetched"},
		"until is over":                {until: -time.Second, did: "check 0s", events: "refused window"},
		"somebody stands at the kiosk": {desk: desk{busy: true}, did: "check 0s, check 0s, fetch 0s, offer 10m0s", events: "fetched"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := &tt.desk
			run(t, d, tt.config, 23*time.Hour, func(u *Updater) {
				var until time.Time
				if tt.until != 0 {
					until = time.Now().Add(tt.until)
				}
				_, err := u.Order(context.Background(), url, tt.number, tt.now, until)
				if err == nil && tt.order != "" || err != nil && (tt.order == "" || !strings.Contains(err.Error(), tt.order)) {
					t.Errorf("order: %v, want %q", err, tt.order)
				}
			})
			if got := strings.Join(d.did, ", "); got != tt.did {
				t.Errorf("did %s, want %s", got, tt.did)
			}
			if got := states(d.events); got != tt.events {
				t.Errorf("told %s, want %s", got, tt.events)
			}
		})
	}
}

// TestBrokenLink: a fetch that broke is tried again soon, and comes through.
func TestBrokenLink(t *testing.T) {
	d := desk{fetches: []error{errors.New("reset by peer"), errors.New("reset by peer")}}
	run(t, &d, Config{URL: "https://x/fw", Every: 24 * time.Hour}, 37*time.Hour, nil)
	if !slices.ContainsFunc(d.did, func(s string) bool { return strings.HasPrefix(s, "offer") }) {
		t.Errorf("did %q", d.did)
	}
	if len(d.events) != 1 || d.events[0].State != report.UpdateFetched {
		t.Errorf("told %s", states(d.events))
	}
}

// TestBrokenOrder: the fetch of an order that broke is tried again, with the order's
// address, until it comes through or the order's time is over, which is told.
func TestBrokenOrder(t *testing.T) {
	broken := func(n int) (errs []error) {
		for range n {
			errs = append(errs, errors.New("reset by peer"))
		}
		return errs
	}
	for name, tt := range map[string]struct {
		breaks int
		until  time.Duration
		want   string
	}{
		"comes through":    {3, 0, "fetched"},
		"its time is over": {100, 2 * time.Hour, "refused window"},
		"a day is over":    {1000, 0, ""},
	} {
		d := desk{fetches: broken(tt.breaks)}
		run(t, &d, Config{}, 48*time.Hour, func(u *Updater) {
			var until time.Time
			if tt.until > 0 {
				until = time.Now().Add(tt.until)
			}
			if _, err := u.Order(context.Background(), "https://x/fw", 5, false, until); err != nil {
				t.Error(err)
			}
		})
		if got := states(d.events); got != tt.want {
			t.Errorf("%s: told %q, want %q", name, got, tt.want)
		}
		if n := len(d.did); n > 400 {
			t.Errorf("%s: it is tried for ever: %d", name, n)
		}
	}
}

// TestNothingNew: a look that finds what is here already says nothing.
func TestNothingNew(t *testing.T) {
	d := desk{check: &Refusal{Code: "older"}}
	run(t, &d, Config{URL: "https://x/fw", Every: time.Hour}, 24*time.Hour, nil)
	if len(d.did) < 12 || len(d.events) > 0 {
		t.Errorf("%d looks, told %s", len(d.did), states(d.events))
	}
}

func TestTrial(t *testing.T) {
	d := desk{trial: &Trial{Number: 5, Version: "five", State: report.UpdateTrying, Before: 4, Starts: 1}}
	run(t, &d, Config{}, 5*time.Minute, nil)
	if got := strings.Join(d.did, ", "); got != "well 1m1s" {
		t.Errorf("did %s", got)
	}
	if got := states(d.events); got != "trying, committed" {
		t.Errorf("told %s", got)
	}
	// After a restart, what was told is not told again.
	d.events = nil
	run(t, &d, Config{}, time.Minute, nil)
	if len(d.events) > 0 {
		t.Errorf("told again: %s", states(d.events))
	}
}

// TestIllThenWell: a minute without a break counts, not a minute in all.
func TestIllThenWell(t *testing.T) {
	d := desk{trial: &Trial{Number: 5, State: report.UpdateTrying}}
	run(t, &d, Config{}, 5*time.Minute, func(*Updater) {
		time.Sleep(42*time.Second + 500*time.Millisecond) // between two looks
		d.sicken(errors.New("broker: refused"))
		time.Sleep(30 * time.Second)
		d.sicken(nil)
	})
	if len(d.did) != 1 || d.did[0] != "well 2m13s" {
		t.Errorf("did %q", d.did)
	}
}

func TestNeverWell(t *testing.T) {
	d := desk{trial: &Trial{Number: 5, State: report.UpdateTrying}, ill: errors.New("lamp missing")}
	run(t, &d, Config{}, time.Hour, nil)
	if len(d.did) > 0 {
		t.Errorf("did %q", d.did)
	}
}

func TestWentBackIsTold(t *testing.T) {
	d := desk{trial: &Trial{Number: 5, State: report.UpdateWentBack, Reason: "start: it ended 3 times", Failures: 3}}
	run(t, &d, Config{}, time.Minute, nil)
	if len(d.events) != 1 || d.events[0].State != report.UpdateWentBack || d.events[0].Failures != 3 || d.events[0].Detail == "" {
		t.Errorf("told %+v", d.events)
	}
}

func TestHours(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		hours, at string
		want      time.Duration
	}{
		{"", "12:00:00", 0},
		{"01:00-05:00", "00:59:30", 30 * time.Second},
		{"01:00-05:00", "01:00:00", 0},
		{"01:00-05:00", "04:59:59", 0},
		{"01:00-05:00", "05:00:00", 20 * time.Hour},
		{"22:30-02:00", "23:00:00", 0},
		{"22:30-02:00", "01:59:59", 0},
		{"22:30-02:00", "02:00:00", 20*time.Hour + 30*time.Minute},
	} {
		h, err := ParseHours(tt.hours)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.until(at(tt.at), true); got != tt.want {
			t.Errorf("%s at %s: %v, want %v", tt.hours, tt.at, got, tt.want)
		}
	}
	for _, bad := range []string{"1-5", "25:00-03:00", "01:00-01:00", "01:00-05:60", "01:00-05:00 night"} {
		if h, err := ParseHours(bad); err == nil {
			t.Errorf("took %q as %v", bad, h)
		}
	}
}
