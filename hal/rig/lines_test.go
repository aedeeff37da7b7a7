package rig

import (
	"slices"
	"strings"

	"kentongan/agent/report"
)

// Lines that the site's configuration has besides the button and the lamps.
const (
	doorLine  = 2  // is there, and asks for no debouncing
	busyLine  = 5  // agentinit has it, as "modem reset"
	noLine    = 99 // of a chip of eight
	otherChip = "20200000.gpio"
)

// lineEvents are the faults of a line as the centre has them, the oldest first.
func (s *site) lineEvents(line string) []report.LineState {
	s.t.Helper()
	all := records[report.LineState](s, report.Event, report.KindLine)
	return slices.DeleteFunc(all, func(l report.LineState) bool { return l.Line != line })
}

// badLines looks for the three lines that this board's chip can't give. The
// presses before and after show that the rest runs.
func (r *running) badLines() {
	r.t.Helper()
	for line, want := range map[string]struct {
		state string
		says  []string
	}{
		"mains":  {"busy", []string{`line 5 is used by "modem reset"`, "chip gpiochip0 [9030000.pl061] with lines 0"}},
		"tamper": {"missing", []string{`line "99"`, "chip gpiochip0 [9030000.pl061] with lines 0", "7"}},
		"water":  {"missing", []string{otherChip, "no such chip; there is chip gpiochip0 [9030000.pl061]", `5 (used by "modem reset")`}},
	} {
		var events []report.LineState
		r.until("the centre has an event of line "+line, slow, func() bool {
			events = r.lineEvents(line)
			return len(events) > 0
		})
		e := events[0]
		r.t.Logf("at the centre: line %s is %s: %s", e.Line, e.State, e.Detail)
		if e.State != want.state {
			r.t.Errorf("line %s is %s, want %s", line, e.State, want.state)
		}
		for _, part := range want.says {
			if !strings.Contains(e.Detail, part) {
				r.t.Errorf("the event of line %s has no %q", line, part)
			}
		}
	}
}

// lostEdges changes a line more often than the kernel keeps edges, while the
// agent is stopped: what is missing is counted from the kernel's numbers, and
// told. (That the count is right to the last edge, package haltest shows.)
func (r *running) lostEdges() {
	r.t.Helper()
	const kept = 1024
	if err := r.Type("stop"); err != nil {
		r.t.Fatal(err)
	}
	r.says(`INIT order "stop": done`, quick) // no order to stop came before
	const moves = kept + 500
	if err := r.Toggle(doorLine, moves); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Type("go"); err != nil {
		r.t.Fatal(err)
	}
	var lost report.LineState
	r.until("the centre has an event of lost edges", slow, func() bool {
		for _, e := range r.lineEvents("door") {
			if e.State == "lost" {
				lost = e
			}
		}
		return lost.Count > 0
	})
	// Two moves can be one edge when the computer is busy, so there may be fewer.
	r.t.Logf("%d changes of a line that nobody read: the event says that %d edges were lost (%s)", moves, lost.Count, lost.Detail)
	if lost.Count > moves-kept {
		r.t.Errorf("%d edges lost of %d, of which %d were kept", lost.Count, moves, kept)
	}
	figures.add(r.board.Name, "changes of a line while the agent was stopped; edges that the event calls lost (1,024 are kept)", "%d; %d", moves, lost.Count)
}
