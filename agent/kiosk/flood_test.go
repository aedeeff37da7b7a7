package kiosk

import (
	"testing"
	"time"
)

// A short circuit that presses once a second, day and night, cannot fill the
// lane: 32 MiB hold some 8,000 records.
func TestFloodForADay(t *testing.T) {
	in(t, config(), func(b *booth) {
		const presses = 24 * 60 * 60
		for range presses {
			b.set("GPIO17", true)
			time.Sleep(100 * ms)
			b.set("GPIO17", false)
			time.Sleep(900 * ms)
		}
		b.wantStates("road flood")
		b.wantLamps("F", "a button whose presses are only counted for minutes can't be trusted")
		b.press("GPIO18")
		b.wantLamps("SF", "the other one works")
		time.Sleep(2 * maxCooldown)
		b.wantStates("road flood", "road ok")
		sum := 0
		for _, n := range b.store.counts() {
			sum += n
		}
		if records := len(b.store.counts()); sum != presses+1 || records > 180 {
			t.Errorf("%d presses in %d records, want %d in 180 at most", sum, records, presses+1)
		}
		b.press("GPIO17")
		time.Sleep(2 * DefaultCooldown)
		b.press("GPIO17")
		if got := b.store.counts(); got[len(got)-1] != 1 {
			t.Error("after a pause the cool-down is still long")
		}
	})
}
