package picture

import "time"

// debounce turns looks into a condition that is present or not. Looks that
// show it fill a bucket with the time between them, looks that don't empty it,
// so that single dissenting looks delay it only.
type debounce struct {
	raise, clear time.Duration // how long it must be seen, or not be seen any more

	level   time.Duration
	present bool
	seen    bool    // by the look before
	score   float32 // of the newest looks, 0 to 1
}

// scoreWeight is the newest look's in the confidence.
const scoreWeight = 0.25

// add takes one look: how strongly it shows the condition (it does from 0.5
// on) and how long after the one before it came. It tells whether the
// condition began or ended.
func (d *debounce) add(score float32, step time.Duration) (changed bool) {
	seen := score >= 0.5
	if seen && !d.seen && !d.present {
		d.score = max(d.score, score)
		step = 0 // it may have begun just now
	}
	d.seen = seen
	d.score += scoreWeight * (score - d.score)
	switch {
	case d.present && seen:
		d.level = min(d.clear, d.level+step)
	case d.present:
		d.level -= step
	case seen:
		d.level += step
	default:
		d.level = max(0, d.level-step)
	}
	if d.present && d.level <= 0 || !d.present && d.level >= d.raise {
		d.present = !d.present
		d.level = 0
		if d.present {
			d.level = d.clear
		}
		return true
	}
	return false
}
