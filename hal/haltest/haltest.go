// Package haltest is the conformance test of hal's drivers: what the agent
// relies on, tried through the interfaces alone. Each driver runs it: the
// simulated board in every test run, the kernel's lines inside an emulated
// machine whose wires the test moves from outside.
package haltest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	"kentongan/hal"
)

// Bench is the driver under test and the hand that moves its wires.
type Bench struct {
	Open   func(t *testing.T) hal.Board // a new board; the test closes it
	Chip   string                       // "" where In and Out are names
	In     string                       // a line that Drive moves
	Out    string                       // another line, free to be an output
	Drive  func(line string, high bool) error
	Toggle func(line string, times int) error // changes the level so often, low at the end if times is even; returns when done
	Buffer int                                // edges that the driver keeps when nobody reads, at most
	// InRegistry tells that open lines are in periph's gpioreg.
	InRegistry bool
}

// patience is for a machine that is emulated on a busy computer.
const patience = 90 * time.Second

// Run runs all tests as subtests.
func Run(t *testing.T, b Bench) {
	tests := []struct {
		name string
		run  func(*testing.T, Bench, hal.Board)
	}{
		{"level", level},
		{"edges", edges},
		{"active low", activeLow},
		{"wait for edge", waitForEdge},
		{"halt ends edges", haltEndsEdges},
		{"close ends edges", closeEndsEdges},
		{"second open is busy", secondOpenIsBusy},
		{"missing line", missingLine},
		{"missing chip", missingChip},
		{"output", output},
		{"no reader", noReader},
		{"registry", registry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := b.Drive(b.In, false); err != nil {
				t.Fatalf("drive %s low: %v", b.In, err)
			}
			board := b.Open(t)
			t.Cleanup(func() {
				if err := board.Close(); err != nil {
					t.Errorf("close board: %v", err)
				}
			})
			tt.run(t, b, board)
		})
	}
}

func level(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	b.drive(t, true)
	b.await(t, in, true)
	if in.Read() != gpio.High {
		t.Error("Read is low, Active is true")
	}
	b.drive(t, false)
	b.await(t, in, false)
}

func edges(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	var before hal.Edge
	for n := range 10 {
		active := n%2 == 0
		b.drive(t, active)
		e := next(t, in)
		if e.Line != "button" || e.Active != active || e.Seq != uint32(n+1) {
			t.Errorf("edge %d is %+v, want line button, active %v, seq %d", n, e, active, n+1)
		}
		if e.At <= before.At {
			t.Errorf("edge %d at %v, not after the one before at %v", n, e.At, before.At)
		}
		before = e
	}
	if in.Lost() != 0 {
		t.Errorf("%d edges lost", in.Lost())
	}
}

func activeLow(t *testing.T, b Bench, board hal.Board) {
	b.drive(t, true)
	in := open(t, b, board, hal.LineConfig{ActiveLow: true, Bias: gpio.PullUp})
	b.drive(t, true)
	b.await(t, in, false)
	for len(in.Edges()) > 0 {
		<-in.Edges()
	}
	b.drive(t, false)
	for e := next(t, in); !e.Active; e = next(t, in) { // that the wire went high may have been an edge
	}
	b.await(t, in, true)
	if in.Pull() != gpio.PullUp {
		t.Errorf("pull is %v, want %v", in.Pull(), gpio.PullUp)
	}
}

func waitForEdge(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	if in.WaitForEdge(time.Millisecond) {
		t.Error("WaitForEdge saw an edge where there was none")
	}
	b.drive(t, true)
	if !in.WaitForEdge(patience) {
		t.Error("WaitForEdge saw no edge")
	}
	b.drive(t, false)
	if !in.WaitForEdge(-1) {
		t.Error("WaitForEdge(-1) did not wait for the edge")
	}
}

func haltEndsEdges(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	ends(t, in, in.Halt)
	again := open(t, b, board, hal.LineConfig{})
	b.drive(t, true)
	if e := next(t, again); e.Seq != 1 {
		t.Errorf("the first edge after opening again has seq %d", e.Seq)
	}
	if err := in.Halt(); err != nil {
		t.Errorf("second halt: %v", err)
	}
}

func closeEndsEdges(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	ends(t, in, board.Close)
	if _, err := in.Active(); err == nil {
		t.Error("Active of a closed line gave no error")
	}
	if _, err := board.OpenInput(b.line(hal.LineConfig{})); err == nil {
		t.Error("a closed board opened a line")
	}
}

// ends checks that a reader who waits is woken by closing.
func ends(t *testing.T, in hal.Input, closing func() error) {
	t.Helper()
	ended := make(chan bool)
	go func() {
		for range in.Edges() {
		}
		close(ended)
	}()
	if err := closing(); err != nil {
		t.Errorf("closing: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("Edges is still open after closing")
	}
}

func secondOpenIsBusy(t *testing.T, b Bench, board hal.Board) {
	open(t, b, board, hal.LineConfig{})
	_, err := board.OpenOutput(b.line(hal.LineConfig{Name: "lamp"}))
	e := lineError(t, err, hal.Busy)
	if !containsAll(e.Error(), "lamp", b.In, "used by", "button") {
		t.Errorf("the error does not tell what is used by whom: %v", e)
	}
}

func missingLine(t *testing.T, b Bench, board hal.Board) {
	_, err := board.OpenInput(hal.LineConfig{Name: "button", Chip: b.Chip, Line: "no-such-line"})
	e := lineError(t, err, hal.Missing)
	if !containsAll(e.Error(), "no-such-line", b.In, b.Out) {
		t.Errorf("the error does not name the lines that there are: %v", e)
	}
}

func missingChip(t *testing.T, b Bench, board hal.Board) {
	_, err := board.OpenInput(hal.LineConfig{Name: "button", Chip: "no-such-chip", Line: b.In})
	e := lineError(t, err, hal.Missing)
	if !containsAll(e.Error(), "no-such-chip", b.Chip) {
		t.Errorf("the error does not name the chips that there are: %v", e)
	}
}

func output(t *testing.T, b Bench, board hal.Board) {
	for _, low := range []bool{false, true} {
		out, err := board.OpenOutput(hal.LineConfig{Name: "lamp", Chip: b.Chip, Line: b.Out, ActiveLow: low})
		if err != nil {
			t.Fatal(err)
		}
		read := out.(interface{ Read() gpio.Level })
		if read.Read() != gpio.Low {
			t.Errorf("active low %v: the output is active before Out", low)
		}
		for _, v := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
			if err := out.Out(v); err != nil {
				t.Fatal(err)
			}
			if got := read.Read(); got != v {
				t.Errorf("active low %v: the output reads %v, was set %v", low, got, v)
			}
		}
		if err := out.Halt(); err != nil {
			t.Fatal(err)
		}
		if err := out.Out(gpio.High); err == nil {
			t.Error("Out after Halt gave no error")
		}
	}
}

// noReader makes more edges than the driver keeps. What was delivered and what
// was lost must add up, and the newest edge must not be among the lost: it says
// how the line stands. (A real wire may be too fast for the chip, so the
// driver's own numbers are the truth, and not how often the wire was moved.)
func noReader(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	made := b.Buffer + 500
	if err := b.Toggle(b.In, made); err != nil {
		t.Fatal(err)
	}
	var got uint64
	var last hal.Edge
	end := time.Now().Add(patience)
	for reading := true; reading; {
		select {
		case e := <-in.Edges():
			got++
			last = e
		case <-time.After(500 * time.Millisecond): // what is in the buffer comes at once, but on a busy computer
			reading = (got < uint64(b.Buffer) || got+in.Lost() != uint64(last.Seq)) && time.Now().Before(end)
		}
	}
	lost := in.Lost()
	t.Logf("wire moved %d times: %d edges, of which %d read, %d lost", made, last.Seq, got, lost)
	if got+lost != uint64(last.Seq) {
		t.Errorf("%d read and %d lost are not the %d that there were", got, lost, last.Seq)
	}
	if lost == 0 || got < uint64(b.Buffer) || last.Seq > uint32(made) {
		t.Errorf("that is no buffer of %d", b.Buffer)
	}
	if active, err := in.Active(); err != nil || active != last.Active {
		t.Errorf("the last edge says active %v, the line %v (%v)", last.Active, active, err)
	}
}

func registry(t *testing.T, b Bench, board hal.Board) {
	in := open(t, b, board, hal.LineConfig{})
	if found := gpioreg.ByName(in.Name()) != nil; found != b.InRegistry {
		t.Errorf("line %s in gpioreg: %v, want %v", in.Name(), found, b.InRegistry)
	}
	if err := in.Halt(); err != nil {
		t.Fatal(err)
	}
	if gpioreg.ByName(in.Name()) != nil {
		t.Errorf("line %s is still in gpioreg after Halt", in.Name())
	}
}

// line fills in where the button is.
func (b Bench) line(c hal.LineConfig) hal.LineConfig {
	c.Chip, c.Line = b.Chip, b.In
	if c.Name == "" {
		c.Name = "button"
	}
	return c
}

func open(t *testing.T, b Bench, board hal.Board, c hal.LineConfig) hal.Input {
	t.Helper()
	in, err := board.OpenInput(b.line(c))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (b Bench) drive(t *testing.T, high bool) {
	t.Helper()
	if err := b.Drive(b.In, high); err != nil {
		t.Fatalf("drive %s: %v", b.In, err)
	}
}

// await waits until the line reads as it was driven: a wire may take a moment.
func (b Bench) await(t *testing.T, in hal.Input, want bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		got, err := in.Active()
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("active is %v, want %v", got, want)
		}
		in.WaitForEdge(time.Millisecond)
	}
}

func next(t *testing.T, in hal.Input) hal.Edge {
	t.Helper()
	select {
	case e, ok := <-in.Edges():
		if !ok {
			t.Fatal("Edges was closed")
		}
		return e
	case <-time.After(patience):
		t.Fatalf("no edge in %v", patience)
	}
	return hal.Edge{}
}

func lineError(t *testing.T, err error, problem string) *hal.LineError {
	t.Helper()
	e, ok := errors.AsType[*hal.LineError](err)
	if !ok {
		t.Fatalf("error %v is no *hal.LineError", err)
	}
	if e.Problem != problem {
		t.Errorf("problem is %q, want %q: %v", e.Problem, problem, e)
	}
	t.Log(e)
	return e
}

func containsAll(s string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(s, p) })
}
