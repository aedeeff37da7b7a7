package picture

import (
	"slices"
	"time"
)

// repeats finds pictures that were there before, to the last bit.
//
// A camera whose sensor or processor hangs encodes the same picture again and
// again. With a constant quality every keyframe is the same then. With a
// constant bit rate the quantizer wanders, and two keyframes of one frozen
// picture may differ by more than two of a living one; but the quantizer comes
// back to values that it had, and the same picture at the same quantizer gives
// the same pixels. The noise of a living sensor never does. So each block is
// compared with those of the newest looks, as a hash; and when a picture
// repeats one that repeated another, it has stood still since the first.
type repeats struct {
	looks [repeatLooks]struct {
		hashes [blocks]uint32
		since  time.Duration // from when on the picture has stood still
		valid  bool
	}
	slot   int
	missed int  // looks in a row that repeated nothing
	hits   int  // looks of this stretch that did
	strong bool // one of them left no doubt
}

const (
	repeatLooks    = 16  // how far back a repetition is found
	repeatVariance = 0.5 // of a block that can tell
	repeatBlocks   = 20  // that can tell, at least
)

// add takes a look, and returns the share of its blocks that were there
// before and since when, by the running time now, the picture has stood still
// if they are enough to say so.
//
// Blocks without any noise say nothing: what the camera blackens for privacy,
// and a sky at the limit of white, are the same in every living picture.
func (r *repeats) add(y *luma, measured *[blocks]block, now time.Duration, mask, clock *[blocks]bool) (share float32, since time.Duration) {
	l := &r.looks[r.slot]
	l.valid = false // the oldest makes room
	var seen [blocks]time.Duration
	n, judged := 0, 0
	for i := range l.hashes {
		l.hashes[i] = hash(y, i)
		if mask[i] || clock[i] || measured[i].variance < repeatVariance {
			continue
		}
		judged++
		if s, ok := r.find(i, l.hashes[i]); ok {
			seen[n] = s
			n++
		}
	}
	l.valid, l.since = true, now
	share = float32(n) / float32(max(judged, 1))
	if n == 0 || judged < repeatBlocks {
		return 0, now
	}
	slices.Sort(seen[:n])
	return share, seen[n/2]
}

// find returns since when the block has looked like this, if it has.
func (r *repeats) find(block int, hash uint32) (since time.Duration, ok bool) {
	for i := range r.looks {
		if l := &r.looks[i]; l.valid && l.hashes[block] == hash && (!ok || l.since < since) {
			since, ok = l.since, true
		}
	}
	return since, ok
}

// chain ends a look: it has stood still since then, which is now when it has not.
func (r *repeats) chain(since time.Duration) {
	r.looks[r.slot].since = since
	r.slot = (r.slot + 1) % repeatLooks
}

// before returns since when the look before this one had stood still.
func (r *repeats) before() time.Duration {
	return r.looks[(r.slot+repeatLooks-1)%repeatLooks].since
}

// hash is FNV-1a over the pixels of a block.
func hash(y *luma, block int) uint32 {
	at := block/blocksX*blockSize*Width + block%blocksX*blockSize
	h := uint32(2166136261)
	for row := range blockSize {
		for _, v := range y[at+row*Width : at+row*Width+blockSize] {
			h = (h ^ uint32(v)) * 16777619
		}
	}
	return h
}
