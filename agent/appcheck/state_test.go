package appcheck

import (
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// TestHysteresis: each letter is a look: o good, s slow, h half slow (good, and
// not fast enough to end slow), t timeout, d dns, w wrong status. The states
// are those after each look.
func TestHysteresis(t *testing.T) {
	const limit = time.Second
	looks := map[rune]result{
		'o': {total: limit / 10}, 'h': {total: limit * 9 / 10}, 's': {class: ClassSlow, total: 2 * limit},
		't': {class: ClassTimeout}, 'd': {class: ClassDNS}, 'w': {class: ClassStatus},
	}
	short := map[string]rune{report.AppChecking: '?', report.AppOK: 'o', report.AppSlow: 's', report.AppWrong: 'w', report.AppUnreachable: 'u'}
	for name, tt := range map[string]struct {
		confirm     int
		looks, want string
	}{
		"good at once":               {2, "oo", "oo"},
		"bad at the start":           {2, "tt", "?u"},
		"one lost packet":            {2, "ototo", "ooooo"},
		"an outage":                  {2, "ottto", "oouuu"},
		"and its end":                {2, "ottoo", "oouuo"},
		"bad in changing ways":       {2, "otw", "oow"},
		"from one fault to another":  {2, "ottwtww", "oouuuuw"},
		"slow, and almost not":       {2, "osshhhoo", "oosssss" + "o"},
		"a little slow is not slow":  {2, "ohhhh", "ooooo"},
		"at once":                    {1, "oto", "ouo"},
		"three in a row":             {3, "ottottt", "oooooou"},
		"first looks bad, then good": {3, "ttoo", "??oo"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker{confirm: tt.confirm, slowAfter: limit}
			tr.cur.State = report.AppChecking
			var got strings.Builder
			for _, l := range tt.looks {
				before := tr.cur.State
				if changed := tr.take(looks[l], time.Now()); !changed && tr.cur.State != before {
					t.Error("a change that is not told")
				}
				got.WriteRune(short[tr.cur.State])
			}
			if got.String() != tt.want {
				t.Errorf("states %s, want %s", got.String(), tt.want)
			}
		})
	}
}

// said collects what a Check says.
type said struct {
	mu     sync.Mutex // held by the test while it looks
	states []report.AppState
	stats  []report.AppStats
	found  map[string]Finding
}

func (s *said) AppChanged(st report.AppState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, st)
}

func (s *said) AppMeasured(m report.AppStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats = append(s.stats, m)
}

func (s *said) AppFound(_ string, f Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found[f.Condition] = f
}

func (s *said) is(cond string) (present, known bool) {
	f, known := s.found[cond]
	return f.Present, known
}

// pass lets time go by.
func (s *said) pass(d time.Duration) {
	s.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	s.mu.Lock()
}

// TestRun: the pace of the looks, and what is said when.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out said
		out.found = map[string]Finding{}
		c, err := New(Config{Name: "e-bansos", URL: "https://bansos.example/?token=1", Every: 10 * time.Minute}, slog.New(slog.DiscardHandler), &out)
		if err != nil {
			t.Fatal(err)
		}
		c.jitter = func() float64 { return 0.5 }
		var now result
		var asked []time.Duration
		began := time.Now()
		c.ask = func(context.Context) result {
			out.mu.Lock()
			defer out.mu.Unlock()
			asked = append(asked, time.Since(began))
			return now
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- c.Run(ctx) }()
		good := result{status: 200, total: time.Second, bytes: 2000, expires: began.AddDate(0, 0, 30), at: began, subject: "bansos.example"}

		out.mu.Lock()
		defer out.mu.Unlock()
		now = good
		out.pass(time.Minute)
		if len(asked) != 1 || asked[0] != longestStart/2 || len(out.states) != 1 || out.states[0].State != report.AppOK {
			t.Fatalf("asked %v, states %+v", asked, out.states)
		}
		if s := out.states[0]; s.URL != "https://bansos.example/" || *s.CertDays != 30 {
			t.Errorf("state %+v", s)
		}
		if out.stats[0].BytesPerDay != 2000*144 || out.stats[0].TotalMS != 1000 {
			t.Errorf("stats %+v", out.stats[0])
		}
		if p, known := out.is(CondCertificate); p || !known {
			t.Error("a certificate of 30 days is found")
		}

		out.pass(20 * time.Minute) // calm
		now = result{class: ClassTimeout, detail: "no answer"}
		out.pass(10*time.Minute + confirmPause)
		if last := out.states[len(out.states)-1]; len(out.states) != 2 || last.State != report.AppUnreachable || last.Class != ClassTimeout || last.CertDays != nil {
			t.Fatalf("states %+v", out.states)
		}
		if gap := asked[len(asked)-1] - asked[len(asked)-2]; gap != confirmPause {
			t.Errorf("second look after %v, want %v", gap, confirmPause)
		}
		if p, _ := out.is(CondUnreachable); !p {
			t.Error("not found unreachable")
		}

		good.expires = began.AddDate(0, 0, 3)
		now = good
		out.pass(30 * time.Minute)
		if len(out.states) != 3 || out.states[2].State != report.AppOK {
			t.Fatalf("states %+v", out.states)
		}
		if f := out.found[CondCertificate]; !f.Present || f.Days != 3 || !strings.Contains(f.Detail, "expires in 3 days") {
			t.Errorf("finding %+v", f)
		}
		if p, _ := out.is(CondUnreachable); p {
			t.Error("still found unreachable")
		}
		if got := c.Status(); got.State.State != report.AppOK || got.Last.Status != 200 {
			t.Errorf("status %+v", got)
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// TestHurry: the first failing look of one application brings the look at
// another forward, once.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := slog.New(slog.DiscardHandler)
		var out said
		out.found = map[string]Finding{}
		var b *Check
		a, err := New(Config{Name: "a", URL: "https://a.example/", OnDoubt: func() { b.Hurry() }}, quiet, &out)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = New(Config{Name: "b", URL: "https://b.example/"}, quiet, &out); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var atB []time.Duration
		a.jitter, b.jitter = func() float64 { return 0.5 }, func() float64 { return 0.5 }
		a.ask = func(context.Context) result {
			if time.Since(began) < 20*time.Minute {
				return result{}
			}
			return result{class: ClassTimeout}
		}
		b.ask = func(context.Context) result {
			out.mu.Lock()
			defer out.mu.Unlock()
			atB = append(atB, time.Since(began))
			return result{}
		}
		b.Hurry() // before Run: the first look is at once, then each 5 min
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Run(ctx) //nolint:errcheck // nil
		go b.Run(ctx) //nolint:errcheck // nil
		time.Sleep(21 * time.Minute)
		synctest.Wait()
		out.mu.Lock()
		defer out.mu.Unlock()
		// a fails at 20m15s and again 15 s later, when b was asked just before.
		want := []time.Duration{0, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 20*time.Minute + longestStart/2}
		if !slices.Equal(atB, want) {
			t.Errorf("b was asked at %v, want %v", atB, want)
		}
	})
}

// TestOurNetworkIsDown: what this board's own network says is not laid at the
// application's door.
func TestOurNetworkIsDown(t *testing.T) {
	for _, err := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN} {
		class := classify(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)})
		if class != ClassUnreachable || causeOf(class) != CauseNetwork {
			t.Errorf("%v: class %s, cause %q", err, class, causeOf(class))
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"name":      {Name: "E Bansos", URL: "https://h/"},
		"no URL":    {Name: "a"},
		"scheme":    {Name: "a", URL: "ftp://h/"},
		"no host":   {Name: "a", URL: "https:///x"},
		"user":      {Name: "a", URL: "https://u:p@h/"},
		"status":    {Name: "a", URL: "https://h/", ExpectStatus: "2xy"},
		"status, 2": {Name: "a", URL: "https://h/", ExpectStatus: "200,,201"},
	} {
		if _, err := New(cfg, slog.New(slog.DiscardHandler), &said{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
