package kiosk

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// played returns how a line changes from now on, as the times between changes.
func (b *booth) played(line string, during time.Duration, do func()) (steps []time.Duration) {
	b.t.Helper()
	changes, _, stop := b.board.Watch()
	defer stop()
	done := make(chan struct{})
	var last time.Time
	go func() {
		defer close(done)
		for c := range changes {
			if c.Line != line {
				continue
			}
			if !last.IsZero() {
				steps = append(steps, time.Since(last))
			}
			last = time.Now()
		}
	}()
	do()
	time.Sleep(during)
	synctest.Wait()
	stop()
	<-done
	return steps
}

func signalling() Config {
	cfg := cancellable()
	cfg.Lamps.Alive, cfg.Lamps.Buzzer = line("alive", "GPIO25"), line("buzzer", "GPIO26")
	return cfg
}

// Each signal has a pattern of its own, on its lamp and on the buzzer.
func TestPatterns(t *testing.T) {
	on := func(n int, d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, 2*n-1) }
	tests := map[string]struct {
		line string
		do   func(*booth)
		want []time.Duration // on, off, on, ...
	}{
		"saved, lamp":       {"GPIO22", func(b *booth) { b.press("GPIO17") }, []time.Duration{5 * time.Second}},
		"saved, sound":      {"GPIO26", func(b *booth) { b.press("GPIO17") }, []time.Duration{150 * ms}},
		"received, lamp":    {"GPIO23", func(b *booth) { b.kiosk.Acked(9); b.press("GPIO17") }, append(on(2, 200*ms), 200*ms, 9200*ms)},
		"unkept, lamp":      {"GPIO24", func(b *booth) { b.store.set(errDisk, 0); b.press("GPIO17") }, append(on(10, 200*ms), 200*ms)},
		"unkept, sound":     {"GPIO26", func(b *booth) { b.store.set(errDisk, 0); b.press("GPIO17") }, []time.Duration{time.Second}},
		"nothing to cancel": {"GPIO26", func(b *booth) { b.press("GPIO19") }, []time.Duration{30 * ms}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, signalling(), func(b *booth) {
				got := b.played(tt.line, 20*time.Second, func() { tt.do(b) })
				if !slices.Equal(got, tt.want) {
					t.Errorf("%v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestSoundOfReceipt(t *testing.T) {
	in(t, signalling(), func(b *booth) {
		b.press("GPIO17")
		time.Sleep(time.Second)
		if got := b.played("GPIO26", time.Second, func() { b.kiosk.Acked(1) }); len(got) != 3 {
			t.Errorf("the buzzer sounds %v, want two beeps", got)
		}
		if got := b.played("GPIO26", time.Second, func() { b.press("GPIO19") }); len(got) != 5 {
			t.Errorf("the buzzer sounds %v for a cancel, want three beeps", got)
		}
	})
}

// No pattern flashes more than three times in any second (WCAG 2.2, 2.3.1).
func TestNoFlashThatHarms(t *testing.T) {
	for name, steps := range map[string][]time.Duration{"received": playReceived, "unkept": playUnkept, "taken back": playTaken, "alive": slices.Repeat(beat, 3), "working": slices.Repeat(playWorking, 4)} {
		for from := range steps {
			flashes, sum := 0, time.Duration(0)
			for i := from; i < len(steps) && sum < time.Second; i++ {
				if i%2 == 0 {
					flashes++
				}
				sum += steps[i]
			}
			if flashes > 3 {
				t.Errorf("%s flashes %d times in a second", name, flashes)
			}
		}
	}
}

// The circuit behind the line Alive lights the red lamp when the changes stop.
func TestAliveChangesOnlyWhileAPressWouldBeKept(t *testing.T) {
	in(t, signalling(), func(b *booth) {
		if got := b.played("GPIO25", 3*time.Second, func() {}); len(got) < 11 || slices.Max(got) > 250*ms {
			t.Errorf("changes after %v", got)
		}
		b.store.set(errDisk, 0)
		b.press("GPIO17")
		if got := b.played("GPIO25", 3*time.Second, func() {}); len(got) > 0 {
			t.Errorf("out of service, and changes after %v", got)
		}
		b.store.set(nil, 0)
		time.Sleep(retryEvery)
		if got := b.played("GPIO25", 3*time.Second, func() {}); len(got) < 11 {
			t.Errorf("in service again, and changes after %v", got)
		}
	})
}

// A line that nobody drives is pulled up by the lamp's own resistor. The red
// lamp lights when its wire is low and the driver inverts: so it shows red when
// the agent is dead, whoever killed it.
func TestRedShowsWhenTheAgentIsKilled(t *testing.T) {
	in(t, redWired(), func(b *booth) {
		if b.red(t) {
			t.Error("red while in service")
		}
		b.press("GPIO17")
		if b.red(t) {
			t.Error("red after a press that was kept")
		}
		// The kernel gives back the lines of a process that was killed; none of
		// the kiosk's own code runs.
		if err := b.output("fault").Output.Halt(); err != nil {
			t.Fatal(err)
		}
		if !b.red(t) {
			t.Error("the agent is dead and red does not show")
		}
	})
}

func redWired() Config {
	cfg := config()
	cfg.Lamps.Fault = line("fault", "GPIO24") // not active low
	return cfg
}

// red is the lamp behind docs/images/red-lamp.svg: it is lit unless the board
// drives its line low.
func (b *booth) red(t *testing.T) bool {
	t.Helper()
	synctest.Wait()
	for _, l := range b.board.Lines() {
		if l.Line == "GPIO24" {
			return !l.Out || l.Active
		}
	}
	t.Fatal("no line GPIO24")
	return false
}
