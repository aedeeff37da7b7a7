package kiosk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A kiosk whose loops run answers; one whose lamps' loop hangs does not.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &Kiosk{panel: &panel{calls: make(chan chan struct{})}}
		b := &button{cfg: Button{Name: "road"}, calls: make(chan chan struct{})}
		k.buttons = []*button{b}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { close(<-b.calls) }()
		go func() { close(<-k.panel.calls) }()
		if err := k.Answers(ctx); err != nil {
			t.Error(err)
		}
		go func() { close(<-b.calls) }()
		if err := k.Answers(ctx); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "lamps: context deadline exceeded" {
			t.Errorf("lamps that hang: %v", err)
		}
	})
}
