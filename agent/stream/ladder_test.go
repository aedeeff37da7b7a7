package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// memory is a Memory that a test reads and breaks.
type memory struct {
	text []byte
	err  error // of Save
	lost error // of Load
}

func (m *memory) Load() ([]byte, error) { return m.text, m.lost }
func (m *memory) Save(text []byte) error {
	if m.err == nil {
		m.text = slices.Clone(text)
	}
	return m.err
}

// hands reboots and cuts power, and says when.
type hands struct {
	mu   sync.Mutex
	born time.Time
	did  []string
	err  error // of a reboot
}

func (h *hands) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.did = append(h.did, fmt.Sprintf("%s %v", what, time.Since(h.born).Round(time.Minute)))
}

func (h *hands) Reboot(context.Context) error { h.note("reboot"); return h.err }
func (h *hands) Cycle(context.Context) error  { h.note("power"); return nil }

// TestLadder climbs for a day of the same fault, in a bubble, and looks when
// the camera was touched. The agent is started again at some of the hours.
func TestLadder(t *testing.T) {
	camera := blame{cause: CauseCamera}
	tests := map[string]struct {
		now      blame
		class    string
		common   int
		starved  bool
		after    time.Duration
		reboots  bool
		power    bool
		fails    bool // reboots
		noMemory bool // the disk refuses
		restarts time.Duration
		offClock bool // no clock is set, each start is a new boot
		want     []string
	}{
		"reboot, then power":                          {now: camera, class: ClassNoMedia, reboots: true, power: true, want: []string{"reboot 5m0s", "power 6h5m0s", "reboot 12h5m0s", "power 18h5m0s"}},
		"only reboot":                                 {now: camera, class: ClassTimeout, reboots: true, want: []string{"reboot 5m0s", "reboot 6h5m0s", "reboot 12h5m0s", "reboot 18h5m0s"}},
		"only power":                                  {now: camera, class: ClassClosed, power: true, want: []string{"power 5m0s", "power 6h5m0s", "power 12h5m0s", "power 18h5m0s"}},
		"a reboot that fails":                         {now: camera, class: ClassNoMedia, reboots: true, power: true, fails: true, want: []string{"reboot 5m0s", "power 5m0s", "reboot 6h5m0s", "power 6h5m0s", "reboot 12h5m0s", "power 12h5m0s", "reboot 18h5m0s", "power 18h5m0s"}},
		"the agent is restarted hourly":               {now: camera, class: ClassNoMedia, reboots: true, restarts: time.Hour, want: []string{"reboot 5m0s", "reboot 6h5m0s", "reboot 12h5m0s", "reboot 18h5m0s"}},
		"a board that boots hourly and knows no time": {now: camera, class: ClassNoMedia, reboots: true, restarts: time.Hour, offClock: true, want: []string{"reboot 5m0s"}},
		"the disk refuses":                            {now: camera, class: ClassNoMedia, reboots: true, power: true, noMemory: true},
		"gone from the wire: power only":              {now: blame{cause: CausePower}, class: ClassUnreachable, reboots: true, power: true, want: []string{"power 5m0s", "power 6h5m0s", "power 12h5m0s", "power 18h5m0s"}},
		"others went down too":                        {now: camera, class: ClassTimeout, common: 3, reboots: true, power: true},
		"the network":                                 {now: blame{cause: CauseNetwork}, class: ClassTimeout, reboots: true, power: true},
		"our board":                                   {now: blame{cause: CauseBoard}, class: ClassTimeout, reboots: true, power: true},
		"our board is busy":                           {now: camera, class: ClassNoMedia, starved: true, reboots: true, power: true},
		"a wrong password":                            {now: blame{cause: CauseCredentials}, class: ClassAuth, reboots: true, power: true},
		"a wrong path":                                {now: camera, class: ClassNotFound, reboots: true, power: true},
		"another codec":                               {now: camera, class: ClassCodec, reboots: true, power: true},
		"nothing to do it with":                       {now: camera, class: ClassNoMedia},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hands{born: time.Now()}
				if tt.fails {
					h.err = errors.New("no answer")
				}
				m := &memory{}
				if tt.noMemory {
					m.err = errors.New("read-only file system")
				}
				boot := 0
				stamp := func() report.Stamp {
					s := report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "one", Uptime: time.Since(h.born)}
					if tt.offClock {
						s = report.Stamp{Time: time.Unix(1000, 0), Clock: report.ClockUnset, Boot: fmt.Sprint(boot), Uptime: time.Minute}
					}
					return s
				}
				var told []report.Recovery
				r := Recovery{Memory: m, Stamp: stamp, Tell: func(r report.Recovery) { told = append(told, r) }}
				if tt.reboots {
					r.Reboot = h
				}
				if tt.power {
					r.Power = h
				}
				if err := r.check(); err != nil {
					t.Fatal(err)
				}
				start := func() *ladder {
					boot++
					l, err := newLadder("gate", r, NewSite())
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				l := start()
				f := fault{is: true, since: time.Now(), ownSince: time.Now(), now: tt.now, evidence: evidence{class: tt.class, step: StateNegotiating, common: tt.common, starved: tt.starved}}
				var wg sync.WaitGroup
				for at := 5 * time.Second; at < 24*time.Hour; at += 5 * time.Second {
					time.Sleep(5 * time.Second)
					if tt.restarts > 0 && at%tt.restarts == 0 {
						l = start()
					}
					err := l.climb(t.Context(), &f, wg.Go)
					if (err != nil) != (tt.noMemory && at >= 5*time.Minute && at%leastEvery == 5*time.Minute) {
						t.Fatalf("at %v: climb: %v", at, err)
					}
					wg.Wait()
				}
				if !slices.Equal(h.did, tt.want) {
					t.Errorf("did %q,\nwant %q", h.did, tt.want)
				}
				begun := 0
				for _, r := range told {
					if r.Result == report.RecoveryBegun {
						begun++
					}
					if r.Stream != "gate" || r.Class != tt.class || r.Cause != tt.now.cause {
						t.Errorf("told %+v", r)
					}
				}
				if len(tt.want) > 0 && (begun == 0 || begun > 4) {
					t.Errorf("%d steps were told before they were taken, want 1 to 4 in a day", begun)
				}
			})
		})
	}
}

// TestSiteSpreadsReboots: many cameras that failed by themselves are not
// rebooted at once.
func TestSiteSpreadsReboots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := NewSite()
		h := &hands{born: time.Now()}
		stamp := func() report.Stamp { return report.Stamp{Boot: "one", Uptime: time.Since(h.born)} }
		var ladders []*ladder
		for range 5 {
			r := Recovery{Reboot: h, Memory: &memory{}, Stamp: stamp}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			l, err := newLadder("gate", r, site)
			if err != nil {
				t.Fatal(err)
			}
			ladders = append(ladders, l)
		}
		f := fault{is: true, since: time.Now(), ownSince: time.Now(), now: blame{cause: CauseCamera}, evidence: evidence{class: ClassNoMedia, step: StateNegotiating}}
		var wg sync.WaitGroup
		for range 3600 {
			time.Sleep(time.Second)
			for _, l := range ladders {
				if err := l.climb(t.Context(), &f, wg.Go); err != nil {
					t.Fatal(err)
				}
			}
			wg.Wait()
		}
		want := []string{"reboot 5m0s", "reboot 15m0s", "reboot 25m0s", "reboot 35m0s", "reboot 45m0s"}
		if !slices.Equal(h.did, want) {
			t.Errorf("did %q, want %q", h.did, want)
		}
	})
}

// TestRecorderIsRebootedOnce: a recorder with ten dead inputs is rebooted as
// seldom as one with one, also by an agent that was started again; what is not
// the recorder is not kept waiting.
func TestRecorderIsRebootedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hands{born: time.Now()}
		stamp := func() report.Stamp { return report.Stamp{Boot: "one", Uptime: time.Since(h.born)} }
		memories := make([]memory, 10)
		var ladders []*ladder
		start := func() {
			site := NewSite()
			ladders = nil
			for i := range memories {
				r := Recovery{Reboot: h, Memory: &memories[i], Stamp: stamp, Device: "10.0.0.9"}
				if i == len(memories)-1 {
					r.Device, r.Every = "10.0.0.10", 20*time.Hour
				}
				if err := r.check(); err != nil {
					t.Fatal(err)
				}
				l, err := newLadder("gate", r, site)
				if err != nil {
					t.Fatal(err)
				}
				ladders = append(ladders, l)
			}
		}
		start()
		f := fault{is: true, since: time.Now(), ownSince: time.Now(), now: blame{cause: CauseCamera}, evidence: evidence{class: ClassNoMedia, step: StateNegotiating}}
		var wg sync.WaitGroup
		for n := range 13 * 60 {
			if n%120 == 119 {
				start()
			}
			time.Sleep(time.Minute)
			for _, l := range ladders {
				if err := l.climb(t.Context(), &f, wg.Go); err != nil {
					t.Fatal(err)
				}
			}
			wg.Wait()
		}
		if want := []string{"reboot 5m0s", "reboot 15m0s", "reboot 6h5m0s", "reboot 12h5m0s"}; !slices.Equal(h.did, want) {
			t.Errorf("did %q, want %q", h.did, want)
		}
	})
}

// TestFlappingIsToldSeldom: a camera that fails and heals all day does not fill
// the event lane; that it was touched is told all the same.
func TestFlappingIsToldSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []report.Recovery
		h := &hands{born: time.Now()}
		r := Recovery{Reboot: h, Memory: &memory{}, Stamp: func() report.Stamp { return report.Stamp{Boot: "one"} }, Tell: func(r report.Recovery) { told = append(told, r) }}
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		l, err := newLadder("gate", r, NewSite())
		if err != nil {
			t.Fatal(err)
		}
		const day = 24 * time.Hour
		f := fault{is: true, now: blame{cause: CauseCamera}, evidence: evidence{class: ClassNoMedia, step: StateNegotiating}}
		for range day / (10 * time.Second) {
			time.Sleep(10 * time.Second)
			f.since = time.Now()
			l.failed(&f)
			l.failed(&f)
			l.transport("no picture", &f)
			l.healed(&f)
		}
		if n, most := len(told), 3*(mildBurst+int(day/mildEvery)); n > most || n < most/2 {
			t.Errorf("%d steps in a day, want at most %d, and half of them", n, most)
		}
		if last := told[len(told)-3]; last.Result != report.RecoveryBegun || !strings.Contains(last.Detail, "steps before this one are not reported") {
			t.Errorf("what was left out is not told: %+v", last)
		}
		told = nil
		f.since, f.ownSince = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
		var wg sync.WaitGroup
		if err := l.climb(t.Context(), &f, wg.Go); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		l.healed(&f)
		if len(told) != 3 || told[0].Step != report.RecoveryReboot || told[2].Result != report.RecoveryHealed {
			t.Errorf("of a reboot was told %+v", told)
		}
	})
}

// TestUnreadableMemoryStopsNothing: a card that can't give what was done before
// is no reason not to watch; it counts as done just now.
func TestUnreadableMemoryStopsNothing(t *testing.T) {
	r := Recovery{Reboot: &hands{}, Memory: &memory{lost: errors.New("input/output error")}, Stamp: func() report.Stamp { return report.Stamp{} }}
	w, err := New(Config{Name: "gate", URL: "rtsp://127.0.0.1/", Recovery: r}, slog.New(slog.DiscardHandler), newRecord())
	if err != nil {
		t.Fatal(err)
	}
	if w.ladder.acted.IsZero() {
		t.Error("it counts as nothing done")
	}
}

func TestActed(t *testing.T) {
	was := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	a := acted{V: 1, Time: was, Clock: report.ClockSynced, Boot: "one", UptimeMS: 60_000}
	tests := map[string]struct {
		now  report.Stamp
		want time.Duration
		ok   bool
	}{
		"same boot":                    {report.Stamp{Boot: "one", Uptime: time.Hour, Time: was.AddDate(1, 0, 0)}, 59 * time.Minute, true},
		"another boot":                 {report.Stamp{Boot: "two", Clock: report.ClockSynced, Time: was.Add(3 * time.Hour)}, 3 * time.Hour, true},
		"another boot, clock unset":    {report.Stamp{Boot: "two", Clock: report.ClockUnset, Time: was.Add(3 * time.Hour)}, 0, false},
		"another boot, clock set back": {report.Stamp{Boot: "two", Clock: report.ClockSynced, Time: was.Add(-time.Hour)}, 0, false},
	}
	for name, tt := range tests {
		if got, ok := a.ago(tt.now); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, ok, tt.want, tt.ok)
		}
	}
}

// FuzzActed: whatever is in the file, it is read or refused, and what can't be
// read counts as done just now.
func FuzzActed(f *testing.F) {
	good, _ := json.Marshal(acted{V: 1, Step: report.RecoveryReboot, Boot: "one", UptimeMS: 60_000})
	for _, s := range []string{string(good), "{}", `{"v":2}`, "", strings.Repeat("[", 5000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := Recovery{Memory: &memory{text: text}, Stamp: func() report.Stamp { return report.Stamp{Boot: "two"} }}
		l, err := newLadder("gate", r, NewSite())
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 && l.acted.IsZero() {
			t.Errorf("%q counts as nothing done", text)
		}
	})
}

func TestRecoveryRefuses(t *testing.T) {
	h := &hands{}
	for want, r := range map[string]Recovery{
		"the least is 10m": {Every: time.Minute},
		"the least is 1s":  {After: time.Millisecond},
		"need a memory":    {Reboot: h},
	} {
		_, err := New(Config{Name: "gate", URL: "rtsp://127.0.0.1/", Recovery: r}, slog.New(slog.DiscardHandler), newRecord())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// rebootByHTTP asks a camera over the network, as ONVIF does.
type rebootByHTTP struct{ url string }

func (r rebootByHTTP) Reboot(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the camera answers %s", resp.Status)
	}
	return nil
}

// TestRebootHeals goes the whole way with a camera that hangs until it is told
// to start again: each step is told, in order.
func TestRebootHeals(t *testing.T) {
	var mu sync.Mutex
	rebooted := false
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		rebooted = true
	}))
	defer web.Close()
	url := startRogue(t, func(c *rogueConn) {
		mu.Lock()
		well := rebooted
		mu.Unlock()
		if well {
			c.play(describeH264, c.goodPictures)
		}
	})
	steps := make(chan report.Recovery, 16)
	m := &memory{}
	_, out := watch(t, Config{URL: url, Transport: TransportTCP, Recovery: Recovery{
		Reboot: rebootByHTTP{web.URL}, After: time.Second, Memory: m,
		Stamp: func() report.Stamp { return report.Stamp{Boot: "one"} }, Tell: func(r report.Recovery) { steps <- r },
	}})
	out.wait(t, "failed", 0, is(StateFailed, ClassClosed))
	out.wait(t, "playing", 0, is(StatePlaying, ""))
	var got []string
	for len(got) == 0 || !strings.HasSuffix(got[len(got)-1], report.RecoveryHealed) {
		select {
		case r := <-steps:
			got = append(got, r.Step+" "+r.Result)
		case <-time.After(patience):
			t.Fatalf("not healed; steps %q", got)
		}
	}
	if want := []string{"reconnect begun", "reboot begun", "reboot done", "reboot healed"}; !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
	if len(m.text) == 0 {
		t.Error("the reboot was not noted")
	}
}
