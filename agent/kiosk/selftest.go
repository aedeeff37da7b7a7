package kiosk

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// SelfTest says when a kiosk looks at itself, and what it asks of others.
type SelfTest struct {
	At      time.Duration             // since midnight
	Now     func() (time.Time, bool)  // local time, and whether the clock was ever set
	Centre  func() (bool, string)     // is the centre reached, and how one knows; nil is not asked
	Printer func() (bool, string)     // does the printer print; nil where there is none
	Found   func(ok bool, why string) // told of each result, for alarms; must not block; may be nil
}

const (
	testLooks = time.Minute      // between two looks at the clock, which may be set meanwhile
	testUnset = 24 * time.Hour   // without a clock, a test each day of the device's own
	lampLit   = time.Second      // for a person who looks
	testLimit = 10 * time.Second // for the panel to answer
)

// lampTest asks the panel to show every lamp; the answer has room for one.
type lampTest struct{ answer chan<- []report.SelfTestCheck }

// selfTests tests once a day until ctx ends.
func (k *Kiosk) selfTests(ctx context.Context) {
	t := k.cfg.SelfTest
	if t == nil {
		return
	}
	tick := time.NewTicker(testLooks)
	defer tick.Stop()
	began := time.Now()
	last, known := t.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, set := t.Now()
		due := time.Since(began) >= testUnset
		if set {
			due = known && dueBetween(last, now, t.At)
		}
		last, known = now, set
		if due {
			began = time.Now()
			k.selfTest(ctx)
		}
	}
}

// dueBetween tells whether the time of day lies in (from, to]. A clock that was
// set by more than a day has no test in between.
func dueBetween(from, to time.Time, at time.Duration) bool {
	if !to.After(from) || to.Sub(from) > 24*time.Hour {
		return false
	}
	y, m, d := to.Date()
	due := time.Date(y, m, d, 0, 0, 0, 0, to.Location()).Add(at)
	if due.After(to) {
		due = due.AddDate(0, 0, -1)
	}
	return due.After(from)
}

// selfTest tests all once and keeps the result.
func (k *Kiosk) selfTest(ctx context.Context) {
	checks := k.testLamps(ctx)
	for _, b := range k.buttons {
		s := b.status()
		detail := s.Detail
		if s.State == stateOK {
			detail = fmt.Sprintf("%d presses, %d bounces, %d edges lost, %d touches too short since the start", s.Presses, s.Bounces, s.Lost, s.Brushes)
		}
		checks = append(checks, report.SelfTestCheck{Name: "button " + b.cfg.Name, OK: s.State == stateOK, Detail: detail})
	}
	checks = asked(checks, "printer", k.cfg.SelfTest.Printer)
	checks = asked(checks, "centre", k.cfg.SelfTest.Centre)
	if ctx.Err() != nil {
		return
	}
	result := report.SelfTest{OK: true, Checks: checks}
	why := ""
	for _, c := range checks {
		if !c.OK {
			result.OK = false
			why += c.Name + ": " + c.Detail + "; "
		}
	}
	k.log.Info("self-test", "ok", result.OK, "failed", why)
	k.events.add(report.KindSelfTest, result)
	if k.cfg.SelfTest.Found != nil {
		k.cfg.SelfTest.Found(result.OK, why)
	}
}

func asked(checks []report.SelfTestCheck, name string, ask func() (bool, string)) []report.SelfTestCheck {
	if ask == nil {
		return checks
	}
	ok, detail := ask()
	return append(checks, report.SelfTestCheck{Name: name, OK: ok, Detail: detail})
}

// testLamps lights every lamp for a moment and says which obey.
func (k *Kiosk) testLamps(ctx context.Context) []report.SelfTestCheck {
	answer := make(chan []report.SelfTestCheck, 1)
	limit := time.After(testLimit)
	select {
	case k.panel.tests <- lampTest{answer}:
		select {
		case checks := <-answer:
			return checks
		case <-limit:
		case <-ctx.Done():
		}
	case <-limit:
	case <-ctx.Done():
	}
	return []report.SelfTestCheck{{Name: "lamps", Detail: fmt.Sprintf("no answer within %v", testLimit)}}
}
