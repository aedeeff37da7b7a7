package kiosk

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A store that is slow is seen to work within 100 ms, and never looks like one
// that has taken the press.
func TestSlowStoreIsSeenToWork(t *testing.T) {
	tests := map[string]struct {
		delay time.Duration
		want  []time.Duration // on, off, on, ... of the lamp saved, in 12 s
	}{
		"quick":   {workingAfter - ms, []time.Duration{5 * time.Second}},
		"a while": {time.Second, append(slices.Repeat([]time.Duration{200 * ms}, 4), 120*ms+5*time.Second)},
		"slow":    {10 * time.Second, slices.Repeat([]time.Duration{200 * ms}, 23)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, config(), func(b *booth) {
				b.store.set(nil, tt.delay)
				var working, unkept bool
				got := b.played("GPIO22", 11*time.Second, func() {
					b.set("GPIO17", true)
					time.Sleep(workingAfter)
					synctest.Wait()
					working = b.kiosk.Show().Working
					b.set("GPIO17", false)
					time.Sleep(slowAfter)
					synctest.Wait()
					unkept = b.kiosk.Show().Unkept
				})
				if tt.delay > slowAfter { // its last step is cut off by slowAfter, and the lamp is on when it is kept
					got = got[:len(tt.want)]
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("the lamp changes after %v, want %v", got, tt.want)
				}
				if want := tt.delay > workingAfter; working != want {
					t.Errorf("shown at work: %v, want %v", working, want)
				}
				if want := tt.delay > slowAfter; unkept != want {
					t.Errorf("shown as not kept: %v, want %v", unkept, want)
				}
				if b.kiosk.Show().Working {
					t.Error("still shown at work")
				}
				b.wantCounts(1)
			})
		})
	}
}

// One that refuses in the end was at work, and then was not.
func TestWorkThatWasRefused(t *testing.T) {
	in(t, config(), func(b *booth) {
		b.store.set(errDisk, time.Second)
		b.set("GPIO17", true)
		time.Sleep(500 * ms)
		if s := b.kiosk.Show(); !s.Working || s.Unkept {
			t.Errorf("half-way: %+v", s)
		}
		time.Sleep(550 * ms)
		synctest.Wait()
		if s := b.kiosk.Show(); s.Working || !s.Unkept {
			t.Errorf("refused: %+v", s)
		}
		b.wantLamps("F", "refused")
	})
}
