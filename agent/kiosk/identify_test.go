package kiosk

import (
	"strings"
	"testing"
	"time"
)

// TestIdentifyGoesOn: what the kiosk is told while its lamps blink (a receipt, a
// press, a fault) does not end it; its time does.
func TestIdentifyGoesOn(t *testing.T) {
	in(t, config(), func(b *booth) {
		blinks := func(during time.Duration) (saved int) {
			was := strings.Contains(b.lamps(), "S")
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if is := strings.Contains(b.lamps(), "S"); is != was {
					saved, was = saved+1, is
				}
			}
			return saved
		}
		if !b.kiosk.Identify(time.Minute) {
			t.Fatal("no lamps")
		}
		if n := blinks(2 * time.Second); n < 4 {
			t.Errorf("%d changes in 2 s", n)
		}
		b.kiosk.Acked(0)
		b.press("GPIO17")
		b.kiosk.Acked(1)
		time.Sleep(10 * time.Second) // it is lit for the press first
		if n := blinks(2 * time.Second); n < 4 {
			t.Errorf("%d changes in 2 s, after a press and its receipt", n)
		}
		time.Sleep(time.Minute)
		if n := blinks(5 * time.Second); n > 0 {
			t.Errorf("%d changes after its time", n)
		}
	})
}
