package kiosk

import (
	"context"
	"fmt"
)

// Answers asks the loop of each button and of the lamps, and returns when all
// have answered: a kiosk that hangs does not. It fails when ctx ends first, and
// may be called while Run runs.
func (k *Kiosk) Answers(ctx context.Context) error {
	for _, b := range k.buttons {
		if err := ask(ctx, b.calls); err != nil {
			return fmt.Errorf("button %s: %w", b.cfg.Name, err)
		}
	}
	if err := ask(ctx, k.panel.calls); err != nil {
		return fmt.Errorf("lamps: %w", err)
	}
	return nil
}

func ask(ctx context.Context, loop chan<- chan struct{}) error {
	answer := make(chan struct{})
	select {
	case loop <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
