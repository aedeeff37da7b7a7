package stream

import (
	"fmt"
	"time"
)

// Thresholds of loss and of the camera's clock.
const (
	// One packet in a hundred damages each keyframe of a 4 Mbit/s stream, which
	// has some 40; below a third of that most pictures are whole.
	lossBad, lossGood = 0.01, 0.003
	lossHold          = 20 * time.Second
	lossClear         = time.Minute
	lossPackets       = 100 // in the window, so that one lost packet is no per cent

	// Evidence needs the time to a few seconds. An uncorrected quartz drifts
	// by 20 ppm, moonfire-nvr's cameras by that much (its design/time.md).
	offsetBad, offsetGood = 2 * time.Second, 1500 * time.Millisecond
	offsetGross           = 10 * time.Second
	driftBad, driftGood   = 200.0, 150.0 // parts per million
	clockHold             = time.Minute
)

// healthRules need no Expect.
var healthRules = []rule{
	{CondLossy, lossHold, lossClear, lossRule},
	{CondClock, clockHold, clockHold, clockRule},
}

func lossRule(s *sample) (v view) {
	r := s.m.Short
	if r.Covered < fullShort || r.Packets < lossPackets {
		return v
	}
	v = view{
		known: true, bad: r.LossRatio >= lossBad, good: r.LossRatio < lossGood,
		confidence: 0.9, cause: CauseNetwork,
		detail: fmt.Sprintf("%.1f %% of the packets were lost within 10 s", 100*r.LossRatio),
	}
	switch {
	case s.starved:
		v.cause, v.confidence, v.detail = CauseBoard, 0.7, v.detail+"; this board is short of processor time"
	case s.overflowed > 0 && float64(s.overflowed) >= r.LossRatio*float64(r.Packets)/2:
		v.cause, v.detail = CauseBoard, fmt.Sprintf("%s; this board's own sockets had no room for %d", v.detail, s.overflowed)
	case s.tcp:
		v.confidence, v.detail = 0.6, v.detail+"; they come over TCP, so the camera itself left them out: the way is too slow for it, or it is overloaded"
	}
	return v
}

func clockRule(s *sample) (v view) {
	m := s.m
	if m.Reports == 0 || !s.clockKnown {
		return v
	}
	offset, drift := m.ClockOffset.Abs(), max(m.ClockDrift, -m.ClockDrift)
	if !m.DriftKnown {
		drift = 0
	}
	v = view{
		known: true, bad: offset > offsetBad || drift > driftBad, good: offset < offsetGood && drift < driftGood,
		confidence: 0.8, cause: CauseCamera, detail: clockDetail(m),
	}
	if offset > offsetGross {
		v.confidence = 1
	}
	return v
}

// clockDetail says how far the camera's clock is off, and what that looks like.
func clockDetail(m *Measure) string {
	text := fmt.Sprintf("the camera's clock is %v ahead of ours", m.ClockOffset.Round(time.Millisecond))
	if m.ClockOffset < 0 {
		text = fmt.Sprintf("the camera's clock is %v behind ours", -m.ClockOffset.Round(time.Millisecond))
	}
	const zone = 15 * time.Minute // time zones differ by multiples of it
	switch near := m.ClockOffset.Round(zone); {
	case m.ClockOffset.Abs() > 365*24*time.Hour:
		text += ": it is not set"
	case near != 0 && near.Abs() <= 14*time.Hour && (m.ClockOffset-near).Abs() < offsetBad:
		text += ": as if it had the wrong time zone"
	}
	if m.DriftKnown {
		text += fmt.Sprintf(", and gains %.0f ppm", m.ClockDrift)
	}
	if m.ClockSteps > 0 {
		text += fmt.Sprintf("; it jumped %d times in this session", m.ClockSteps)
	}
	return text
}
