package stream

import (
	"math/bits"
	"time"
)

// sizes is the distribution of frame sizes over the last five to ten minutes:
// two histograms that take turns, so that old frames fade without a list of
// them. A bucket is a quarter of an octave wide, so a quantile is within 10 %.
type sizes struct {
	began time.Duration // of now
	now   histogram
	prev  histogram
}

const (
	sizesTurn    = 5 * time.Minute
	leastSize    = 16 // bytes; what is smaller shares a bucket
	leastOctave  = 4  // of leastSize
	sizeOctaves  = 19 // up to 8 MiB
	perOctave    = 4
	sizeBuckets  = 1 + sizeOctaves*perOctave
	lastSizeSlot = sizeBuckets - 1
)

type histogram [sizeBuckets]uint32

// add takes one frame.
func (s *sizes) add(at time.Duration, n uint64) {
	if at-s.began >= sizesTurn {
		if s.prev = s.now; at-s.began >= 2*sizesTurn {
			s.prev = histogram{}
		}
		s.now, s.began = histogram{}, at
	}
	s.now[sizeBucket(n)]++
}

func sizeBucket(n uint64) int {
	if n < leastSize {
		return 0
	}
	octave := bits.Len64(n) - 1
	quarter := int(n>>(octave-2)) & (perOctave - 1)
	return min(1+(octave-leastOctave)*perOctave+quarter, lastSizeSlot)
}

// bucketSize is the middle of a bucket in bytes.
func bucketSize(b int) uint64 {
	if b == 0 {
		return leastSize / 2
	}
	octave, quarter := (b-1)/perOctave+leastOctave, (b-1)%perOctave
	low := uint64(perOctave+quarter) << (octave - 2)
	return low + uint64(1)<<(octave-3)
}

// quantile is the size below which the share q of the frames lies, in bytes;
// 0 without a frame.
func (s *sizes) quantile(q float64) uint64 {
	var total uint64
	for b := range s.now {
		total += uint64(s.now[b]) + uint64(s.prev[b])
	}
	if total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(total)), total-1)
	for b := range s.now {
		n := uint64(s.now[b]) + uint64(s.prev[b])
		if rank < n {
			return bucketSize(b)
		}
		rank -= n
	}
	return bucketSize(lastSizeSlot)
}
