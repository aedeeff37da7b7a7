package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/pulse"
)

// hanging is a part that answers, until it is told to end; then it takes a while.
type hanging struct{ p pulse.Pulse }

func (h hanging) Pulses() []pulse.Named { return []pulse.Named{{Name: "x", Pulse: h.p}} }

// TestCrew: a unit that ends is waited for, is asked no more, and its silence is
// no fault; one that fails ends the crew.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		h := hanging{pulse.New()}
		ended, said := false, ""
		slow := &unit{name: "slow", beats: []beating{h}, end: func() { ended = true }, parts: []part{{"slow", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			said += "slow "
			return nil
		}}}}
		c.start(t.Context(), slow)
		checks := c.checks()
		if len(checks) != 1 {
			t.Fatalf("%d checks", len(checks))
		}
		asked := make(chan error, 1)
		go func() { asked <- checks[0].Run(t.Context()) }()
		synctest.Wait()
		c.stop([]string{"slow", "nobody"})
		if !ended || said != "slow " || len(c.checks()) != 0 {
			t.Errorf("ended %v, said %q, %d checks", ended, said, len(c.checks()))
		}
		if err := <-asked; err != nil {
			t.Errorf("asked while it ended: %v", err)
		}
		broken := errors.New("broken")
		c.start(t.Context(), &unit{name: "bad", parts: []part{{"bad", func(context.Context) error { return broken }}}})
		if err := c.run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("the crew ended with %v", err)
		}
		c.start(t.Context(), &unit{name: "early", parts: []part{{"early", func(context.Context) error { return nil }}}})
		if err := c.run(t.Context()); err == nil {
			t.Error("a part that ends by itself is no fault")
		}
	})
}
