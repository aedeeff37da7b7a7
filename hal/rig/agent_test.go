package rig

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// full tells whether all boards and cuts are wanted: make rig.
func full() bool { return os.Getenv("KENTONGAN_RIG_FULL") != "" }

// boards are those that a run is for: the second takes as long as the first,
// and most of what it could find, TestEmulatedMachine does.
func boards() []Board {
	if full() {
		return Boards
	}
	return Boards[:1]
}

// TestWholeAgent runs the agent as it is shipped on a kernel for ARM, with a
// disk, a network, a button and a lamp that are moved and seen from outside, and
// follows a press to the centre.
func TestWholeAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	for _, b := range boards() {
		t.Run(b.Name, func(t *testing.T) {
			s := newSite(t, b)
			s.reboots = true
			s.ready()
			if st, err := os.Stat(s.program); err == nil {
				t.Logf("binary of %s: %.2f MiB", b.Name, float64(st.Size())/(1<<20))
				figures.add(b.Name, "binary", "%.2f MiB", float64(st.Size())/(1<<20))
			}
			s.warm(41.25)
			r := s.boot()
			for _, step := range []struct {
				name string
				do   func()
			}{
				{"first press", r.firstPress},
				{"lamp after sync", r.lampAfterSync},
				{"lines that can't be had", r.badLines},
				{"a press reaches the centre", r.pressReachesTheCentre},
				{"clock of 1970", r.clockOf1970},
				{"memory", r.memory},
				{"sensor", r.sensor},
				{"killed agent", r.killedAgent},
				{"hung agent", r.hungAgent},
			} {
				progress(t, "%s: %s", b.Name, step.name)
				step.do()
			}
		})
	}
}

// firstPress presses again and again from power on, as somebody in front of a
// dark kiosk would.
func (r *running) firstPress() {
	r.t.Helper()
	for end := time.Now().Add(slow); len(r.confirmed()) == 0; {
		check(r.t, "pressing from power on")
		if time.Now().After(end) {
			r.t.Fatalf("no press was kept in %v", slow)
		}
		if err := r.click(40 * time.Millisecond); err != nil {
			r.t.Fatal(err)
		}
	}
	took := time.Since(r.began)
	r.site.firsts = append(r.site.firsts, took)
	r.t.Logf("first durable press %v after power on", took.Round(10*time.Millisecond))
}

// lampAfterSync holds the disk's flush back: as long, the lamp blinks, which is at
// work, and is never steady, which is saved.
func (r *running) lampAfterSync() {
	r.t.Helper()
	r.until("the lamp of the presses before lights", quick, r.lamp)
	var last time.Time // it was lit, be it in a blink
	r.until("the lamp goes out", slow, func() bool {
		if r.lamp() {
			last = time.Now()
		}
		return time.Since(last) > time.Second
	})
	before := len(r.confirmed())
	release := sync.OnceFunc(r.disk.Hold())
	defer release() // or the disk would not end
	if err := r.click(100 * time.Millisecond); err != nil {
		r.t.Fatal(err)
	}
	const (
		hold   = 4 * time.Second // less than a kiosk bears before it says that it has not saved
		steady = 2 * time.Second // a blink is 200 ms
		beats  = 4               // changes of the line alive, of which a second of the board has as many; one that stands still has none
	)
	blinks, lit := 0, time.Time{}
	alive, changes := false, 0   // since the lamp is lit
	end := time.Now().Add(quick) // a board that stands still blinks late; the hold counts from then on
	for ; time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		check(r.t, "looking at the lamp")
		level, err := r.Level(aliveLine)
		if err != nil {
			r.t.Fatal(err)
		}
		if level != alive {
			alive = level
			changes++
		}
		switch on := r.lamp(); {
		case !on:
			lit = time.Time{}
		case lit.IsZero():
			lit, changes = time.Now(), 0
			if blinks++; blinks == 1 {
				end = lit.Add(hold)
			}
		}
		if len(r.confirmed()) != before || !lit.IsZero() && time.Since(lit) > steady && changes > beats {
			r.t.Fatal("the press was confirmed before the disk had flushed it")
		}
	}
	released := time.Now()
	release()
	if blinks == 0 {
		r.t.Error("nothing was seen while the flush was held")
	}
	r.until("the lamp is steady", slow, func() bool {
		switch on := r.lamp(); {
		case !on:
			lit = time.Time{}
		case lit.IsZero():
			lit = time.Now()
		}
		return !lit.IsZero() && time.Since(lit) > steady && len(r.confirmed()) > before
	})
	after := max(0, lit.Sub(released)).Round(time.Millisecond)
	r.t.Logf("%d blinks and no confirmation for %v while the flush was held, steady %v after it", blinks, hold, after)
	figures.add(r.board.Name, "lamp while the flush was held for 4 s; steady after it", "blinks; %v", after)
}

func (r *running) lamp() bool {
	r.t.Helper()
	on, err := r.Level(lampLine)
	if err != nil {
		r.t.Fatal(err)
	}
	return on
}

// pressReachesTheCentre pushes the board's own button, through the machine
// protocol.
func (r *running) pressReachesTheCentre() {
	r.t.Helper()
	before := len(r.confirmed())
	pressed := time.Now()
	if err := r.Press(); err != nil {
		r.t.Fatal(err)
	}
	r.until("the press is kept", quick, func() bool { return len(r.confirmed()) > before })
	kept, ticket := time.Now(), r.confirmed()[before]
	r.until("the centre has ticket "+ticket, slow, func() bool { return r.count(ticket) == 1 })
	toKept, toCentre := kept.Sub(pressed).Round(time.Millisecond), time.Since(pressed).Round(time.Millisecond)
	r.t.Logf("ticket %s: kept %v after the press, at the centre %v after it", ticket, toKept, toCentre)
	figures.add(r.board.Name, "press of the board's button to kept; to the centre", "%v; %v", toKept, toCentre)
}

// count is how often the centre has a ticket.
func (r *running) count(ticket string) (n int) {
	r.t.Helper()
	for _, c := range r.complaints() {
		if c.Ticket == ticket {
			n++
		}
	}
	return n
}

// clockOf1970 sees the presses so far stamped in 1970, sets the clock, and sees
// the centre know better.
func (r *running) clockOf1970() {
	r.t.Helper()
	first := r.confirmed()[0]
	when := func() complaint {
		for _, c := range r.complaints() {
			if c.Ticket == first {
				return c
			}
		}
		return complaint{}
	}
	r.until("the centre has the first press", slow, func() bool { return when().Ticket != "" })
	if c := when(); c.Clock != "unset" || c.Time.Year() != 1970 {
		r.t.Errorf("the first press is of %v, clock %s; want 1970, unset", c.Time, c.Clock)
	}
	if err := r.Type(fmt.Sprintf("clock %d", time.Now().Unix())); err != nil {
		r.t.Fatal(err)
	}
	r.until("the centre corrects the first press", slow, func() bool { return when().Clock == "corrected" })
	// The emulated clock runs a little beside the host's on a busy computer.
	if off := when().Time.Sub(r.began); off < -time.Minute || off > slow+time.Minute {
		r.t.Errorf("the corrected time is %v after power on", off)
	}
	if err := r.click(100 * time.Millisecond); err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("a press of 1970 was corrected to %v, power on was at %v", when().Time.Format(time.TimeOnly), r.began.UTC().Format(time.TimeOnly))
}

func (r *running) memory() {
	r.t.Helper()
	if err := r.Type("memory"); err != nil {
		r.t.Fatal(err)
	}
	r.says("memory told", quick)
	for line := range strings.Lines(r.text()) {
		if strings.Contains(line, "INIT Vm") || strings.Contains(line, "INIT Rss") {
			r.t.Log(strings.TrimSpace(line))
			if kind, size, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "INIT "), ": "); ok {
				figures.add(r.board.Name, "memory of the agent, "+kind, "%s", size)
			}
		}
	}
}
