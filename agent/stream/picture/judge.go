package picture

import "time"

// defaultEvery is the time between two looks, and maxSteps how many times that
// one look may stand for: after a pause nobody knows what the picture was like.
const (
	defaultEvery = 5 * time.Second
	maxSteps     = 3
)

// Judge judges the picture of one camera.
type Judge struct {
	every time.Duration
	mask  [blocks]bool

	begun   bool
	last    time.Time
	elapsed time.Duration // the running time: the sum of all steps
	before  luma          // the look before
	seen    bool          // there was one
	jumps   int           // looks in a row that were another picture than the one before
	repeats
	lately lately
	recent average
	memory

	conditions [conditionCount]debounce
	verdicts   []Verdict
}

// condition is an index; the order is that in which a look is tested, so that
// a black picture is not called covered, nor a covered one frozen. After
// nothing come the informations, which don't exclude each other.
type condition int

const (
	garbage condition = iota
	black
	white
	covered
	frozen
	blurred
	moved
	nothing
	night = nothing
	cast  = nothing + 1
	still = nothing + 2

	conditionCount = nothing + 3
)

// rules says for each condition how long it must be seen and not be seen.
// Issue 4 wants black and covered within 40 s, frozen 70 s, blurred 6 min,
// moved 12 min; looks are 5 s apart, the first may miss the beginning, and the
// running average follows within 30 s.
var rules = [conditionCount]struct {
	name         string
	raise, clear time.Duration
}{
	garbage: {Garbage, 20 * time.Second, 40 * time.Second},
	black:   {Black, 20 * time.Second, 30 * time.Second},
	white:   {White, 20 * time.Second, 30 * time.Second},
	covered: {Covered, 20 * time.Second, 45 * time.Second},
	frozen:  {Frozen, 30 * time.Second, 20 * time.Second},
	blurred: {Blurred, 290 * time.Second, 300 * time.Second},
	moved:   {Moved, 590 * time.Second, 600 * time.Second},
	night:   {Night, 60 * time.Second, 60 * time.Second},
	cast:    {Cast, 60 * time.Second, 60 * time.Second},
	still:   {Still, 600 * time.Second, 60 * time.Second},
}

// New returns a Judge that has learned nothing yet.
func New(c Config) *Judge {
	j := &Judge{every: c.Every, mask: masked(c.Masks), verdicts: make([]Verdict, 0, conditionCount)}
	if j.every <= 0 {
		j.every = defaultEvery
	}
	j.class = unknown
	for i := range j.conditions {
		j.conditions[i] = debounce{raise: rules[i].raise, clear: rules[i].clear}
	}
	return j
}

// Add takes one look at the camera, at a time that does not go back (one with
// a monotonic reading, where the wall clock may be set), and returns what began
// or ended with it. The slice is good until the next call; the frame is not kept.
func (j *Judge) Add(at time.Time, f *Frame, hint Hint) []Verdict {
	step := j.step(at)
	j.verdicts = j.verdicts[:0]
	var v view
	j.look(&v, f)
	e := j.judge(&v, at, hint)
	for c := range min(e.found+1, nothing) {
		if c == frozen && e.unsure || c > garbage && j.conditions[garbage].level > 0 {
			continue // of torn pictures nothing else can be said
		}
		j.take(c, &e, step) // what is found hides what comes after it: that is not judged
	}
	j.inform(&v, &e, step)
	j.remember(&v, &e, f, at, hint)
	return j.verdicts
}

// Failed takes a keyframe that the decoder refused.
func (j *Judge) Failed(at time.Time, reason string) []Verdict {
	j.verdicts = j.verdicts[:0]
	j.take(garbage, &evidence{found: garbage, score: 1, refused: reason}, j.step(at))
	return j.verdicts
}

// Suspicious tells whether something bad was seen that is no verdict yet: the
// next look is then worth taking soon.
func (j *Judge) Suspicious() bool {
	for c := range nothing {
		if d := &j.conditions[c]; !d.present && d.seen {
			return true
		}
	}
	return false
}

// Present returns the conditions and informations that are present.
func (j *Judge) Present() []string {
	var names []string
	for c := range conditionCount {
		if j.conditions[c].present {
			names = append(names, rules[c].name)
		}
	}
	return names
}

// step returns the time since the look before, within bounds.
func (j *Judge) step(at time.Time) time.Duration {
	if !j.begun {
		j.begun, j.last = true, at
		return 0
	}
	step := min(max(0, at.Sub(j.last)), maxSteps*j.every)
	j.last = at
	j.elapsed += step
	return step
}

// look measures a frame.
func (j *Judge) look(v *view, f *Frame) {
	v.measure(f)
	v.sum(&j.mask)
	if j.seen {
		v.compare(&f.Y, &j.before, &j.mask, &j.clock)
	}
	v.repeated, v.since = j.repeats.add(&f.Y, &v.blocks, j.elapsed, &j.mask, &j.clock)
	j.recent.add(&f.Y, &v.recent)
	measure(&v.recent, &v.average)
}

// take counts a look for or against a condition.
func (j *Judge) take(c condition, e *evidence, step time.Duration) {
	score := float32(0)
	if e.found == c {
		score = e.score
	}
	j.count(c, score, e, step)
}

func (j *Judge) count(c condition, score float32, e *evidence, step time.Duration) {
	d := &j.conditions[c]
	if c == frozen && score > 0 && !d.present {
		d.level = max(d.level, e.stood-step) // one repetition tells of all the time since
		if !e.sure {
			d.level = min(d.level, d.raise-step-1)
		}
	}
	if !d.add(score, step) {
		return
	}
	confidence := d.score
	if !d.present {
		confidence = 1 - confidence
	}
	j.verdicts = append(j.verdicts, Verdict{
		Condition: rules[c].name, Present: d.present, Info: c >= nothing,
		Confidence: float64(confidence), Detail: e.detail(c, d.present),
	})
}

// remember keeps what the next look is compared with, and learns from a look
// that shows nothing bad.
func (j *Judge) remember(v *view, e *evidence, f *Frame, at time.Time, hint Hint) {
	if e.found == garbage {
		if e.torn {
			j.before = f.Y
		}
		return
	}
	j.learnDark(v, at, hint)
	j.before, j.seen = f.Y, true
	if e.found < frozen {
		j.recent.begun = false // begin anew when it is over
		return
	}
	if e.found == nothing && !j.doubtful() {
		j.learn(v, e, at, hint)
	}
}

// doubtful tells whether something is wrong, or may be: what is seen then must
// not be learned as normal.
func (j *Judge) doubtful() bool {
	for c := range nothing {
		if d := &j.conditions[c]; d.present || d.level > 0 {
			return true
		}
	}
	return false
}
