package pulse

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// loop does one step after another until it is told to end, and closes ended.
func loop(p Pulse, steps <-chan func(), ended chan<- struct{}) {
	defer close(ended)
	for {
		select {
		case beat := <-p:
			beat()
		case step, ok := <-steps:
			if !ok {
				return
			}
			step()
		}
	}
}

func TestAsk(t *testing.T) {
	hour := func() { time.Sleep(time.Hour) }
	for name, tt := range map[string]struct {
		step    func(p Pulse)
		answers bool
	}{
		"idle":                 {func(Pulse) {}, true},
		"hangs":                {func(Pulse) { hour() }, false},
		"waits outside":        {func(p Pulse) { p.While(2*time.Hour, hour) }, true},
		"waits for too long":   {func(p Pulse) { p.While(time.Second, hour) }, false},
		"is back from outside": {func(p Pulse) { p.While(time.Minute, func() { time.Sleep(time.Second) }) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, steps, ended := New(), make(chan func()), make(chan struct{})
				go loop(p, steps, ended)
				steps <- func() { tt.step(p) }
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := p.Ask(ctx); (err == nil) != tt.answers {
					t.Errorf("answer %v, want one: %v", err, tt.answers)
				}
				close(steps)
				<-ended
			})
		})
	}
}

// Who asks a loop that hangs in the question itself is not held up by it.
func TestDoThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, steps, ended := New(), make(chan func()), make(chan struct{})
		go loop(p, steps, ended)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Do(ctx, func() { time.Sleep(time.Hour) }); err == nil {
			t.Error("done before it was")
		}
		close(steps)
		<-ended
	})
}
