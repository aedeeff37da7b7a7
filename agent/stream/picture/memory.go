package picture

import (
	"slices"
	"time"
)

// memory is what a Judge has learned.
type memory struct {
	overlay
	class class
	next  class               // that the newest looks were in
	run   int                 // how many of them
	known [classes + 1]*known // the last, of unknown, stays nil
	hours [24]hour
	black bool   // all of the picture was, at the look before
	dusk  bool   // it became so little by little
	light uint16 // looks in a row since then in which little of it was
}

// Dusk takes the light away little by little. A cap on the lens takes it from
// capShare of the blocks, by capStep of luma or more, between two looks. What
// became dark stays so, whatever headlights pass, until it has been light for
// lightLooks.
const (
	capShare   = 0.1
	capStep    = 8
	lightShare = 0.5 // of the blocks are black at most
	lightLooks = 60
)

// darkMemory is the weight of one look in how often an hour is dark: three
// nights (of 720 looks an hour) make it usual.
const (
	darkMemory = 1.0 / 2000
	darkUsual  = 0.6
)

// darkness tells whether a picture that is black but for noise is a dark place
// at night: it became so little by little, or is at this hour on other days.
func (j *Judge) darkness(v *view, at time.Time, hint Hint) bool {
	black := v.black >= uniformShare
	if black && !j.black && !j.dusk {
		j.dusk = j.seen && j.dropped(v) < capShare
	}
	if j.light++; v.black > lightShare {
		j.light = 0
	} else if j.light >= lightLooks {
		j.light, j.dusk = lightLooks, false
	}
	j.black = black
	return j.dusk || hint.ClockSet && j.hours[at.Hour()].Dark > darkUsual
}

// dropped is the share of the blocks that lost their light since the look before.
func (j *Judge) dropped(v *view) float32 {
	n := 0
	for i := range v.blocks {
		if !j.mask[i] && mean(&j.before, i)-v.blocks[i].mean >= capStep {
			n++
		}
	}
	return float32(n) / float32(max(v.judged, 1))
}

// classify changes the class when some looks in a row were in another one.
func (j *Judge) classify(v *view) {
	c := classify(v.colours, v.mean, j.class)
	if c != j.next {
		j.next, j.run = c, 0
	}
	j.run++
	if c != j.class && (j.run >= classPersist || j.class == unknown) {
		j.class = c
	}
}

// usual is what a living picture does at least, and at most.
type usual struct {
	activity float32 // percent of the pixels that change
	repeated float32 // share of the blocks that were there before
}

// lately is the same of the newest looks at a living picture.
//
// When the sun comes out, a sensor's noise fades and more of the picture
// repeats itself, but little by little: a freeze is measured by what was just
// before as well.
type lately struct {
	usual
	begun bool
}

// latelyWeight is that of one look in what was lately.
const latelyWeight = 1. / 4

func (l *lately) follow(v *view) {
	if !l.begun {
		l.begun, l.usual = true, usual{v.activity, v.repeated}
	}
	l.activity += latelyWeight * (v.activity - l.activity)
	l.repeated += latelyWeight * (v.repeated - l.repeated)
}

// usual returns what is usual of this hour where that is known, or else of
// this class.
func (j *Judge) usual(at time.Time, hint Hint) (u usual, ok bool) {
	h := &j.hours[at.Hour()]
	if !hint.ClockSet || h.Looks < hourLooks {
		k := j.known[j.class]
		if !k.ready() {
			return usual{}, false
		}
		return usual{k.Activity.quantile(0.05), k.Repeated.quantile(0.95) / 100}, true
	}
	return usual{h.Activity.quantile(0.05), h.Repeated.quantile(0.95) / 100}, true
}

// learn takes a look that shows nothing bad.
func (j *Judge) learn(v *view, e *evidence, at time.Time, hint Hint) {
	if v.compared {
		j.lately.follow(v)
		j.overlay.learn(&v.change, v.repeated > repeatedMost)
	}
	if j.next != j.class {
		return // between two classes
	}
	k := j.known[j.class]
	if k == nil {
		k = &known{U: v.u, V: v.v}
		j.known[j.class] = k
	}
	if cast := &j.conditions[cast]; !cast.present && cast.level == 0 {
		k.U += (v.u - k.U) / 64
		k.V += (v.v - k.V) / 64
	}
	if k.ready() && e.textured >= leastTextured {
		k.Match.add(100 * e.kept)
		k.Sharpness.add(e.sharpness)
	} else if k.Looks > firstLooks {
		a := j.compareWith(v, k)
		k.Match.add(100 * a.kept)
		k.Sharpness.add(a.sharpness)
	}
	k.follow(&v.recent)
	if !v.compared || k.Looks < 4 {
		return
	}
	k.Activity.add(v.activity)
	k.Repeated.add(100 * v.repeated)
	k.Jumped.add(100 * v.jumped)
	if hint.Bytes > 0 && !hint.ConstantRate {
		k.Bytes.add(float32(hint.Bytes) / 1024)
	}
	if hint.ClockSet {
		h := &j.hours[at.Hour()]
		h.Looks = min(h.Looks+1, 1<<30)
		h.Activity.add(v.activity)
		h.Repeated.add(100 * v.repeated)
	}
}

// learnDark learns how often this hour is dark, from looks that were black as
// well: a room in which somebody turns off the light each evening.
func (j *Judge) learnDark(v *view, at time.Time, hint Hint) {
	if !hint.ClockSet || v.digital >= uniformShare {
		return
	}
	isDark := float32(0)
	if v.black >= uniformShare {
		isDark = 1
	}
	d := &j.hours[at.Hour()].Dark
	*d += darkMemory * (isDark - *d)
}

// inform counts the look for the informations.
func (j *Judge) inform(v *view, e *evidence, step time.Duration) {
	if e.found < frozen {
		return
	}
	score := map[bool]float32{true: 1}
	j.count(night, score[j.class != day], e, step)
	k := j.known[j.class]
	if !k.ready() {
		return
	}
	e.u, e.v = v.u-k.U, v.v-k.V
	off := float32(0)
	if e.textured >= leastTextured && e.kept >= movedMatch { // of the same place: others have other colours
		off = above(max(e.u, -e.u, e.v, -e.v)/20, castShare)
	}
	j.count(cast, off, e, step)
	j.count(still, score[e.found == nothing && v.compared && !e.assessable], e, step)
}

// castShare of 20 steps of U or V away from the usual is a colour cast.
const castShare = 0.5

// middle is the mean of the middle half, which neither a few sharp letters nor
// a few blocks more or less disturb. It sorts x.
func middle(x []float32) float32 {
	slices.Sort(x)
	x = x[len(x)/4 : len(x)-len(x)/4]
	if len(x) == 0 {
		return 0
	}
	sum := float32(0)
	for _, v := range x {
		sum += v
	}
	return sum / float32(len(x))
}
