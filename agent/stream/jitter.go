package stream

import "time"

// jitter is the interarrival jitter of RFC 3550, 6.4.1, of the first packet of
// each frame: the others of a frame carry the same time stamp and would
// measure how the camera paces them. The library's jitter mixes clock rates
// and jumps at the wrap of the time stamp, every 13.3 h at 90 kHz.
type jitter struct {
	started bool
	at      time.Duration // arrival of the frame before, by a monotonic clock
	ts      uint32
	seconds float64
}

// maxJitterStep is the largest difference of time stamps that is measured; a
// larger one is a pause or a jump, which has counters of its own.
const maxJitterStep = 5 * time.Second

// add takes the arrival of a frame's first packet.
func (j *jitter) add(at time.Duration, ts uint32, clockRate int) {
	step := time.Duration(int32(ts-j.ts)) * time.Second / time.Duration(clockRate)
	transit := at - j.at - step
	usable := j.started && step.Abs() <= maxJitterStep && (at-j.at) <= maxJitterStep
	j.started, j.at, j.ts = true, at, ts
	if usable {
		j.seconds += (transit.Abs().Seconds() - j.seconds) / 16
	}
}
