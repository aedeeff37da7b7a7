package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/hal"
)

// oneLED is a board with nothing but an LED, which takes its time to be given back.
type oneLED struct {
	noBoard
	hal.Output
	lit, early atomic.Bool // taken and not given back; so when it was closed
}

func (b *oneLED) Name() string { return "one LED" }

func (b *oneLED) OpenOutput(hal.LineConfig) (hal.Output, error) { return b, nil }

func (b *oneLED) Out(gpio.Level) error { b.lit.Store(true); return nil }

func (b *oneLED) Halt() error {
	<-time.After(100 * time.Millisecond)
	b.lit.Store(false)
	return nil
}

func (b *oneLED) String() string { return "LED" }

// Close notes whether the board went away under somebody.
func (b *oneLED) Close() error { b.early.Store(b.lit.Load()); return nil }

// TestLEDIsGivenBack: an agent that ends while its LED blinks leaves it dark, before
// the board is closed.
func TestLEDIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse(dir+"/k.yaml", []byte(liveHead))
	if err != nil {
		t.Fatal(err)
	}
	board := &oneLED{}
	started := make(chan struct{})
	a, err := New(cfg, Options{Version: "test", Log: slog.New(slog.NewTextHandler(&startLog{started: started}, nil)),
		Bench: Bench{Board: func() (hal.Board, error) { return board, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	if _, err := (blinker{a}).Identify(time.Hour); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if board.early.Load() {
		t.Error("the board was closed while the LED blinked")
	}
}
