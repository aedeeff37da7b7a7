package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/kiosk"
	"kentongan/agent/kiosk/printer/printertest"
	"kentongan/agent/stream"
	"kentongan/agent/stream/streamtest"
	"kentongan/broker-config/brokertest"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// touches are what a trial of lines tells, for a test that reads them.
type touches struct {
	t    *testing.T
	said chan Touch
	over chan error
	end  context.CancelFunc
}

func follow(t *testing.T, try func(ctx context.Context, each func(Touch)) error) *touches {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	f := &touches{t: t, said: make(chan Touch, 100), over: make(chan error, 1), end: cancel}
	go func() { f.over <- try(ctx, func(x Touch) { f.said <- x }) }()
	t.Cleanup(cancel)
	return f
}

// next is the next touch, as text.
func (f *touches) next() string {
	f.t.Helper()
	select {
	case x := <-f.said:
		return strings.TrimSpace(fmt.Sprintf("%s %s=%s %v %s", x.Via, x.Line, x.Name, x.Active, x.Verdict))
	case err := <-f.over:
		f.over <- err
		f.t.Fatalf("the trial is over: %v", err)
	}
	return ""
}

func (f *touches) want(all ...string) {
	f.t.Helper()
	for _, want := range all {
		if got := f.next(); got != want {
			f.t.Fatalf("told %q, want %q", got, want)
		}
	}
}

// ends wants the trial to end in order.
func (f *touches) ends() {
	f.t.Helper()
	f.end()
	if err := <-f.over; err != nil {
		f.t.Errorf("at the end: %v", err)
	}
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("k.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const tryHead = "device: kiosk-7\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:9\"}]}\n"

// Lines that this process opens: what bounces is seen, and what stands is told once
// the debouncing time is over.
func TestTryInputsOpensTheLines(t *testing.T) {
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	all := []input{
		{hal.LineConfig{Name: "road", Line: "GPIO17", ActiveLow: true, Debounce: 5 * time.Millisecond}, "button", 0},
		{hal.LineConfig{Name: "worn", Line: "GPIO27", Debounce: time.Hour}, "button", 0}, // whatever comes, bounces
	}
	set := func(line string, active bool) {
		if err := board.Set(line, active); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, func(ctx context.Context, each func(Touch)) error {
		return tryLines(ctx, parsed(t, tryHead), board, all, each)
	})
	begin := []string{f.next(), f.next()}
	slices.Sort(begin)
	if want := []string{"line GPIO17=road false", "line GPIO27=worn false"}; !slices.Equal(begin, want) {
		t.Fatalf("begins with %q, want %q", begin, want)
	}
	set("GPIO17", true)
	f.want("line GPIO17=road true press")
	set("GPIO17", false)
	f.want("line GPIO17=road false release")
	set("GPIO27", true)
	set("GPIO27", false)
	set("GPIO27", true)
	f.want("line GPIO27=worn true bounce", "line GPIO27=worn false bounce")
	f.ends()
}

// A running agent that has the lines: its simulated board is followed, and its page
// is asked, which is how it goes on a real board.
func TestTryWhileTheAgentRuns(t *testing.T) {
	l := goLive(t, liveHead+`board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
  lamps: {saved: {line: GPIO22}}
lines: [{name: door, kind: door, line: GPIO6, debounce: 1ms}]
page: {listen: "`+brokertest.FreeAddress(t)+`"}
`)
	c := l.a.cfg
	board := l.a.board.(*sim.Board)
	set := func(line string, active bool) {
		t.Helper()
		if err := board.Set(line, active); err != nil {
			t.Fatal(err)
		}
	}

	f := follow(t, func(ctx context.Context, each func(Touch)) error { return TryInputs(ctx, c, nil, each) })
	f.want("sim GPIO6=door false", "sim GPIO17=road false")
	set("GPIO17", true)
	f.want("sim GPIO17=road true press")
	set("GPIO17", false)
	f.want("sim GPIO17=road false release")
	f.ends()

	await(t, func() bool { // the page listens once it is there
		v, err := visitPage(t.Context(), c)
		if err == nil {
			v.leave()
		}
		return err == nil
	})
	await(t, func() bool { return len(onPage{l.a}.Lines()) == 2 })
	all, err := inputs(c, []string{"road"})
	if err != nil {
		t.Fatal(err)
	}
	f = follow(t, func(ctx context.Context, each func(Touch)) error { return followPage(ctx, c, all, each) })
	f.want("agent GPIO17=road false")
	set("GPIO17", true)
	f.want("agent GPIO17=road true press")
	set("GPIO17", false)
	f.want("agent GPIO17=road false release")
	f.ends()

	if err := TryLamps(c, nil, nil); !errors.Is(err, ErrHeld) {
		t.Errorf("lamps of a running agent: %v", err)
	}
	if said, err := IdentifyByAgent(t.Context(), c); err != nil || !strings.Contains(said, "the kiosk's lamps") {
		t.Errorf("identify: %q %v", said, err)
	}
	if err := followPage(t.Context(), parsed(t, tryHead), all, nil); !errors.Is(err, ErrHeld) {
		t.Errorf("without a page: %v", err)
	}
}

// The time is the bubble's: a wire that is slower than a blink is no lamp that is broken.
func TestTryLamps(t *testing.T) { synctest.Test(t, tryLampsOfABoard) }

func tryLampsOfABoard(t *testing.T) {
	began := time.Now()
	board, err := sim.Open(sim.Options{Now: func() time.Duration { return time.Since(began) }})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	changes, _, stop := board.Watch()
	defer stop()
	lit := make(chan string, 100)
	go func() {
		for c := range changes {
			if !c.Out {
				continue
			}
			if c.Line == "GPIO22" { // its current is seen on the sense line; GPIO23's wire is cut
				_ = board.Set("GPIO5", c.Active)
			}
			if c.Active {
				lit <- c.Line
			}
		}
	}()
	c := parsed(t, tryHead+"board: {driver: sim, socket: board.sock}\nkiosk: {number: 7, buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}], lamps: {saved: {line: GPIO22, sense: GPIO5}, received: {line: GPIO23, sense: GPIO6}, fault: {line: GPIO24}}}\n")
	k := kioskConfig(c.Kiosk)
	var said []string
	err = tryLamps(board, []*kiosk.Lamp{k.Lamps.Saved, k.Lamps.Received, k.Lamps.Fault}, func(l *TriedLamp) error {
		seen, err := l.Blink(t.Context(), 1)
		if seen == nil {
			said = append(said, l.Name+" not sensed")
		} else {
			said = append(said, fmt.Sprint(l.Name, " ", *seen))
		}
		return err
	})
	if want := []string{"saved true", "received false", "fault not sensed"}; err != nil || !slices.Equal(said, want) {
		t.Errorf("%q %v, want %q", said, err, want)
	}
	for _, want := range []string{"GPIO22", "GPIO23", "GPIO24"} {
		if got := <-lit; got != want {
			t.Errorf("%s was lit, want %s", got, want)
		}
	}
	if _, err := pickNamed([]string{"saved"}, []string{"savd"}, "lamp", strings.Clone); err == nil || !strings.Contains(err.Error(), `no lamp "savd" in the configuration; there is saved`) {
		t.Errorf("a wrong name: %v", err)
	}
}

// What the agent holds is told apart from what is wrong.
func TestHeldByAgent(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"ours":       {&hal.LineError{Problem: hal.Busy, Detail: `GPIO17 is used by "kentongan road"`}, true},
		"a stranger": {&hal.LineError{Problem: hal.Busy, Detail: `GPIO17 is used by "uart0"`}, false},
		"missing":    {&hal.LineError{Problem: hal.Missing}, false},
		"none":       {nil, false},
	} {
		if got := heldByAgent(tt.err); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTryStream(t *testing.T) {
	camera := startTestCamera(t, streamtest.Options{}, h264Video, 10)
	c := parsed(t, tryHead+"streams: [{name: gate, url: \""+camera.URL()+"\"}]\n")
	err := TryStream(t.Context(), c, "", func(ctx context.Context, w *stream.Watcher) {
		await(t, func() bool {
			s := w.Status()
			return s.State.State == stream.StatePlaying && s.Measure.Short.Keyframes > 0 && s.Measure.Codec == stream.H264 && s.Measure.Size.Width == 1920
		})
	})
	if err != nil {
		t.Error(err)
	}
	if err := TryStream(t.Context(), c, "gte", nil); err == nil || !strings.Contains(err.Error(), `no camera "gte" in the configuration; there is gate`) {
		t.Errorf("a wrong name: %v", err)
	}
}

func TestTryPrinter(t *testing.T) {
	p, err := printertest.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := parsed(t, tryHead+"board: {driver: sim, socket: board.sock}\nkiosk: {number: 7, buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}], printer: {device: "+p.Path+"}}\n")
	s, err := TryPrinter(c)
	if err != nil || s.State != "ok" {
		t.Fatalf("%+v %v", s, err)
	}
	await(t, func() bool { return len(p.Slips()) == 1 })
	if slip := string(p.Slips()[0]); !strings.Contains(slip, "bukan pengaduan") || !strings.Contains(slip, "not a complaint") {
		t.Errorf("printed %q", slip)
	}
	p.Paper(false)
	if s, err := TryPrinter(c); err == nil || s.State != "paper_out" {
		t.Errorf("without paper: %+v %v", s, err)
	}
	if n := len(p.Slips()); n != 1 {
		t.Errorf("%d slips without paper", n)
	}
	if _, err := TryPrinter(parsed(t, tryHead)); err == nil || !strings.Contains(err.Error(), "no printer in the configuration") {
		t.Errorf("none configured: %v", err)
	}
}

// The simulated board's watchdog bites who does not feed it, and is stopped by who
// gives up in time.
func TestTryWatchdog(t *testing.T) {
	c := parsed(t, tryHead+"board: {driver: sim, socket: board.sock}\nwatchdog: {device: /dev/watchdog0, timeout: 10s}\n")
	ctx, cancel := context.WithCancel(t.Context())
	if err := TryWatchdog(ctx, c, func(time.Duration) { cancel() }); err != nil {
		t.Errorf("stopped: %v", err)
	}
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	dog, err := board.OpenWatchdog(hal.WatchdogConfig{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	if err := starve(t.Context(), dog, func() bool { return board.Watchdog().Resets == 1 }, func(time.Duration) { told++ }); err != nil || told == 0 {
		t.Errorf("starved: %v, told %d times", err, told)
	}
	if f, err := WatchdogFacts(c); err != nil || f.Identity != sim.WatchdogName {
		t.Errorf("facts %+v %v", f, err)
	}
}

// The broker's checks alone, on a real broker with its rules, and with a rule taken
// away.
func TestTryBroker(t *testing.T) {
	b := newBench(t)
	s := newSite(t, b, "try broker")
	s.o.limit, s.o.Only = patience, BrokerChecks
	var ids []string
	s.doctor(t).Run(t.Context(), func(f doctor.Finding) {
		ids = append(ids, f.Check)
		if f.State == doctor.Fail {
			t.Errorf("%s: %s", f.Check, f.Seen.EN)
		}
	})
	if !slices.Equal(ids, BrokerChecks) {
		t.Errorf("checks %q, want %q", ids, BrokerChecks)
	}
}
