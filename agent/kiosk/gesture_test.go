package kiosk

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// step is a change of a button at a time; held is the timer that next asked for.
type step struct {
	what string // pressed, released, held
	at   time.Duration
}

func TestGesture(t *testing.T) {
	tests := map[string]struct {
		hold, long time.Duration
		steps      []step
		want       []meaning
	}{
		"plain":                    {0, 0, []step{{"pressed", 0}, {"released", 90 * ms}}, []meaning{short, nothing}},
		"held long enough":         {500 * ms, 0, []step{{"pressed", 0}, {"held", 500 * ms}, {"released", 900 * ms}}, []meaning{nothing, short, nothing}},
		"brushed":                  {500 * ms, 0, []step{{"pressed", 0}, {"released", 499 * ms}}, []meaning{nothing, brush}},
		"released as it counts":    {500 * ms, 0, []step{{"pressed", 0}, {"released", 500 * ms}}, []meaning{nothing, short}},
		"short beside long":        {0, 2000 * ms, []step{{"pressed", 0}, {"released", 1999 * ms}}, []meaning{nothing, short}},
		"long":                     {0, 2000 * ms, []step{{"pressed", 0}, {"held", 2000 * ms}, {"released", 2500 * ms}}, []meaning{nothing, long, nothing}},
		"hold and long: brushed":   {300 * ms, 2000 * ms, []step{{"pressed", 0}, {"released", 100 * ms}}, []meaning{nothing, brush}},
		"hold and long: short":     {300 * ms, 2000 * ms, []step{{"pressed", 0}, {"released", 400 * ms}}, []meaning{nothing, short}},
		"hold and long: long":      {300 * ms, 2000 * ms, []step{{"pressed", 0}, {"held", 2000 * ms}}, []meaning{nothing, long}},
		"release was lost":         {500 * ms, 0, []step{{"pressed", 0}, {"pressed", 300 * ms}, {"released", 400 * ms}}, []meaning{nothing, short, brush}},
		"release was lost, late":   {500 * ms, 0, []step{{"pressed", 0}, {"held", 500 * ms}, {"pressed", 900 * ms}}, []meaning{nothing, short, nothing}},
		"released from the boot":   {500 * ms, 0, []step{{"released", 100 * ms}}, []meaning{nothing}},
		"held after it was let go": {500 * ms, 0, []step{{"pressed", 0}, {"released", 100 * ms}, {"held", 500 * ms}}, []meaning{nothing, brush, nothing}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := gesture{hold: tt.hold, long: tt.long}
			var got []meaning
			for _, s := range tt.steps {
				switch s.what {
				case "pressed":
					got = append(got, g.pressed(s.at))
				case "released":
					got = append(got, g.released(s.at))
				case "held":
					got = append(got, g.held())
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// gestures is a kiosk whose road asks to be held and whose water means aid when
// it is held longer.
func gestures() Config {
	cfg := config()
	cfg.Buttons[0].Hold = 500 * ms
	cfg.Buttons[1].Long, cfg.Buttons[1].LongAfter = "aid", 2*time.Second
	cfg.Buttons = append(cfg.Buttons, Button{Name: "aid", ServiceCode: "bansos"})
	return cfg
}

func TestHoldAndLongPress(t *testing.T) {
	bounce := func(b *booth, line string, active bool) {
		for _, a := range []bool{active, !active, active} {
			b.set(line, a)
			time.Sleep(2 * ms)
		}
	}
	tests := map[string]struct {
		line string
		held time.Duration
		want []string // of the records
	}{
		"brushed":     {"GPIO17", 200 * ms, nil},
		"held":        {"GPIO17", 700 * ms, []string{"road"}},
		"short":       {"GPIO18", 700 * ms, []string{"water"}},
		"long":        {"GPIO18", 2500 * ms, []string{"aid"}},
		"a tap":       {"GPIO18", 5 * ms, []string{"water"}},
		"almost held": {"GPIO17", 490 * ms, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, gestures(), func(b *booth) {
				bounce(b, tt.line, true)
				time.Sleep(tt.held)
				bounce(b, tt.line, false)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got := b.store.buttons(); !slices.Equal(got, tt.want) {
					t.Errorf("records of %v, want %v", got, tt.want)
				}
				var brushes uint64
				for _, s := range b.kiosk.Status().Buttons {
					brushes += s.Brushes
				}
				if want := tt.want == nil; (brushes == 1) != want {
					t.Errorf("%d touches are counted as too short", brushes)
				}
			})
		})
	}
}

// A long press is confirmed while the finger is still there.
func TestLongPressIsConfirmedWhenItCounts(t *testing.T) {
	in(t, gestures(), func(b *booth) {
		b.set("GPIO18", true)
		time.Sleep(1999 * ms)
		b.wantLamps("", "before it counts")
		time.Sleep(2 * ms)
		b.wantLamps("S", "when it counts")
	})
}

// A touch whose end is never seen is a press.
func TestTouchCutOffByTheEnd(t *testing.T) {
	in(t, gestures(), func(b *booth) {
		b.set("GPIO18", true)
		time.Sleep(100 * ms)
		b.stop()
		b.wantCounts(1)
	})
}

func pairs() Config {
	cfg := config()
	cfg.Buttons = append(cfg.Buttons, Button{Name: "aid", ServiceCode: "bansos"})
	cfg.Pairs = []Pair{{First: "road", Second: "water", Means: "aid", Within: 80 * ms}}
	return cfg
}

func TestCombination(t *testing.T) {
	type press struct {
		line string
		at   time.Duration
	}
	tests := map[string]struct {
		presses []press
		want    []string
	}{
		"one alone":            {[]press{{"GPIO17", 0}}, []string{"road"}},
		"together":             {[]press{{"GPIO17", 0}, {"GPIO18", 40 * ms}}, []string{"aid"}},
		"the other way round":  {[]press{{"GPIO18", 0}, {"GPIO17", 80 * ms}}, []string{"aid"}},
		"one after the other":  {[]press{{"GPIO17", 0}, {"GPIO18", 300 * ms}}, []string{"road", "water"}},
		"just too late":        {[]press{{"GPIO17", 0}, {"GPIO18", 81 * ms}}, []string{"road", "water"}},
		"together, then again": {[]press{{"GPIO17", 0}, {"GPIO18", 40 * ms}, {"GPIO17", 5000 * ms}}, []string{"aid", "road"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, pairs(), func(b *booth) {
				began := time.Now()
				for _, p := range tt.presses {
					time.Sleep(p.at - time.Since(began))
					if err := b.board.Pulse(p.line, 60*ms); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got := b.store.buttons(); !slices.Equal(got, tt.want) {
					t.Errorf("records of %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// The other button has the edge and has not got to it when the first one's time is
// over: a busy board must not make two complaints of a combination, nor lose a
// press to a button that hangs.
func TestCombinationOnABusyBoard(t *testing.T) {
	for name, tt := range map[string]struct {
		hangs time.Duration
		want  []string
	}{
		"late":  {200 * ms, []string{"aid"}},
		"hangs": {3 * time.Second, []string{"road", "water"}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, pairs(), func(b *booth) {
				busy := make(chan error, 1)
				go func() {
					busy <- b.kiosk.find("water").pulse.Do(b.t.Context(), func() { time.Sleep(tt.hangs) })
				}()
				time.Sleep(10 * ms)
				for _, line := range []string{"GPIO17", "GPIO18"} {
					if err := b.board.Pulse(line, 60*ms); err != nil {
						t.Fatal(err)
					}
					time.Sleep(40 * ms)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if err := <-busy; err != nil {
					t.Fatal(err)
				}
				if got := b.store.buttons(); !slices.Equal(got, tt.want) {
					t.Errorf("records of %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Two presses of one button so quickly that the first has not been decided are
// both counted.
func TestChordCountsBothOfOneButton(t *testing.T) {
	a, other, target := &button{}, &button{}, &button{}
	c := newChord(a, other, target, 80*ms)
	if v := c.press(a, 0); v != wait {
		t.Errorf("the first: %v", v)
	}
	if v := c.press(a, 40*ms); v != twice {
		t.Errorf("the second: %v", v)
	}
	if !c.alone(a) || c.alone(a) {
		t.Error("the second is not taken once")
	}
	if v := c.press(other, 60*ms); v != wait {
		t.Errorf("the other's: %v", v)
	}
}

func TestPressOfACombinationAtTheEnd(t *testing.T) {
	in(t, pairs(), func(b *booth) {
		b.set("GPIO17", true)
		b.stop() // within the 80 ms
		b.wantCounts(1)
	})
}

func TestTouch(t *testing.T) {
	in(t, config(), func(b *booth) {
		first, err := b.kiosk.Touch(b.t.Context(), "road")
		if err != nil || first.Ticket == "" || first.Label.ID != "Jalan rusak" {
			t.Fatalf("touch: %+v, %v", first, err)
		}
		b.wantLamps("S", "after a touch")
		began := time.Now()
		second, err := b.kiosk.Touch(b.t.Context(), "road")
		if err != nil || second.Ticket == first.Ticket || time.Since(began) != DefaultCooldown {
			t.Errorf("a touch in the cool-down: %+v, %v after %v, want a ticket of its own after it", second, err, time.Since(began))
		}
		b.press("GPIO17") // the button and the screen are one
		third, err := b.kiosk.Touch(b.t.Context(), "road")
		if err != nil || third.Presses != 2 {
			t.Errorf("touch beside a press: %+v, %v, want both in one record", third, err)
		}
		b.wantCounts(1, 1, 2)
		if _, err := b.kiosk.Touch(b.t.Context(), "moon"); err == nil {
			t.Error("a button that is not there was touched")
		}
	})
}

// A touch waits no longer than its caller, and still counts.
func TestTouchWhileTheStoreFails(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(errDisk, 0)
		ctx, cancel := withTimeout(b.t, 3*time.Second)
		defer cancel()
		if _, err := b.kiosk.Touch(ctx, "road"); err == nil {
			t.Error("a touch was confirmed that was not kept")
		}
		if s := b.kiosk.Show(); !s.Unkept || !s.Out {
			t.Errorf("shown: %+v", s)
		}
		b.store.set(nil, 0)
		time.Sleep(retryEvery)
		b.wantCounts(1)
		if s := b.kiosk.Show(); s.Unkept || s.Out {
			t.Errorf("shown after the store recovered: %+v", s)
		}
	})
}
