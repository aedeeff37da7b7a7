package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/watchdog"
	"kentongan/broker-config/brokertest"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// deaf listens, takes connections and never answers one: a broker, a camera or
// an application that is as slow as can be.
func deaf(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	done := make(chan struct{})
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { <-done; _ = c.Close() })
		}
	})
	t.Cleanup(func() { close(done); _ = l.Close(); conns.Wait() })
	return l.Addr().String()
}

// startDeaf starts an agent with one of every loop, none of which gets an answer
// from outside.
func startDeaf(t *testing.T) (a *Agent, socket string) {
	t.Helper()
	dir, addr := t.TempDir(), deaf(t)
	_, key, err := note.GenerateKey(nil, "centre")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(filepath.Join(dir, "x.yaml"), fmt.Appendf(nil, `device: kiosk-7
data: data
uplink: {brokers: [{url: 'mqtt://%s'}], centre_key: "%s"}
spool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}
board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
  printer: {device: /dev/null/lp0}
  screen: {listen: '%s'}
sensors: [{name: cabinet, driver: sht3x, every: 6s}]
lines: [{name: door, kind: door, line: GPIO6}, {name: roof, kind: water, line: GPIO99}]
streams: [{name: gate, url: 'rtsp://%s/'}]
apps: [{name: bansos, url: 'http://%s/', label: {id: a, en: b}}]
`, addr, key, brokertest.FreeAddress(t), addr, addr))
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	a, err = New(cfg, Options{Version: "test", Log: slog.New(slog.NewTextHandler(&startLog{started: started}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-started:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return a, filepath.Join(dir, "board.sock")
}

// starving keeps what a guard does not feed for.
type starving struct {
	mu  sync.Mutex // guards why
	why string
}

func (s *starving) WatchdogChanged(w report.WatchdogState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.State == "starving" {
		s.why += w.Detail + "; "
	}
}

func (s *starving) read() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// guarded runs a watchdog over the checks until act is done, and tells how often
// it was not fed in time.
func guarded(t *testing.T, checks func() []watchdog.Check, timeout time.Duration, act func(*sim.Board, *starving)) (resets int) {
	t.Helper()
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	out := &starving{}
	g := watchdog.New(watchdog.Config{WatchdogConfig: hal.WatchdogConfig{Timeout: timeout}, Checks: checks}, board, out, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	act(board, out)
	resets = board.Watchdog().Resets
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return resets
}

// Each loop of a running agent hangs in turn, and the feeding stops because of it.
func TestWatchdogFindsEachLoopThatHangs(t *testing.T) {
	t.Parallel()
	a, _ := startDeaf(t)
	var names []string
	pulses := a.pulses()
	for _, u := range a.crew.all() {
		for _, b := range u.beats {
			pulses = append(pulses, b.Pulses()...)
		}
	}
	for _, p := range pulses {
		names = append(names, p.Name)
		hangs, release, hung := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() { hung <- p.Do(t.Context(), func() { close(hangs); <-release }) }()
		<-hangs
		guarded(t, a.checks(), time.Second, func(b *sim.Board, out *starving) {
			await(t, func() bool {
				return b.Watchdog().Resets == 1 && strings.Contains(out.read(), p.Name+" does not answer")
			})
		})
		close(release)
		if err := <-hung; err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	want := "journal, uplink, alarms, orders, configuration, config, enrol, checkpoint, printer, button road, lamps, kiosk events, sensor cabinet, line door, line roof, stream gate, picture gate, application bansos"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
	// The page for citizens is asked over the wire, and borne for a while: see TestAnswers there.
	if !slices.ContainsFunc(a.checks()(), func(c watchdog.Check) bool { return c.Name == "screen" && c.Patience == screenPatience }) {
		t.Error("the screen is not asked")
	}
}

// A broker, a camera and an application that take a connection and never answer, a
// bus that hangs and a line that is not there are nothing that a reset mends.
func TestWatchdogIsFedWhateverIsOutside(t *testing.T) {
	t.Parallel()
	a, socket := startDeaf(t)
	await(t, func() bool { return order(t, socket, `{"op":"sensor","sensor":"cabinet","problem":"hung"}`) })
	resets := 0
	for range 3 { // a busy machine or disk may hold a loop up for 4 s, but not each time
		resets = guarded(t, a.checks(), 4*time.Second, func(_ *sim.Board, out *starving) {
			// Longer than one read of the sensor and one session with the camera: a
			// loop that waited for them would miss four rounds in a row.
			<-time.After(14 * time.Second)
			if why := out.read(); why != "" {
				t.Log(why)
			}
		})
		if resets == 0 {
			return
		}
	}
	t.Errorf("%d resets", resets)
}
