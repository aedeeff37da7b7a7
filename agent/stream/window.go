package stream

import (
	"math"
	"time"
)

// tally is what was counted over some time.
type tally struct {
	packets, bytes, frames, keyframes uint64
	lost                              int64 // may be negative: late packets fill holes of before
	largest                           uint64
	// First and last frame: arrival since the meter began, and time stamp
	// without its wrap.
	first, last     time.Duration
	firstTS, lastTS int64
}

func (t *tally) add(o tally) {
	if o.frames > 0 {
		if t.frames == 0 {
			t.first, t.firstTS = o.first, o.firstTS
			t.lastTS = o.lastTS
		}
		t.last = o.last
		t.firstTS, t.lastTS = min(t.firstTS, o.firstTS), max(t.lastTS, o.lastTS)
	}
	t.packets += o.packets
	t.bytes += o.bytes
	t.frames += o.frames
	t.keyframes += o.keyframes
	t.lost += o.lost
	t.largest = max(t.largest, o.largest)
}

// window counts over the last len(slots) × width, in constant memory.
type window struct {
	width time.Duration
	slots []slot
}

type slot struct {
	n int64 // which stretch of width it holds, from 1; 0 is none
	tally
}

func newWindow(width time.Duration, n int) window {
	return window{width: width, slots: make([]slot, n)}
}

// at returns what is counted for the time now.
func (w *window) at(now time.Duration) *tally {
	n := int64(now/w.width) + 1
	s := &w.slots[n%int64(len(w.slots))]
	if s.n != n {
		*s = slot{n: n}
	}
	return &s.tally
}

// sum adds up what the window holds, and says how much time that covers: less
// than the whole window when the meter began later than that.
func (w *window) sum(now time.Duration) (total tally, covered time.Duration) {
	n := int64(now/w.width) + 1
	oldest := max(n-int64(len(w.slots))+1, 1)
	for i := oldest; i <= n; i++ {
		if s := &w.slots[i%int64(len(w.slots))]; s.n == i {
			total.add(s.tally)
		}
	}
	return total, now - time.Duration(oldest-1)*w.width
}

// variation is the standard deviation of the bytes of the full slots by their
// mean: below 0.1 the camera holds its bit rate. 0 is not known yet.
func (w *window) variation(now time.Duration) float64 {
	n := int64(now/w.width) + 1
	var sum, squares, count float64
	for i := range w.slots {
		s := &w.slots[i]
		if s.n < max(n-int64(len(w.slots))+1, 2) || s.n >= n { // the first is not full, the newest neither
			continue
		}
		b := float64(s.bytes)
		sum, squares, count = sum+b, squares+b*b, count+1
	}
	if count < leastSlots || sum == 0 {
		return 0
	}
	mean := sum / count
	return math.Sqrt(max(squares/count-mean*mean, 0)) / mean
}

// leastSlots is how many are needed to say how much they vary.
const leastSlots = 6

// fps is the frame rate of a tally that covers some time.
//
// Time stamps say it better than arrivals, which come in bursts; but some
// cameras' clocks run at another rate than they declare, and a stream that
// stopped within the window has a rate of its own no more.
func (t tally) fps(now, covered time.Duration, clockRate int) float64 {
	if t.frames < 2 || t.last <= t.first {
		return rate(float64(t.frames), covered)
	}
	if interval := (t.last - t.first) / time.Duration(t.frames-1); now-t.last > 5*interval+time.Second {
		return rate(float64(t.frames), covered)
	}
	byArrival := float64(t.frames-1) / (t.last - t.first).Seconds()
	if t.lastTS <= t.firstTS {
		return byArrival
	}
	byStamp := float64(t.frames-1) * float64(clockRate) / float64(t.lastTS-t.firstTS)
	apart := 2.0 // as far as bursts can make them
	if t.last-t.first >= 5*time.Second {
		apart = 1.3
	}
	if byStamp < byArrival/apart || byStamp > byArrival*apart {
		return byArrival
	}
	return byStamp
}

// rate is n per second; over less than half a second it says nothing.
func rate(n float64, covered time.Duration) float64 {
	if covered < time.Second/2 {
		return 0
	}
	return n / covered.Seconds()
}
