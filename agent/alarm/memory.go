package alarm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// memory is the part of the book that is its own account, and is saved.
type memory struct {
	N             uint64  // changes so far
	Ledger        string  // names this count
	Raised, False uint64  // of cameras and groups
	CameraSeconds float64 // watched
}

const memoryVersion = 1

// file is the saved form. Texts are left out: the catalogue has them.
type file struct {
	V      int     `json:"v"`
	N      uint64  `json:"n"`
	Ledger string  `json:"ledger"`
	Raised uint64  `json:"raised"`
	False  uint64  `json:"false"`
	CamS   float64 `json:"camera_seconds"`
	Active []saved `json:"active"`
	Ended  []saved `json:"ended"`
	Denied []saved `json:"denied"`
}

type saved struct {
	Alarm report.Alarm `json:"alarm"`
	Kept  uint64       `json:"kept"` // newest change that is durable in the event lane
}

// Most that is read: as many as there can be sources of conditions on a device
// of 1,000 streams, of which no more than a few are ever raised.
const (
	maxSavedBytes = 4 << 20
	maxSaved      = 4096
)

// encode makes the saved form.
func (b *book) encode() ([]byte, error) {
	f := file{V: memoryVersion, N: b.N, Ledger: b.Ledger, Raised: b.Raised, False: b.False, CamS: b.CameraSeconds}
	for _, t := range b.tracks {
		switch {
		case t.alarm != nil:
			f.Active = append(f.Active, saved{bare(*t.alarm), t.kept})
		case !t.denied.IsZero():
			f.Denied = append(f.Denied, saved{Alarm: report.Alarm{Source: t.source, Condition: t.condition}})
		}
	}
	for _, p := range b.ended {
		f.Ended = append(f.Ended, saved{bare(p.Alarm), p.kept})
	}
	for _, list := range [][]saved{f.Active, f.Denied} {
		slices.SortFunc(list, func(x, y saved) int {
			return cmp.Or(cmp.Compare(x.Alarm.Source, y.Alarm.Source), cmp.Compare(x.Alarm.Condition, y.Alarm.Condition))
		})
	}
	return json.Marshal(f)
}

func bare(a report.Alarm) report.Alarm {
	a.Text, a.Action = report.Text{}, report.Text{}
	return a
}

// decode reads the saved form, and refuses what can't be ours.
func decode(text []byte) (f file, err error) {
	if len(text) > maxSavedBytes {
		return file{}, fmt.Errorf("%d bytes, more than %d", len(text), maxSavedBytes)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return file{}, err
	}
	switch {
	case f.V != memoryVersion:
		return file{}, fmt.Errorf("version %d, this program knows %d", f.V, memoryVersion)
	case f.Ledger == "" || f.CamS < 0:
		return file{}, errors.New("no ledger, or a negative time")
	case len(f.Active)+len(f.Ended)+len(f.Denied) > maxSaved:
		return file{}, fmt.Errorf("more than %d alarms", maxSaved)
	}
	for _, list := range [][]saved{f.Active, f.Ended} {
		for _, s := range list {
			if s.Alarm.ID == "" || s.Alarm.N == 0 || s.Alarm.N > f.N {
				return file{}, fmt.Errorf("alarm %q with number %d of %d", s.Alarm.ID, s.Alarm.N, f.N)
			}
		}
	}
	return f, nil
}

func (b *book) save() {
	text, err := b.encode()
	if err == nil {
		err = b.cfg.Save(text)
	}
	if err != nil {
		b.log.Error("alarms not saved", "err", err)
	}
}

// start takes what was saved, and tells again what may not have been told.
func (b *book) start(now time.Time) {
	b.saved = now
	f := file{Ledger: b.cfg.NewID()}
	if len(b.cfg.Saved) > 0 {
		var err error
		if f, err = decode(b.cfg.Saved); err != nil {
			b.log.Warn("saved alarms not read", "err", err)
			f = file{Ledger: b.cfg.NewID()}
		}
	}
	b.memory = memory{N: f.N, Ledger: f.Ledger, Raised: f.Raised, False: f.False, CameraSeconds: f.CamS}
	for _, s := range f.Ended[max(0, len(f.Ended)-maxEnded):] {
		a := dressed(s.Alarm)
		b.ended = append(b.ended, past{a, s.Kept})
		if s.Kept < a.N {
			b.changes = append(b.changes, a)
		}
	}
	for _, s := range f.Active {
		b.restore(now, s)
	}
	for _, s := range f.Denied {
		if k := (key{s.Alarm.Source, s.Alarm.Condition}); b.knows(k) {
			t := b.track(k, "")
			t.present, t.changed, t.denied, t.restored = true, now, now, now
		}
	}
	slices.SortFunc(b.changes, func(x, y report.Alarm) int { return cmp.Compare(x.N, y.N) })
	b.fresh = true
	b.tell(now)
}

// restore takes an alarm of before the restart. One whose source is no more in
// the configuration is over.
func (b *book) restore(now time.Time, s saved) {
	a := dressed(s.Alarm)
	k := key{a.Source, a.Condition}
	t := b.tracks[k] // groups and the board have theirs already
	if t == nil && !b.knows(k) {
		a.State, a.HiddenBy, a.Detail = report.AlarmCleared, "", gone
		b.bury(a)
		return
	}
	if t == nil {
		t = b.track(k, "")
	}
	t.alarm, t.kept, t.told = &a, s.Kept, now
	t.present, t.changed, t.since, t.restored = true, now, a.Since, now
	t.f = Finding{Present: true, Confidence: a.Confidence, Cause: a.Cause, Detail: a.Detail}
	if s.Kept < a.N {
		b.changes = append(b.changes, a)
	}
	if t == b.stall {
		t.restored, b.stalled = time.Time{}, now
	}
}

// dressed gives a saved alarm its texts again.
func dressed(a report.Alarm) report.Alarm {
	if c := lookup(KindOf(a.Source), a.Condition); c != nil {
		a.Text, a.Action = c.Text, c.Action
	}
	return a
}

// keptUp notes what is durable.
func (b *book) keptUp(kept map[string]uint64) {
	if len(kept) == 0 {
		return
	}
	for _, t := range b.tracks {
		if t.alarm != nil {
			t.kept = max(t.kept, kept[t.alarm.ID])
		}
	}
	for i := range b.ended {
		b.ended[i].kept = max(b.ended[i].kept, kept[b.ended[i].ID])
	}
}

// account is what the device says of its alarms.
func (b *book) account() (c report.AlarmCounts, bySeverity map[string]int) {
	c = report.AlarmCounts{Raised: b.Raised, False: b.False, CameraDays: b.CameraSeconds / (24 * 3600)}
	if c.CameraDays >= 1 {
		rate := float64(c.False) / c.CameraDays * 1000
		c.FalseRate = &rate
	}
	bySeverity = map[string]int{}
	for _, t := range b.tracks {
		if t.active() {
			c.Active++
			bySeverity[t.alarm.Severity]++
		}
	}
	return c, bySeverity
}

// set is all that is raised or hidden, and whether it has changed since it was
// asked for last.
func (b *book) set() (report.AlarmSet, bool) {
	if !b.fresh {
		return report.AlarmSet{}, false
	}
	b.fresh = false
	s := report.AlarmSet{V: report.Version, N: b.N, Ledger: b.Ledger, Alarms: []report.AlarmLine{}}
	for _, t := range b.tracks {
		if a := t.alarm; a != nil {
			s.Alarms = append(s.Alarms, report.AlarmLine{ID: a.ID, N: a.N, Source: a.Source, Condition: a.Condition, Severity: a.Severity, State: a.State, Since: a.Since})
		}
	}
	rank := report.Severities()
	slices.SortFunc(s.Alarms, func(x, y report.AlarmLine) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, x.Severity), slices.Index(rank, y.Severity)), x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID))
	})
	s.Count = len(s.Alarms)
	s.Alarms = s.Alarms[:min(s.Count, report.MaxAlarmSet)]
	return s, true
}

// active are the alarms that stand now, whole; those that another one explains are
// left out. The worst come first.
func (b *book) active() (all []report.Alarm) {
	for _, t := range b.tracks {
		if t.active() {
			all = append(all, *t.alarm)
		}
	}
	rank := report.Severities()
	slices.SortFunc(all, func(x, y report.Alarm) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, x.Severity), slices.Index(rank, y.Severity)), x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID))
	})
	return all[:min(len(all), report.MaxAlarmSet)]
}
