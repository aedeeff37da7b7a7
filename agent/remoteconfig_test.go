package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/command"
	"kentongan/agent/config"
	"kentongan/agent/report"
)

// trialRig is a device's configuration through restarts, without the agent's loops.
type trialRig struct {
	t        *testing.T
	file     string
	key      string
	restarts int
	a        *Agent
}

func (g *trialRig) text(level, device string) string {
	return fmt.Sprintf("device: %s\ndata: %s\nuplink:\n  brokers: [{url: \"mqtt://127.0.0.1\"}]\n  centre_key: %s\nlog: {level: %s}\n", device, filepath.Join(filepath.Dir(g.file), "data"), g.key, level)
}

func newTrialRig(t *testing.T) *trialRig {
	t.Helper()
	dir := t.TempDir()
	_, key := noteKey(t)
	g := &trialRig{t: t, file: filepath.Join(dir, "kentongan.yaml"), key: key}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.file, []byte(g.text("info", "kiosk-7")), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start()
	return g
}

// start is what a start of the program does with the configuration.
func (g *trialRig) start() {
	g.t.Helper()
	own, err := config.Load(g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	cfg, err := Ordered(own)
	if err != nil {
		g.t.Fatal(err)
	}
	if g.a, err = New(cfg, Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
		g.t.Fatal(err)
	}
	g.a.openKeys()
	g.a.ordered = &orderedConfig{agent: g.a, restart: func() { g.restarts++ }}
	if g.a.orders, err = command.New(command.Config{Device: "kiosk-7", Now: func() (time.Time, report.Clock) { return time.Now(), report.ClockSynced }}, slog.New(slog.DiscardHandler)); err != nil {
		g.t.Fatal(err)
	}
}

// pass lets d of uptime pass, as far as the trial sees.
func (g *trialRig) pass(d time.Duration) {
	g.t.Helper()
	o, err := loadOrdered(g.a.cfg.Data)
	if err != nil {
		g.t.Fatal(err)
	}
	if o.Trial != nil {
		o.Trial.Since -= d
		if err := o.save(g.a.cfg.Data); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *trialRig) look() {
	g.t.Helper()
	if _, err := g.a.ordered.look(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *trialRig) want(level, state string) {
	g.t.Helper()
	if got := g.a.cfg.Log.Level; got != level {
		g.t.Errorf("the configuration's level is %s, want %s", got, level)
	}
	got, detail, ok := g.a.ordered.Tried("a1")
	if state == "" && ok || state != "" && got != state {
		g.t.Errorf("the order is %q (%s), want %q", got, detail, state)
	}
}

func TestOrderedConfigIsTaken(t *testing.T) {
	g := newTrialRig(t)
	if err := g.a.ordered.Try("a1", 1, []byte(g.text("debug", "kiosk-7"))); err != nil {
		t.Fatal(err)
	}
	if g.restarts != 1 {
		t.Errorf("%d restarts", g.restarts)
	}
	g.start()
	g.look()
	g.want("debug", "")
	g.a.reached.Store(true)
	g.look()
	g.want("debug", report.CommandSucceeded)
	g.start() // for good
	g.want("debug", report.CommandSucceeded)
	if err := g.a.ordered.Try("a2", 1, []byte(g.text("warn", "kiosk-7"))); !errors.As(err, new(command.BadArguments)) {
		t.Errorf("the same version again: %v", err)
	}
}

func TestOrderedConfigGoesBack(t *testing.T) {
	tests := map[string]func(g *trialRig){
		"the centre is not reached": func(g *trialRig) {
			g.pass(trialFor - 10*time.Second)
			g.look()
			g.want("debug", "")
			g.pass(20 * time.Second)
			g.look()
		},
		"power cuts, each boot counts anew": func(g *trialRig) {
			for range 3 {
				o, err := loadOrdered(g.a.cfg.Data)
				if err != nil {
					g.t.Fatal(err)
				}
				o.Trial.Boot, o.Trial.Since = "another", 0
				if err := o.save(g.a.cfg.Data); err != nil {
					g.t.Fatal(err)
				}
				g.start()
				g.look()
				g.pass(trialFor - 10*time.Second)
				g.look()
				g.want("debug", "")
			}
			g.pass(20 * time.Second)
			g.look()
		},
		"it can't be started with": func(g *trialRig) {
			for range trialStarts {
				g.start()
			}
		},
		"the file is changed by hand": func(g *trialRig) {
			if err := os.WriteFile(g.file, []byte("# mine\n"+g.text("info", "kiosk-7")), 0o600); err != nil {
				g.t.Fatal(err)
			}
		},
	}
	for name, during := range tests {
		t.Run(name, func(t *testing.T) {
			g := newTrialRig(t)
			if err := g.a.ordered.Try("a1", 1, []byte(g.text("debug", "kiosk-7"))); err != nil {
				t.Fatal(err)
			}
			g.start()
			during(g)
			g.start()
			g.want("info", report.CommandFailed)
			// Back is not the end: the next version is tried.
			if err := g.a.ordered.Try("a3", 2, []byte(g.text("warn", "kiosk-7"))); err != nil {
				t.Error(err)
			}
		})
	}
}

// To go back is to what was there before the trial, not to the first one.
func TestOrderedConfigGoesBackToTheLastGood(t *testing.T) {
	g := newTrialRig(t)
	for i, level := range []string{"debug", "warn"} {
		if err := g.a.ordered.Try("a1", uint64(i+1), []byte(g.text(level, "kiosk-7"))); err != nil {
			t.Fatal(err)
		}
		g.start()
		if level == "debug" {
			g.a.reached.Store(true)
		} else {
			g.pass(trialFor)
		}
		g.look()
		g.start()
	}
	g.want("debug", report.CommandFailed)
}

func TestOrderedConfigIsChecked(t *testing.T) {
	g := newTrialRig(t)
	_, other := noteKey(t)
	for name, text := range map[string]string{
		"not valid":       strings.Replace(g.text("info", "kiosk-7"), "level: info", "level: loud", 1),
		"not YAML":        "device: [",
		"another device":  g.text("info", "kiosk-8"),
		"another place":   strings.Replace(g.text("info", "kiosk-7"), "/data\n", "/elsewhere\n", 1),
		"another centre":  strings.Replace(g.text("info", "kiosk-7"), g.key, other, 1),
		"a file not here": strings.Replace(g.text("info", "kiosk-7"), `{url: "mqtt://127.0.0.1"}`, `{url: "mqtts://127.0.0.1", ca: nowhere.pem}`, 1),
	} {
		err := g.a.ordered.Try("a1", 1, []byte(text))
		if !errors.As(err, new(command.BadArguments)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := g.a.ordered.Try("a1", 1, []byte(strings.Replace(g.text("info", "kiosk-7"), "level: info", "level: loud", 1))); err == nil || !strings.Contains(err.Error(), "log.level") {
		t.Errorf("the field is not named: %v", err)
	}
	if g.restarts != 0 {
		t.Error("it was restarted for one of them")
	}
	g.start()
	g.want("info", report.CommandFailed)
}
