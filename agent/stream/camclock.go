package stream

import "time"

// cameraClock compares the clock in the camera's sender reports with ours.
//
// A report may come late but never early, so the smallest difference of a
// minute is the truest one (moonfire-nvr's design/time.md does the same). The
// library's own decoding reads the fraction of the NTP time as nanoseconds and
// is wrong by up to 3.3 s.
type cameraClock struct {
	reports uint64
	offset  time.Duration // camera minus us, of the newest minute with reports
	steps   uint64        // jumps of more than clockStep from one report to the next, by the camera

	at      time.Duration // of the report before
	wall    time.Time     // and what our clock said then
	last    time.Duration // raw offset of the report before
	minute  int64         // which minute the best one below is of, from 1
	best    time.Duration
	history [16]clockPoint // one for every clockStride minutes, newest last
	points  int
}

type clockPoint struct{ at, offset time.Duration }

const (
	clockStep   = time.Second
	clockStride = 2                // minutes between points: 16 of them span half an hour
	driftAfter  = 10 * time.Minute // a drift over less would measure the network
)

// ntpEpoch is 1900-01-01 in Unix seconds (RFC 3550, 4).
const ntpEpoch = -2208988800

// ntpTime reads a time in NTP's format: seconds since 1900 and a fraction of
// 2^-32 s. Seconds below 2^31 belong to the era that begins in 2036 (RFC 4330, 3).
func ntpTime(n uint64) time.Time {
	sec := int64(n >> 32)
	if sec < 1<<31 {
		sec += 1 << 32
	}
	return time.Unix(sec+ntpEpoch, int64(n&0xffffffff*1e9>>32))
}

// add takes a sender report's NTP time. at is monotonic, wall is our clock.
func (c *cameraClock) add(at time.Duration, wall time.Time, ntp uint64) {
	if ntp == 0 { // RFC 3550, 6.4.1: the sender has no clock
		return
	}
	wall = wall.Round(0) // a monotonic reading would hide that our clock was set
	offset := ntpTime(ntp).Sub(wall)
	if c.reports > 0 && (offset-c.last).Abs() > clockStep {
		if ours := wall.Sub(c.wall) - (at - c.at); ours.Abs() <= clockStep/2 {
			c.steps++
		}
		c.points, c.minute = 0, 0 // what was before says nothing of the drift
	}
	c.reports, c.last, c.at, c.wall = c.reports+1, offset, at, wall
	minute := int64(at/time.Minute) + 1
	if minute != c.minute {
		if c.minute > 0 && (c.minute%clockStride == 0 || c.points == 0) {
			c.keep(clockPoint{at, c.best})
		}
		c.minute, c.best = minute, offset
	}
	// A report that was delayed makes the camera look slow, so the largest
	// offset is the least delayed one.
	c.best = max(c.best, offset)
	c.offset = c.best
}

func (c *cameraClock) keep(p clockPoint) {
	if c.points == len(c.history) {
		copy(c.history[:], c.history[1:])
		c.points--
	}
	c.history[c.points] = p
	c.points++
}

// drift is how fast the camera's clock gains on ours, in parts per million,
// and whether enough was seen to say it.
func (c *cameraClock) drift() (ppm float64, ok bool) {
	if c.points < 2 {
		return 0, false
	}
	first, last := c.history[0], c.history[c.points-1]
	span := last.at - first.at
	if span < driftAfter {
		return 0, false
	}
	return (last.offset - first.offset).Seconds() / span.Seconds() * 1e6, true
}
