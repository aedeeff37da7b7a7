package picture

import (
	"fmt"
	"time"
)

// evidence is what one look shows: the first condition in the order, how
// strongly (from 0.5 on), and the figures it was judged by.
type evidence struct {
	found   condition // nothing
	score   float32
	refused string // why the decoder did not take the keyframe
	errors  int    // of the decoder

	mean, std, share float32
	activity, usual  float32 // percent; what is usual at least
	usualSharp       float32
	against                  // the best of the references
	stillClock       bool    // judged by its clock alone
	repeated         float32 // share of the blocks that were there before
	stood            time.Duration
	torn             bool    // garbage, by the pixels alone
	sure             bool    // enough for frozen to be said
	unsure           bool    // neither for nor against frozen
	u, v             float32 // away from what is usual
	assessable       bool    // a freeze could be seen
}

// Thresholds. streams.md 3.3 measured them on a few scenes; what differs from
// there was tuned on the tuning part of the proof set, see pictures.md.
const (
	uniformShare  = 0.88            // of the blocks are black, or white, or flat: a clock and a name take up to a tenth
	featureless   = 0.95            // of the blocks are flat, for a camera that was never seen otherwise,
	featurelessSD = 6               // and the whole varies by so little
	coveredKept   = 0.2             // at most so many of the edges are where they were,
	coveredOwn    = 0.4             // and there are at most so many other edges instead,
	coveredStrong = 0.6             // or they are so much weaker,
	coveredCoarse = 0.88            // and it does not look like the place, however blurred
	aliveLeast    = 1.0             // percent of the pixels change in a living picture, or a freeze can't be told
	frozenShare   = 0.6             // of what changes usually
	frozenUnsure  = 0.9             // of what changes usually: not alive, but not seen before either
	frozenHits    = 3               // looks that stood still, at least,
	frozenStrong  = 0.9             // of the blocks repeated in one of them, or much less changed,
	frozenWeak    = 2 * time.Minute // or it has been so for long
	frozenMissed  = 2               // looks in a row that may change more than that
	repeatedMost  = 0.8             // of the blocks repeat in a living picture, or a freeze can't be told
	repeatedLeast = 0.12            // more of the blocks than usual repeat,
	repeatedMore  = 0.2             // or of those that usually don't
	blurredShare  = 0.4             // of the usual sharpness,
	blurredLeast  = 0.75            // and of the least that is usual
	blurredCoarse = 0.7             // and it looks like the place
	movedMatch    = 0.35            // at most so many of the edges are where they were,
	movedOwn      = 0.5             // and there are at least so many edges elsewhere,
	movedUsual    = 60              // where it is usual that so many percent are
	tornShare     = 0.25            // of the blocks jump at each look, at least,
	tornUsual     = 2               // and so many times what is usual at most
	smallBytes    = 0.5             // of the least that a keyframe usually has,
	smallScore    = 0.1             // and how much surer that makes
	leastTextured = 10              // blocks with edges, to judge by edges at all
)

// below scores how far a figure is below its threshold.
func below(value, threshold float32) float32 {
	if threshold <= 0 || value > threshold {
		return 0
	}
	return 1 - 0.5*value/threshold
}

// above scores how far a share is above its threshold.
func above(share, threshold float32) float32 {
	if share < threshold {
		return 0
	}
	return 0.5 + 0.5*(share-threshold)/(1-threshold)
}

// judge finds the first condition in the order that this look shows.
func (j *Judge) judge(v *view, at time.Time, hint Hint) evidence {
	e := evidence{found: nothing, mean: v.mean, std: v.std, errors: hint.Errors}
	if hint.Errors > 0 {
		e.found, e.score = garbage, 1
		return e
	}
	if j.torn(v, &e) {
		return e
	}
	if j.uniform(v, &e, at, hint) {
		j.weigh(&e, hint)
		return e
	}
	j.classify(v)
	j.compareReferences(v, &e)
	scores := [nothing]float32{
		covered: j.isCovered(v, &e), frozen: j.isFrozen(v, &e, at, hint),
		blurred: j.isBlurred(v, &e), moved: j.isMoved(v, &e),
	}
	for c, score := range scores {
		if score >= 0.5 {
			e.found, e.score = condition(c), score
			break
		}
	}
	j.weigh(&e, hint)
	return e
}

// torn tests for garbage that the decoder did not complain of: H.265 decoders
// go on with anything. The picture is then another one at each look.
func (j *Judge) torn(v *view, e *evidence) bool {
	k := j.known[j.class]
	if !v.compared || !k.ready() {
		return false
	}
	limit := tornUsual * max(k.Jumped.quantile(0.95)/100, tornShare/tornUsual)
	if v.jumped < limit {
		j.jumps = 0
		return false
	}
	if j.jumps++; j.jumps < 2 {
		return false // a light, a hand: that is once
	}
	e.found, e.score, e.share, e.torn = garbage, below(limit, v.jumped), v.jumped, true
	return true
}

// weigh makes a finding surer when the keyframe is far smaller than usual, as
// pictures with nothing in them are. With a constant bit rate, size says
// nothing, and it is never a verdict.
func (j *Judge) weigh(e *evidence, hint Hint) {
	k := j.known[j.class]
	if e.found > blurred || e.found == frozen || hint.ConstantRate || hint.Bytes == 0 || !k.ready() {
		return
	}
	if usual := k.Bytes.quantile(0.05); float32(hint.Bytes)/1024 < smallBytes*usual {
		e.score = min(1, e.score+smallScore)
	}
}

// uniform tests for black and white.
func (j *Judge) uniform(v *view, e *evidence, at time.Time, hint Hint) bool {
	dark := j.darkness(v, at, hint) && v.digital < uniformShare // without any noise no sensor looks into the night
	if s := above(v.black, uniformShare); s > 0 && !dark {
		e.found, e.score, e.share = black, s, v.black
		return true
	}
	if s := above(v.white, uniformShare); s > 0 {
		e.found, e.score, e.share = white, s, v.white
		return true
	}
	return false
}

// compareReferences compares the look with the class that the camera is in,
// and with the others when it is not like it.
func (j *Judge) compareReferences(v *view, e *evidence) {
	if k := j.known[j.class]; k.ready() {
		e.against = j.compareWith(v, k)
	}
	if e.textured >= leastTextured && e.kept >= movedMatch {
		return
	}
	for c, k := range j.known {
		if class(c) == j.class || !k.ready() {
			continue
		}
		a := j.compareWith(v, k)
		if a.textured < leastTextured {
			continue
		}
		if e.textured < leastTextured {
			e.against = a
		}
		e.kept, e.coarse = max(e.kept, a.kept), max(e.coarse, a.coarse)
	}
}

func (j *Judge) compareWith(v *view, k *known) against {
	return v.against(&k.Reference, &j.mask, &j.clock)
}

// isCovered: the picture is flat all over, or the place's edges are gone, few
// others are there, and its light and shade are not the place's either.
func (j *Judge) isCovered(v *view, e *evidence) float32 {
	e.share = v.flat
	if v.black >= uniformShare { // and that is the night
		return 0
	}
	if e.textured < leastTextured { // nothing to compare with
		if v.std < featurelessSD {
			return above(v.flat, featureless)
		}
		return 0
	}
	smooth := float32(v.textured) <= coveredOwn*float32(e.textured) || v.strong <= coveredStrong*e.strong
	if !smooth || e.coarse > coveredCoarse {
		return 0
	}
	return below(e.kept, coveredKept)
}

// isFrozen: the picture was there before to the last bit, or much less changes
// than usual, or the clock stands still in a place where nothing else moves.
func (j *Judge) isFrozen(v *view, e *evidence, at time.Time, hint Hint) float32 {
	e.activity, e.repeated = v.activity, v.repeated
	u, ok := j.usual(at, hint)
	e.usual = u.activity
	since := j.elapsed
	if ok && v.compared && v.black < uniformShare { // in the dark no noise is left to tell by
		if j.lately.begun {
			u.activity, u.repeated = min(u.activity, j.lately.activity), max(u.repeated, j.lately.repeated)
		}
		since = j.stands(v, e, u)
	}
	j.repeats.chain(since)
	e.stood = j.elapsed - since
	switch {
	case e.stood > 0:
		j.missed = 0
		j.hits++
		j.strong = j.strong || v.repeated >= frozenStrong || u.activity >= aliveLeast && v.activity < frozenShare*u.activity
		e.sure = j.hits >= frozenHits && (j.strong || e.stood >= frozenWeak)
		return 0.5 + 0.5*max(1-v.activity/max(u.activity, 1), v.repeated)
	case j.conditions[frozen].level > 0 && (v.activity < frozenUnsure*u.activity || j.missed < frozenMissed):
		j.missed++
		e.unsure = true // a quantizer that was not there before
	default:
		j.hits, j.strong = 0, false
	}
	return 0
}

// stands returns since when the picture has stood still.
func (j *Judge) stands(v *view, e *evidence, u usual) time.Duration {
	since := j.elapsed
	if u.repeated < repeatedMost {
		e.assessable = true
		if v.repeated > u.repeated+max(repeatedLeast, repeatedMore*(1-u.repeated)) {
			since = min(since, v.since)
		}
	}
	if u.activity >= aliveLeast {
		e.assessable = true
		if v.activity < frozenShare*u.activity {
			since = min(since, j.repeats.before())
		}
	}
	if !e.assessable && j.runs() {
		e.assessable, e.stillClock = true, true
		if v.clock == 0 && v.repeated > repeatedMost {
			since = min(since, j.repeats.before())
		}
	}
	return since
}

// isBlurred: it is the place, but its edges are soft.
func (j *Judge) isBlurred(v *view, e *evidence) float32 {
	k := j.known[j.class]
	if !k.ready() || e.textured < leastTextured || e.coarse < blurredCoarse {
		return 0
	}
	e.usualSharp = k.Sharpness.quantile(0.5)
	limit := min(blurredShare*e.usualSharp, blurredLeast*k.Sharpness.quantile(0.05))
	return below(e.sharpness, limit)
}

// isMoved: there are edges, as many as in the place, but not where they were.
func (j *Judge) isMoved(v *view, e *evidence) float32 {
	k := j.known[j.class]
	if !k.ready() || e.textured < leastTextured {
		return 0
	}
	if k.Match.quantile(0.1) < movedUsual || float32(v.textured) < movedOwn*float32(e.textured) {
		return 0
	}
	return below(e.kept, movedMatch)
}

// detail says in words what was seen.
func (e *evidence) detail(c condition, present bool) string {
	if !present {
		return fmt.Sprintf("not seen any more (mean luma %.0f, %.1f%% of the pixels change)", e.mean, e.activity)
	}
	switch c {
	case garbage:
		if e.refused != "" {
			return "the decoder refuses the keyframes: " + e.refused
		}
		if e.torn {
			return fmt.Sprintf("%.0f%% of the picture is another one at each look", 100*e.share)
		}
		return fmt.Sprintf("the decoder found %d errors in a keyframe", e.errors)
	case black, white:
		return fmt.Sprintf("%.0f%% of the picture is %s (mean luma %.0f)", 100*e.share, rules[c].name, e.mean)
	case covered:
		return fmt.Sprintf("%.0f%% of the picture is flat, %.0f%% of its edges are left (mean luma %.0f)", 100*e.share, 100*e.kept, e.mean)
	case frozen:
		if e.stillClock {
			return "the clock in the picture stands still"
		}
		return fmt.Sprintf("%.0f%% of the picture is as it was before to the last bit, and has been for %.0f s; %.1f%% of the pixels change between two looks, usually at least %.1f%%",
			100*e.repeated, e.stood.Seconds(), e.activity, e.usual)
	case blurred:
		return fmt.Sprintf("sharpness %.3f, usually %.3f", e.sharpness, e.usualSharp)
	case moved:
		return fmt.Sprintf("%.0f%% of the edges are where they were", 100*e.kept)
	case night:
		return fmt.Sprintf("without colours or dark (mean luma %.0f)", e.mean)
	case cast:
		return fmt.Sprintf("colours are off by %+.0f (blue) and %+.0f (red)", e.u, e.v)
	}
	return fmt.Sprintf("%.2f%% of the pixels change at least, mean luma %.0f: too still or too dark for a freeze to be seen", e.usual, e.mean)
}
