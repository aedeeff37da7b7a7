// Package doctor finds out why a device does not work, and names the cause
// before its consequences.
//
// A Doctor has checks in the order in which things depend on one another. They
// run at the same time, each as soon as those that it needs are good, and are
// told in that order; so the first ✗ is the cause. What needs something that
// failed is not checked, and says so.
//
// What can be found, in words for people, stands in one table (catalogue.go);
// docs/reference/troubleshooting.md is made from it. Checks of the machine are
// here; those of the agent's parts are made by package agent, which has the
// parts.
package doctor

import (
	"context"
	"strings"
	"time"

	"kentongan/agent/report"
)

// State is what became of a check.
type State string

// States of a check.
const (
	OK      State = "ok"
	Warn    State = "warn"    // works, and somebody should look
	Fail    State = "fail"    // does not work
	Skipped State = "skipped" // not checked; see Because
)

// Finding is what a check found. It is one line of `kentongan doctor --json`.
type Finding struct {
	Check   string      `json:"check"`             // as broker.tls
	Subject string      `json:"subject,omitempty"` // which camera, line, sensor, broker
	State   State       `json:"state"`
	Cause   string      `json:"cause,omitempty"` // row of docs/reference/troubleshooting.md; "" when ok
	Title   report.Text `json:"title"`
	Seen    report.Text `json:"seen"`
	Next    report.Text `json:"next,omitzero"`     // what to do; empty when ok
	Because string      `json:"because,omitempty"` // skipped: the check that failed
}

// Check is one question.
type Check struct {
	ID      string // a row of Titles
	Subject string // "" where there is only one
	// Needs are checks without which this one tells nothing: "ID" is all of that
	// name, "ID/SUBJECT" one. Those stand before this one; one that there is not
	// is no obstacle.
	Needs []string
	// Run answers within the context's deadline. One that does not is told as
	// hung; it may still end later.
	Run func(ctx context.Context) Verdict
}

// Verdict is a check's answer.
type Verdict struct {
	Cause string            // a row of the catalogue
	With  map[string]string // what stands in the row's braces
}

// Say makes a verdict. with are names and values in turn.
func Say(cause string, with ...string) Verdict {
	v := Verdict{Cause: cause, With: map[string]string{}}
	for i := 0; i+1 < len(with); i += 2 {
		v.With[with[i]] = with[i+1]
	}
	return v
}

// Times of a check.
const (
	Limit = 4500 * time.Millisecond // after this its context ends
	grace = 400 * time.Millisecond  // then it is given up
)

// most is how many checks run at a time: a site has 200 cameras, and a small
// board one core.
const most = 16

// Doctor has the checks of one device.
type Doctor struct {
	begin func() []Check
	limit time.Duration
}

// New makes a doctor. begin is called at each run and gives the checks in the
// order in which they are told: what they share is theirs for that run.
func New(begin func() []Check) *Doctor { return &Doctor{begin, Limit} }

// Within sets another limit than Limit for each check: a test on a busy machine
// has more patience.
func (d *Doctor) Within(limit time.Duration) *Doctor {
	d.limit = limit
	return d
}

// Titles are the names of the checks, in their order.
func (d *Doctor) Titles() []report.Text {
	checks := d.begin()
	out := make([]report.Text, len(checks))
	for i, c := range checks {
		out[i] = titleOf(c.ID, c.Subject)
	}
	return out
}

// running is a check on its way.
type running struct {
	done   chan struct{} // closed when found is here
	found  Finding
	failed string // the check at the root of it, for what needs this one; "" when good
}

// Run asks everything and calls found with each finding, in the order of the
// checks, from the goroutine that called it. It returns when all are told, or
// when ctx ends.
func (d *Doctor) Run(ctx context.Context, found func(Finding)) {
	room := make(chan struct{}, most)
	checks := d.begin()
	all := make([]*running, len(checks))
	for i, c := range checks {
		r := &running{done: make(chan struct{})}
		all[i] = r
		needs := needed(checks[:i], all[:i], c.Needs)
		go func() {
			defer close(r.done)
			r.found, r.failed = examine(ctx, d.limit, c, needs, room)
		}()
	}
	for _, r := range all {
		select {
		case <-r.done:
		case <-ctx.Done():
			return
		}
		found(r.found)
	}
}

// needed are the checks before this one that it needs.
func needed(checks []Check, all []*running, needs []string) (out []*running) {
	for i, c := range checks {
		for _, n := range needs {
			if n == c.ID || n == c.name() {
				out = append(out, all[i])
			}
		}
	}
	return out
}

func (c Check) name() string {
	if c.Subject == "" {
		return c.ID
	}
	return c.ID + "/" + c.Subject
}

// examine runs a check when those that it needs are good.
func examine(ctx context.Context, limit time.Duration, c Check, needs []*running, room chan struct{}) (Finding, string) {
	for _, n := range needs {
		<-n.done
		if n.failed != "" {
			return skipped(c, n.failed), n.failed
		}
	}
	room <- struct{}{}
	defer func() { <-room }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan Verdict, 1)
	go func() { answer <- c.Run(ctx) }()
	var v Verdict
	select {
	case v = <-answer:
	case <-ctx.Done():
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case v = <-answer:
		case <-late.C:
			v = Say(c.ID + hung)
		}
	}
	f := tell(c, v)
	if f.State == Fail {
		return f, c.name()
	}
	return f, ""
}

// hung ends the cause of a check that did not come back.
const hung = ".hung"

func skipped(c Check, because string) Finding {
	id, subject, _ := strings.Cut(because, "/")
	why := titleOf(id, subject)
	return Finding{
		Check: c.ID, Subject: c.Subject, State: Skipped, Title: titleOf(c.ID, c.Subject), Because: because,
		Seen: report.Text{ID: "tidak diperiksa, karena gagal: " + why.ID, EN: "not checked, because this failed: " + why.EN},
	}
}

// tell puts a verdict into words.
func tell(c Check, v Verdict) Finding {
	row := rowOf(v.Cause)
	f := Finding{
		Check: c.ID, Subject: c.Subject, State: row.State, Title: titleOf(c.ID, c.Subject),
		Seen: fill(row.Seen, v.With), Next: fill(row.Next, v.With),
	}
	if row.State != OK {
		f.Cause = row.Cause
	}
	return f
}

// fill puts values into the braces of a text.
func fill(t report.Text, with map[string]string) report.Text {
	pairs := make([]string, 0, 2*len(with))
	for k, v := range with {
		pairs = append(pairs, "{"+k+"}", clean(v))
	}
	r := strings.NewReplacer(pairs...)
	return report.Text{ID: r.Replace(t.ID), EN: r.Replace(t.EN)}
}

// clean takes out of a foreign text what would write over a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
