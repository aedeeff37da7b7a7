package alarm

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"kentongan/agent/report"
)

// key is what an alarm is about.
type key struct{ source, condition string }

// book is the engine without its goroutine: time comes in with each call.
type book struct {
	cfg     Config
	say     func(report.Alarm)
	log     *slog.Logger
	sources map[string]bool // read by any goroutine that holds the engine's lock
	cameras int

	tracks   map[key]*track
	bySource map[string][]*track
	parties  []*party
	partyOf  map[string][]*party // by member
	stall    *track

	memory         // what is saved
	ended   []past // the newest last
	changes []report.Alarm
	fresh   bool // the set has changed

	looked     time.Time // zero before the first look
	saved      time.Time
	stalled    time.Time // newest stall
	stallUntil time.Time
}

// past is an alarm that is over, for an operator who calls it false afterwards.
type past struct {
	report.Alarm
	kept uint64
}

// maxEnded is how many of them are remembered.
const maxEnded = 32

// sourceDevice is the board itself.
const sourceDevice = "device"

func newBook(cfg Config, say func(report.Alarm), log *slog.Logger) *book {
	b := &book{
		cfg: cfg, say: say, log: log, tracks: map[key]*track{},
		bySource: map[string][]*track{}, partyOf: map[string][]*party{},
	}
	b.setSources()
	b.stall = b.track(key{sourceDevice, "stall"}, "")
	for _, g := range cfg.Groups {
		b.addParty(g)
	}
	return b
}

func (b *book) setSources() {
	b.sources, b.cameras = map[string]bool{}, 0
	for _, s := range append([]string{sourceDevice}, b.cfg.Sources...) {
		if KindOf(s) == Stream && !b.sources[s] {
			b.cameras++
		}
		b.sources[s] = true
	}
}

func (b *book) addParty(g Group) {
	p := &party{Group: g, track: b.track(key{g.Source(), g.condition()}, g.Label), failing: map[string]time.Time{}}
	p.track.party = p
	b.joinParty(p)
}

func (b *book) joinParty(p *party) {
	b.parties = append(b.parties, p)
	for _, m := range p.Members {
		b.partyOf[m] = append(b.partyOf[m], p)
	}
}

// knows may be called from any goroutine that holds the engine's lock.
func (b *book) knows(k key) bool {
	return b.sources[k.source] && lookup(KindOf(k.source), k.condition) != nil
}

func (b *book) track(k key, label string) *track {
	t := b.tracks[k]
	if t == nil {
		t = &track{key: k, cond: lookup(KindOf(k.source), k.condition), label: label}
		b.tracks[k] = t
		b.bySource[k.source] = append(b.bySource[k.source], t)
	}
	return t
}

func (b *book) forget(t *track) {
	delete(b.tracks, t.key)
	rest := slices.DeleteFunc(b.bySource[t.source], func(o *track) bool { return o == t })
	if b.bySource[t.source] = rest; len(rest) == 0 {
		delete(b.bySource, t.source)
	}
}

// take takes findings, and judges.
func (b *book) take(now time.Time, found map[key]Finding) {
	for k, f := range found {
		t := b.tracks[k]
		if t == nil {
			if !f.Present {
				continue
			}
			t = b.track(k, "")
		}
		t.find(now, f)
	}
	b.judge(now)
}

// look looks at the clock: whether we were asleep, and how long cameras were
// watched. It goes before take.
func (b *book) look(now time.Time) {
	late := now.Sub(b.looked)
	switch {
	case b.looked.IsZero():
	case late >= stallAfter:
		b.stalled, b.stallUntil = now, now.Add(stallRound)
		b.stall.find(now, Finding{Present: true, Confidence: 1, Cause: "board",
			Detail: "the agent was not run for " + late.Round(100*time.Millisecond).String()})
	default:
		b.CameraSeconds += float64(b.cameras) * late.Seconds()
		if b.stall.present && now.Sub(b.stalled) >= stallQuiet {
			b.stall.find(now, Finding{})
		}
	}
	b.looked = now
	if now.Sub(b.saved) >= saveEvery {
		b.saved = now
		b.save()
	}
}

// judge brings every track to where it should be now, and tells what changed:
// groups first, then the worse conditions, so that nothing is told that is
// hidden in the same moment.
func (b *book) judge(now time.Time) {
	for _, p := range b.parties {
		b.meet(now, p)
	}
	for _, t := range b.all() {
		b.step(now, t)
	}
	b.tell(now)
}

// all is every track, the worst first.
func (b *book) all() []*track {
	all := make([]*track, 0, len(b.tracks))
	for _, t := range b.tracks {
		all = append(all, t)
	}
	slices.SortFunc(all, func(x, y *track) int {
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), cmp.Compare(x.source, y.source))
	})
	return all
}

// tell saves, then says what has changed.
func (b *book) tell(now time.Time) {
	if len(b.changes) == 0 {
		return
	}
	b.saved = now
	b.save()
	for _, a := range b.changes {
		b.say(a)
	}
	b.changes = nil
}

// meet finds out whether a group fails as one.
func (b *book) meet(now time.Time, p *party) {
	failing := map[string]time.Time{}
	for _, m := range p.Members {
		for _, t := range b.bySource[m] {
			if !t.present || !t.cond.Together || !t.denied.IsZero() || !t.restored.IsZero() {
				continue
			}
			if at, there := failing[m]; !there || t.changed.Before(at) {
				failing[m] = t.changed
			}
		}
	}
	p.update(now, failing)
	t := p.track
	want := p.together()
	switch {
	case !t.restored.IsZero():
		// After a restart the members have to fail again before they can count.
		if want = true; len(failing) >= p.threshold() || now.Sub(t.restored) >= groupSettle {
			t.restored = time.Time{}
			p.changed = now
		}
	case t.present:
		want = p.stays(now)
	}
	if want != t.present || want {
		restored := t.restored
		f := Finding{Present: want}
		if want {
			f.Confidence, f.Cause, f.Detail = 1, p.cause(), p.detail()
		}
		t.find(now, f)
		t.restored = restored
	}
}

// step moves one track.
func (b *book) step(now time.Time, t *track) {
	by := b.explains(t)
	switch {
	case t.alarm == nil && t.due(now) && by == "" && !b.waits(now, t):
		b.raise(now, t)
	case t.alarm == nil:
		t.rest(now)
		if t.idle(now) && t.party == nil && t != b.stall {
			b.forget(t)
		}
	case !t.present && now.Sub(t.changed) >= t.clearAfter():
		b.clear(now, t)
	case !t.restored.IsZero() && t.party == nil && now.Sub(t.restored) >= restoredFor:
		t.find(now, Finding{Detail: "not found again since the restart"})
	case by == "" && t.alarm.HiddenBy != "" && t.present, by != "" && t.alarm.HiddenBy == "" && t.turn(now):
		t.alarm.HiddenBy = by
		b.change(now, t)
	case t.present && t.alarm.HiddenBy == "" && t.differs() && now.Sub(t.told) >= tellAgain && t.turn(now):
		t.fill()
		b.change(now, t)
	}
}

// explains names the active alarm that hides t, or "".
func (b *book) explains(t *track) string {
	for _, p := range b.partyOf[t.source] {
		if p.track.active() {
			return p.track.name()
		}
	}
	for _, o := range b.bySource[t.source] {
		// A worse one that is about to be over still hides; one that flaps would
		// do so for minutes.
		if o != t && o.active() && (o.present || !o.alarm.Flapping) && o.cond.hides(t.cond.Name) {
			return o.name()
		}
	}
	if t.party == nil || !t.party.Auto {
		return ""
	}
	for _, p := range b.parties {
		if !p.Auto && p.track.active() && p.covers(t.party) {
			return p.track.name()
		}
	}
	return ""
}

// waits tells whether a due alarm is held back: for a round after our own stall,
// or because its group may be the cause.
func (b *book) waits(now time.Time, t *track) bool {
	if t.source == sourceDevice {
		return false
	}
	if now.Before(b.stallUntil) {
		return true
	}
	if !t.cond.Together {
		return false
	}
	for _, p := range b.partyOf[t.source] {
		if p.track.present && p.track.alarm == nil {
			return true
		}
		if since, failing := p.failing[t.source]; failing && p.holds(now, since) {
			return true
		}
	}
	return false
}

func (b *book) raise(now time.Time, t *track) {
	t.alarm = &report.Alarm{
		ID: b.cfg.NewID(), Source: t.source, Label: t.label, Condition: t.condition, Severity: t.cond.Severity, Since: t.since,
	}
	t.kept = 0
	t.push(now)
	t.alarm.Flapping = len(t.moves) > flapChanges
	t.fill()
	if kind := KindOf(t.source); kind == Stream || kind == Grp {
		b.Raised++
	}
	b.change(now, t)
}

// clear ends an alarm, unless it did so too often: then it stays, as flapping.
func (b *book) clear(now time.Time, t *track) {
	t.push(now)
	if !t.alarm.Flapping && len(t.moves) > flapChanges {
		t.alarm.Flapping = true
		b.change(now, t)
		return
	}
	if t.alarm.Flapping {
		t.moves = nil
	}
	b.end(t)
}

// end tells that an alarm is over.
func (b *book) end(t *track) {
	if t.f.Detail != "" {
		t.alarm.Detail = t.f.Detail
	}
	a := *t.alarm
	a.State, a.HiddenBy = report.AlarmCleared, ""
	t.alarm = nil
	b.bury(a)
}

// bury tells the last of an alarm and remembers it for a while.
func (b *book) bury(a report.Alarm) {
	b.N++
	a.N = b.N
	b.ended = append(slices.DeleteFunc(b.ended, func(p past) bool { return p.ID == a.ID }), past{a, 0})
	b.ended = b.ended[max(0, len(b.ended)-maxEnded):]
	b.changes, b.fresh = append(b.changes, a), true
}

// change numbers and tells the alarm of a track.
func (b *book) change(now time.Time, t *track) {
	b.N++
	a := t.alarm
	a.N, t.told = b.N, now
	switch {
	case a.HiddenBy != "":
		a.State = report.AlarmHidden
	case a.By != "":
		a.State = report.AlarmAcknowledged
	case a.Flapping:
		a.State = report.AlarmFlapping
	default:
		a.State = report.AlarmRaised
	}
	b.changes, b.fresh = append(b.changes, *a), true
}

// act does what an operator says.
func (b *book) act(now time.Time, a Action) error {
	defer b.tell(now)
	for _, t := range b.tracks {
		if t.alarm == nil || t.alarm.ID != a.ID {
			continue
		}
		t.alarm.By, t.alarm.Note = a.By, a.Note
		if !a.False {
			b.change(now, t)
			return nil
		}
		t.alarm.False = true
		b.False++
		t.denied = now
		b.end(t)
		return nil
	}
	for _, p := range b.ended {
		if p.ID != a.ID {
			continue
		}
		again := p.Alarm
		again.By, again.Note = a.By, a.Note
		if a.False && !p.False {
			again.False = true
			b.False++
		}
		b.bury(again)
		return nil
	}
	return UnknownError{a.ID}
}
