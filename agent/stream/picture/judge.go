package picture

import (
	"fmt"
	"time"
)

// defaultEvery is the time between two looks, and maxStep the longest that one
// look may stand for: after a pause nobody knows what the picture was like.
const (
	defaultEvery = 5 * time.Second
	maxStep      = 15 * time.Second
)

// Judge judges the picture of one camera.
type Judge struct {
	every  time.Duration
	mask   [blocks]bool
	judged int // blocks that are not masked

	began time.Time // the first look
	last  time.Time
	now   [blocks]block

	conditions [conditionCount]debounce
	ignored    [conditionCount]bool
	verdicts   []Verdict
}

// condition is an index; the order is that in which a look is tested, so that
// a black picture is not called covered, nor a covered one frozen.
type condition int

const (
	garbage condition = iota
	black
	white
	covered
	frozen
	blurred
	moved
	conditionCount
)

// rules says for each condition how long it must be seen and not be seen.
// Issue 4 wants black and covered within 40 s, frozen 70 s, blurred 6 min,
// moved 12 min; looks are 5 s apart and the first may miss the beginning.
var rules = [conditionCount]struct {
	name         string
	raise, clear time.Duration
}{
	garbage: {Garbage, 20 * time.Second, 30 * time.Second},
	black:   {Black, 25 * time.Second, 30 * time.Second},
	white:   {White, 25 * time.Second, 30 * time.Second},
	covered: {Covered, 25 * time.Second, 45 * time.Second},
	frozen:  {Frozen, 50 * time.Second, 15 * time.Second},
	blurred: {Blurred, 300 * time.Second, 300 * time.Second},
	moved:   {Moved, 600 * time.Second, 600 * time.Second},
}

// New returns a Judge that has learned nothing yet.
func New(c Config) *Judge {
	j := &Judge{every: c.Every, mask: masked(c.Masks), verdicts: make([]Verdict, 0, conditionCount)}
	if j.every <= 0 {
		j.every = defaultEvery
	}
	for i := range j.mask {
		if !j.mask[i] {
			j.judged++
		}
	}
	for i := range j.conditions {
		j.conditions[i] = debounce{raise: rules[i].raise, clear: rules[i].clear}
		for _, name := range c.Ignore {
			j.ignored[i] = j.ignored[i] || name == rules[i].name
		}
	}
	return j
}

// Add takes one look at the camera, at a time that does not go back (one with
// a monotonic reading, where the wall clock may be set), and returns what began
// or ended with it. The slice is good until the next call; the frame is not kept.
func (j *Judge) Add(at time.Time, f *Frame, hint Hint) []Verdict {
	step := j.step(at)
	j.verdicts = j.verdicts[:0]
	measure(&f.Y, &j.now)
	look := j.look(hint)
	for c := range conditionCount {
		if c > look.found {
			break // what is found hides what comes after it in the order: that is not judged
		}
		j.take(c, look, step)
	}
	return j.verdicts
}

// Failed takes a keyframe that the decoder refused.
func (j *Judge) Failed(at time.Time, reason string) []Verdict {
	j.verdicts = j.verdicts[:0]
	j.take(garbage, look{found: garbage, score: 1, detail: func() string {
		return "the decoder refuses the keyframes: " + reason
	}}, j.step(at))
	return j.verdicts
}

// step returns the time since the look before, within bounds.
func (j *Judge) step(at time.Time) time.Duration {
	if j.began.IsZero() {
		j.began, j.last = at, at
		return 0
	}
	step := min(max(0, at.Sub(j.last)), maxStep)
	j.last = at
	return step
}

// look is what one look shows: the first condition in the order, or none.
type look struct {
	found  condition // conditionCount is none
	score  float32   // 0.5 to 1
	detail func() string
}

// take counts a look for or against a condition.
func (j *Judge) take(c condition, l look, step time.Duration) {
	d := &j.conditions[c]
	score, detail := float32(0), "the picture does not show it any more"
	if l.found == c {
		score = l.score
	}
	if !d.add(score, step) || j.ignored[c] {
		return
	}
	if l.found == c && l.detail != nil {
		detail = l.detail()
	}
	confidence := d.score
	if !d.present {
		confidence = 1 - confidence
	}
	j.verdicts = append(j.verdicts, Verdict{
		Condition: rules[c].name, Present: d.present, Confidence: float64(confidence), Detail: detail,
	})
}

// look finds the first condition in the order that this look shows.
func (j *Judge) look(hint Hint) look {
	if hint.Errors > 0 {
		return look{garbage, 1, func() string { return fmt.Sprintf("the decoder found %d errors in a keyframe", hint.Errors) }}
	}
	for c, count := range j.uniform() {
		if share := float32(count) / float32(max(j.judged, 1)); share >= uniformShare {
			return look{c, 0.5 + 0.5*(share-uniformShare)/(1-uniformShare), func() string {
				return fmt.Sprintf("%.0f%% of the picture is %s", 100*share, rules[c].name)
			}}
		}
	}
	return look{found: conditionCount}
}

// uniformShare of the blocks must be black or white. Blackdetect wants 0.98 of
// the pixels; a camera's clock and name, which stay, take up to a tenth.
const uniformShare = 0.88

// uniform counts the blocks that are all black and all white, but for a few
// pixels of noise.
func (j *Judge) uniform() map[condition]int {
	n := map[condition]int{}
	for i, b := range j.now {
		switch {
		case j.mask[i]:
		case b.dark >= 98 && b.variance < 9:
			n[black]++
		case b.bright >= 98:
			n[white]++
		}
	}
	return n
}
