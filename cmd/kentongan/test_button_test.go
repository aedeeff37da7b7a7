package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/hal/sim"
)

// presser is a technician: they read what is shown and press.
type presser struct {
	said strings.Builder
	do   map[string]func() // when this is shown, once
}

func (p *presser) Write(text []byte) (int, error) {
	p.said.Write(text)
	for want, do := range p.do {
		if strings.Contains(p.said.String(), want) {
			delete(p.do, want)
			go do()
		}
	}
	return len(text), nil
}

// The whole of `test button` with a board that somebody else plays: it ends by
// itself once each button was pressed and let go, says which line is which, and
// writes no escape codes where there is no terminal.
func TestButtonsAreTested(t *testing.T) {
	dir := t.TempDir()
	board, err := sim.Open(sim.Options{Socket: filepath.Join(dir, "board.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	file := filepath.Join(dir, "k.yaml")
	text := `device: kiosk-7
data: data
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:9"}]}
board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons:
    - {name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}
    - {name: water, line: GPIO27, service_code: x, category: y, label: {id: a, en: b}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(line string, active bool) func() { return func() { _ = board.Set(line, active) } }
	out, bad := &presser{do: map[string]func(){
		"GPIO27 = water: open":     set("GPIO17", true),
		"GPIO17 = road: pressed":   set("GPIO17", false),
		"GPIO17 = road: let go":    set("GPIO27", true),
		"GPIO27 = water: pressed":  set("GPIO27", false),
		"GPIO27 = water: let go (": func() {},
	}}, &strings.Builder{}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	status := runTest(ctx, env{strings.NewReader(""), out, bad}, []string{"button", "--config", file, "--lang", "en"})
	if status != exitGood || bad.Len() > 0 {
		t.Fatalf("status %d, standard error %q\n%s", status, bad.String(), out.said.String())
	}
	for _, want := range []string{"✓ road (GPIO17): good\n", "✓ water (GPIO27): good\n"} {
		if !strings.Contains(out.said.String(), want) {
			t.Errorf("no %q in\n%s", want, out.said.String())
		}
	}
	if strings.Contains(out.said.String(), "\x1b") {
		t.Errorf("escape codes for who has no terminal: %q", out.said.String())
	}
}

// Ctrl-C says what came so far: one button was held down and never let go.
func TestButtonsHeldAtCtrlC(t *testing.T) {
	dir := t.TempDir()
	board, err := sim.Open(sim.Options{Socket: filepath.Join(dir, "board.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	if err := board.Set("GPIO17", true); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "k.yaml")
	if err := os.WriteFile(file, []byte("device: kiosk-7\ndata: data\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:9\"}]}\nboard: {driver: sim, socket: board.sock}\nlines: [{name: door, kind: door, line: GPIO17}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	out, bad := &presser{do: map[string]func(){"TERTEKAN sejak awal": cancel}}, &strings.Builder{}
	status := runTest(ctx, env{strings.NewReader(""), out, bad}, []string{"button", "--config", file, "--lang", "id"})
	if status != exitFailed || bad.Len() > 0 || !strings.Contains(out.said.String(), "✗ door (GPIO17): tertekan terus") {
		t.Errorf("status %d, standard error %q\n%s", status, bad.String(), out.said.String())
	}
}
