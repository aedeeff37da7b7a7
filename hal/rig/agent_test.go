package rig

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// full tells whether all boards and cuts are wanted: make rig.
func full() bool { return os.Getenv("KENTONGAN_RIG_FULL") != "" }

// TestWholeAgent runs the agent as it is shipped on a kernel for ARM, with a
// disk, a network, a button and a lamp that are moved and seen from outside, and
// follows a press to the centre.
func TestWholeAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	for _, b := range Boards {
		if b.Name != "arm64" && !full() {
			continue // make rig
		}
		t.Run(b.Name, func(t *testing.T) {
			s := newSite(t, b)
			if st, err := os.Stat(s.program); err == nil {
				t.Logf("binary of %s: %.2f MiB", b.Name, float64(st.Size())/(1<<20))
			}
			r := s.boot()
			r.firstPress()
			r.lampAfterSync()
			r.pressReachesTheCentre()
			r.clockOf1970()
			r.memory()
			r.hungAgent()
		})
	}
}

// firstPress presses again and again from power on, as somebody in front of a
// dark kiosk would.
func (r *running) firstPress() {
	r.t.Helper()
	for end := time.Now().Add(slow); len(r.confirmed()) == 0; {
		if time.Now().After(end) {
			r.t.Fatalf("no press was kept in %v", slow)
		}
		if err := r.click(40 * time.Millisecond); err != nil {
			r.t.Fatal(err)
		}
	}
	r.t.Logf("first durable press %v after power on", time.Since(r.began).Round(10*time.Millisecond))
}

// lampAfterSync holds the disk's flush back: the lamp stays dark as long.
func (r *running) lampAfterSync() {
	r.t.Helper()
	r.until("the lamp goes out", slow, func() bool { return !r.lamp() })
	before := len(r.confirmed())
	release := r.disk.Hold()
	if err := r.click(100 * time.Millisecond); err != nil {
		r.t.Fatal(err)
	}
	const dark = 3 * time.Second
	for end := time.Now().Add(dark); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if r.lamp() || len(r.confirmed()) != before {
			release()
			r.t.Fatal("the press was confirmed before the disk had flushed it")
		}
	}
	released := time.Now()
	release()
	r.until("the lamp lights", quick, r.lamp)
	r.t.Logf("lamp dark for %v while the flush was held, on %v after it", dark, time.Since(released).Round(time.Millisecond))
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
	r.t.Logf("ticket %s: kept %v after the press, at the centre %v after it", ticket, kept.Sub(pressed).Round(time.Millisecond), time.Since(pressed).Round(time.Millisecond))
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
		}
	}
}

// hungAgent stops the agent, as if it hung. Nobody feeds the watchdog then, and
// the board is reset, which ends the emulator.
func (r *running) hungAgent() {
	r.t.Helper()
	r.says("watchdog runs", quick)
	stopped := time.Now()
	if err := r.Type("stop"); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.over:
		r.t.Logf("the watchdog reset the board %v after the agent hung (timeout 10 s)", time.Since(stopped).Round(100*time.Millisecond))
	case <-time.After(slow):
		r.t.Error("the watchdog did not reset the board")
	}
}

// TestPowerCuts cuts the power while the button is pressed and the disk writes,
// again and again, mostly without a network, so that what was confirmed is on
// the disk alone. It is at the centre once in the end, and nothing twice.
// KENTONGAN_RIG_CUTS is how often, KENTONGAN_RIG_SEED makes them others.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	cuts, seed := number("KENTONGAN_RIG_CUTS", 3), number("KENTONGAN_RIG_SEED", 1)
	s := newSite(t, Boards[0])
	confirmed := s.cuts(cuts, rand.New(rand.NewPCG(uint64(seed), 7)))
	r := s.boot()
	r.firstPress()
	confirmed = append(confirmed, r.confirmed()...)
	var all []complaint
	r.until("the centre has all that was confirmed", slow, func() bool {
		all = s.complaints()
		return len(missing(confirmed, all)) == 0
	})
	_, lost := s.disk.Counts()
	t.Logf("%d cuts, seed %d: %d presses confirmed, %d complaints at the centre, %d pages lost that were not flushed", cuts, seed, len(confirmed), len(all), lost)
	if len(confirmed) < cuts || cuts >= 10 && lost == 0 {
		t.Errorf("%d presses confirmed and %d pages lost prove nothing", len(confirmed), lost)
	}
	tickets := map[string]int{}
	for _, c := range all {
		if tickets[c.Ticket]++; tickets[c.Ticket] > 1 {
			t.Errorf("the centre has ticket %s %d times", c.Ticket, tickets[c.Ticket])
		}
	}
	slices.Sort(confirmed)
	if n := len(slices.Compact(slices.Clone(confirmed))); n != len(confirmed) {
		t.Errorf("%d tickets were confirmed twice", len(confirmed)-n)
	}
	var problems struct {
		Problems []any `json:"problems"`
	}
	if s.get("/api/v1/problems", &problems); len(problems.Problems) > 0 {
		t.Errorf("the centre has problems: %v", problems.Problems)
	}
}

// cuts boots, presses and cuts, and returns the tickets that were confirmed.
func (s *site) cuts(n int, chance *rand.Rand) (confirmed []string) {
	s.t.Helper()
	for i := range n {
		r := s.boot()
		online := i%5 == 4
		if err := r.Link(online); err != nil {
			s.t.Fatal(err)
		}
		r.firstPress()
		r.pressUntil(s.disk.CutIn(1+chance.IntN(100), chance))
		r.cut(chance)
		confirmed = append(confirmed, r.confirmed()...)
		s.t.Logf("cut %d (online %v): %d presses confirmed in it, %d in all", i+1, online, len(r.confirmed()), len(confirmed))
	}
	return confirmed
}

// pressUntil presses until the disk is dark.
func (r *running) pressUntil(dark <-chan struct{}) {
	r.t.Helper()
	for end := time.Now().Add(slow); ; {
		select {
		case <-dark:
			return
		default:
		}
		if time.Now().After(end) {
			r.t.Fatal("the disk was not written any more")
		}
		if err := r.click(20 * time.Millisecond); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The cuts must find a disk that lies, or they find nothing.
func TestPowerCutsFindALie(t *testing.T) {
	if !full() {
		t.Skip("make rig")
	}
	s := newSite(t, Boards[0])
	r := s.boot() // the file system and the spool are made on an honest disk
	r.firstPress()
	if err := r.Type("end"); err != nil {
		t.Fatal(err)
	}
	<-r.over
	s.disk.Lie()
	confirmed := s.cuts(1, rand.New(rand.NewPCG(1, 7)))
	s.boot() // and the presses that are still there go to the centre
	var lost []string
	for end := time.Now().Add(quick); time.Now().Before(end); time.Sleep(time.Second) {
		if lost = missing(confirmed, s.complaints()); len(lost) == 0 {
			break
		}
	}
	t.Logf("%d of %d confirmed presses are gone on a disk that lies", len(lost), len(confirmed))
	if len(lost) == 0 {
		t.Error("a disk that lies lost nothing")
	}
}

func missing(confirmed []string, at []complaint) (all []string) {
	for _, ticket := range confirmed {
		if !slices.ContainsFunc(at, func(c complaint) bool { return c.Ticket == ticket }) {
			all = append(all, ticket)
		}
	}
	return all
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return otherwise
}
