package main

import (
	"slices"
	"time"

	"kentongan/agent/stream/picture"
)

// event is what a Judge said, in seconds from the beginning of a clip.
type event struct {
	picture.Verdict
	At float64
}

// result is what came out for one clip.
type result struct {
	clip   *clip
	events []event
	peers  peers
}

// judge shows a clip to a new Judge. Half of the clips have a clock that was
// never set.
func (c *clip) judge(d *decoded) result {
	j := picture.New(picture.Config{})
	hint := picture.Hint{ClockSet: c.Seed%2 == 0}
	base := time.Unix(0, 0)
	if hint.ClockSet {
		base = time.Date(2026, 3, 1, int(c.Seed/2%24), 0, 0, 0, time.UTC)
	}
	r := result{clip: c, peers: d.Peers}
	next := 0
	for look := range c.looks() {
		at := float64(look * lookEvery)
		now := base.Add(time.Duration(look*lookEvery) * time.Second)
		var said []picture.Verdict
		if next < len(d.Looks) && d.Looks[next] <= look {
			hint.Errors = d.Errors[look]
			said = j.Add(now, &d.Frames[next], hint)
			next++
		} else {
			said = j.Failed(now, "no picture came out of it")
		}
		for _, v := range said {
			r.events = append(r.events, event{v, at})
		}
	}
	return r
}

// row is how one verdict did over a set.
type row struct {
	condition            string
	faults, found, false int
	missed               []*clip
	wrong                []*clip
	delays               []float64 // seconds from the fault to the verdict
	checks               []float64 // looks beyond the least that the debounce allows
	ended, mayEnd        int       // faults that ended, and whose verdict did in time
}

var alarms = []string{picture.Frozen, picture.Black, picture.White, picture.Covered, picture.Blurred, picture.Moved, picture.Garbage}

// holds is how long each condition must be seen, and how long not any more;
// the same as in package picture, here as what is promised.
var holds = map[string][2]float64{
	picture.Frozen: {30 + lookEvery, 20}, picture.Black: {20, 30}, picture.White: {20, 30}, picture.Covered: {20, 45},
	picture.Blurred: {290, 300}, picture.Moved: {590, 600}, picture.Garbage: {20, 40}, picture.Cast: {60, 60},
}

// grace is how long after a fault its verdict may still be raised: it was on
// its way.
const grace = 2 * lookEvery

func tally(condition string, results []result) row {
	row := row{condition: condition}
	for _, r := range results {
		row.add(r)
	}
	return row
}

func (w *row) add(r result) {
	c := r.clip
	fault := c.Fault == w.condition
	if fault {
		w.faults++
	}
	found, ended := false, false
	for _, e := range r.events {
		if e.Condition != w.condition {
			continue
		}
		switch {
		case e.Present && fault && !found && e.At >= c.from() && e.At <= c.until()+grace:
			found = true
			w.found++
			w.delays = append(w.delays, e.At-c.from())
			w.checks = append(w.checks, (e.At-float64((c.Learn+1)*lookEvery)-holds[w.condition][0])/lookEvery)
		case e.Present:
			w.false++
			w.wrong = append(w.wrong, c)
		case found:
			ended = ended || e.At-c.until() <= holds[w.condition][1]+3*lookEvery
		}
	}
	if fault && !found {
		w.missed = append(w.missed, c)
	}
	if found && float64(c.After*lookEvery) > holds[w.condition][1]+2*lookEvery {
		w.mayEnd++
		if ended {
			w.ended++
		}
	}
}

// late counts the verdicts that came more than two checks after the debounce
// could let them.
func (w *row) late() int {
	n := 0
	for _, c := range w.checks {
		if c > 2.01 {
			n++
		}
	}
	return n
}

func (w *row) precision() float64 { return ratio(w.found, w.found+w.false) }
func (w *row) recall() float64    { return ratio(w.found, w.faults) }

func ratio(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

func quantile(xs []float64, p float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(xs))
	return s[int(p*float64(len(s)-1)+0.5)]
}
