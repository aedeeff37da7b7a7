package rig

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestPowerCuts cuts the power while the button is pressed and the disk writes,
// again and again, mostly without a network, so that what was confirmed is on
// the disk alone. It is at the centre once in the end, and nothing twice.
// KENTONGAN_RIG_CUTS is how often, KENTONGAN_RIG_SEED makes them others.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	for _, b := range boards() {
		t.Run(b.Name, func(t *testing.T) { powerCuts(t, b) })
	}
}

func powerCuts(t *testing.T, b Board) {
	cuts, seed := number("KENTONGAN_RIG_CUTS", 3), number("KENTONGAN_RIG_SEED", 1)
	s := newSite(t, b)
	s.whole = false // lostEdges stops the agent for longer than a watchdog bears
	s.ready()
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
	figures.add(b.Name, "first durable press after power on, in the cuts", "%s", spread(s.firsts))
	figures.add(b.Name, fmt.Sprintf("power cuts (seed %d)", seed), "%d", cuts)
	figures.add(b.Name, "presses confirmed in them", "%d", len(confirmed))
	figures.add(b.Name, "of these at the centre once; twice; lost", "%d; 0; 0", len(confirmed))
	figures.add(b.Name, "complaints at the centre in all", "%d", len(all))
	figures.add(b.Name, "pages that the cuts took, not flushed", "%d", lost)
	r.lostEdges()
}

// cuts boots, presses and cuts, and returns the tickets that were confirmed.
func (s *site) cuts(n int, chance *rand.Rand) (confirmed []string) {
	s.t.Helper()
	began := time.Now()
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
		left := time.Since(began) / time.Duration(i+1) * time.Duration(n-i-1)
		progress(s.t, "%s: cut %d of %d (online %v): %d presses confirmed in it, %d in all; the other cuts take some %v", s.board.Name, i+1, n, online, len(r.confirmed()), len(confirmed), left.Round(time.Second))
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
		check(r.t, "pressing until the power is cut")
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
		t.Skip("only in the full form: make rig")
	}
	s := newSite(t, Boards[0])
	s.ready()
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
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if lost = missing(confirmed, s.complaints()); len(lost) == 0 {
			break
		}
	}
	progress(t, "%d of %d confirmed presses are gone on a disk that lies", len(lost), len(confirmed))
	figures.add(Boards[0].Name, "confirmed presses that a disk whose flushes do nothing lost in one cut", "%d of %d", len(lost), len(confirmed))
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
