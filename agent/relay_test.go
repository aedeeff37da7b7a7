package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// TestRelay cuts the power of a simulated board's line for as long as it
// should, and gives it back when the agent ends meanwhile.
func TestRelay(t *testing.T) {
	for name, stop := range map[string]time.Duration{"whole": time.Hour, "the agent ends": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				board, err := sim.Open(sim.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer board.Close()
				r := &relay{board: board, line: hal.LineConfig{Name: "gate power", Line: "GPIO5"}, off: 10 * time.Second}
				ctx, cancel := context.WithTimeout(t.Context(), stop)
				defer cancel()
				done := make(chan error, 1)
				began := time.Now()
				go func() { done <- r.Cycle(ctx) }()
				synctest.Wait()
				if on, err := board.Level("GPIO5"); err != nil || !on {
					t.Fatalf("the line is active: %v, %v", on, err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if on, err := board.Level("GPIO5"); err != nil || on {
					t.Errorf("afterwards the line is active: %v, %v", on, err)
				}
				if took, want := time.Since(began), min(stop, 10*time.Second); took != want {
					t.Errorf("off for %v, want %v", took, want)
				}
			})
		})
	}
}

// TestRelayAfterAKill: the power that a killed agent left cut is there again as
// soon as the next one has read its configuration.
func TestRelayAfterAKill(t *testing.T) {
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	line := hal.LineConfig{Name: "gate power", Line: "GPIO5"}
	left, err := board.OpenOutput(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(left.Out(gpio.High), left.Halt()); err != nil { // as most chips leave it
		t.Fatal(err)
	}
	if cut, err := board.Level("GPIO5"); err != nil || !cut {
		t.Fatalf("the line is active: %v, %v", cut, err)
	}
	a := &Agent{cfg: &config.Config{Data: t.TempDir()}, o: Options{Log: slog.New(slog.DiscardHandler)}, board: board, clock: &clock{}}
	c := config.Stream{Name: "gate", URL: "rtsp://127.0.0.1:1/", Watch: config.WatchMain, Recovery: config.Recovery{Power: config.Relay{Line: "GPIO5", Off: time.Second}}}
	if _, err := a.streamConfigs(a.cfg, c); err != nil {
		t.Fatal(err)
	}
	if cut, err := board.Level("GPIO5"); err != nil || cut {
		t.Errorf("the power is still cut: %v, %v", cut, err)
	}
}

func TestRelayWithoutALine(t *testing.T) {
	r := &relay{board: noBoard{}, line: hal.LineConfig{Name: "gate power", Line: "GPIO5"}, off: time.Second}
	if err := r.Cycle(t.Context()); err == nil || !strings.Contains(err.Error(), "GPIO5") {
		t.Errorf("error %v, want the line's", err)
	}
}

// TestPowerCycleIsAnEvent goes from the configuration to the relay and the
// event lane: a camera that hangs up on everybody has its power cut, once, and
// the agent that is started again does not do it once more.
func TestPowerCycleIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		cfg := &config.Config{Device: "kiosk-7", Data: t.TempDir(), StatsEvery: 10 * time.Second}
		c := config.Stream{Name: "gate", URL: "rtsp://127.0.0.1:1/", Watch: config.WatchMain,
			Recovery: config.Recovery{Power: config.Relay{Line: "GPIO5", Off: 10 * time.Second}, After: time.Minute, Every: 6 * time.Hour}}
		var events []string
		run := func(d time.Duration) {
			k := &disk{}
			a := &Agent{cfg: cfg, o: Options{Log: log}, board: board, clock: &clock{boot: "one"}, journal: newJournal("kiosk-7", k, k, log)}
			all, err := a.streamConfigs(a.cfg, c)
			if err != nil {
				t.Fatal(err)
			}
			all[0].Site = stream.NewSite()
			all[0].Transport = stream.TransportTCP
			w, err := stream.New(all[0], log, a.journal)
			if err != nil {
				t.Fatal(err)
			}
			go a.journal.run()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := w.Run(ctx); err != nil {
				t.Fatal(err)
			}
			a.journal.close()
			synctest.Wait()
			for _, did := range k.did {
				if strings.HasPrefix(did, "kept "+report.KindRecovery) {
					events = append(events, did)
				}
			}
		}
		run(30 * time.Minute)
		run(30 * time.Minute)
		want := []string{"kept recovery reconnect begun", "kept recovery power_cycle begun", "kept recovery power_cycle done", "kept recovery reconnect begun"}
		if !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
	})
}
