package kiosk

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
	"kentongan/hal/sim"
)

// BenchmarkPress measures from the edge to the lamp with a store that costs
// nothing: what the kiosk itself takes of the 100 ms.
func BenchmarkPress(b *testing.B) {
	board, err := sim.Open(sim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer board.Close()
	cfg := config()
	cfg.Cooldown = time.Nanosecond
	cfg.Debounce = time.Nanosecond
	k, err := New(cfg, watched{board, make(chan bool, 1)}, &memory{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	lit := k.board.(watched).lit
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	for k.Status().Fault {
		time.Sleep(time.Millisecond) // until it has opened its lines
	}
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if err := board.Set("GPIO17", true); err != nil {
			b.Fatal(err)
		}
		<-lit
		took = append(took, time.Since(began))
		if err := board.Set("GPIO17", false); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// watched tells when the lamp Saved is lit, also when it was.
type watched struct {
	*sim.Board
	lit chan bool
}

func (w watched) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	o, err := w.Board.OpenOutput(c)
	if c.Name == "saved" {
		o = watchedLamp{o, w.lit}
	}
	return o, err
}

type watchedLamp struct {
	hal.Output
	lit chan bool
}

func (w watchedLamp) Out(l gpio.Level) error {
	err := w.Output.Out(l)
	if l == gpio.High {
		w.lit <- true
	}
	return err
}
