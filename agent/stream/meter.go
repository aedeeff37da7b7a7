package stream

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// meter measures one session of one video medium from its packets' headers.
// It keeps no picture, and its memory does not grow.
//
// The library calls packet and report on its read goroutine, or on two of them
// with UDP; the watcher reads from another.
type meter struct {
	codec     Codec
	clockRate int
	began     time.Time
	holds     bool // the library holds packets back after a gap, up to 64 of them, to put them in order: over UDP

	mu      sync.Mutex // guards what follows
	seq     sequence
	jit     jitter
	clock   cameraClock
	params  parameters
	jpeg    Size
	badSPS  uint64
	deltas  sizes // of frames that are no keyframes
	keys    sizes
	short   window // 10 s
	long    window // 5 min
	ts      uint32 // of the frame that is coming in
	extTS   int64  // the same without its wrap
	started bool   // there was a frame
	counted bool   // the keyframe of this frame is
	current uint64 // bytes of this frame
	at      time.Duration
	tsJumps uint64        // time stamps that moved by more than maxJitterStep
	tsBack  uint64        // frames whose time stamp is before the one of the frame before: not sent in the order of display
	burst   time.Duration // when packets that were held back began to come
	anyAt   time.Duration // of the newest packet, RTCP too

	keyAt     time.Duration // arrival of the newest keyframe
	keyFrames uint64        // frames since then
	keyEvery  time.Duration // between the two newest keyframes; 0 is not known
	keyCount  uint64        // frames between them
	frames    uint64
}

// heldBurst is how long the packets that were held back take to come.
const heldBurst = 20 * time.Millisecond

func newMeter(c Codec, clockRate int, now time.Time) *meter {
	return &meter{
		codec: c, clockRate: clockRate, began: now,
		short: newWindow(time.Second, 10), long: newWindow(10*time.Second, 30),
	}
}

// declare takes the parameter set of the session description.
func (m *meter) declare(sps []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeSPS(sps)
}

// packet takes one RTP packet. It keeps no reference to it.
func (m *meter) packet(now time.Time, p *rtp.Packet) {
	at := now.Sub(m.began)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.anyAt = at
	v, lost := m.seq.add(p.SequenceNumber)
	s, l := m.short.at(at), m.long.at(at)
	for _, t := range [...]*tally{s, l} {
		t.packets++
		t.lost += int64(lost)
		t.bytes += uint64(len(p.Payload))
	}
	if v == duplicated {
		return
	}
	if m.holds && lost > 0 {
		m.burst = at
	}
	look := inspect(m.codec, p.Payload)
	if look.sps != nil {
		m.takeSPS(look.sps)
	}
	if look.size != (Size{}) {
		m.jpeg = look.size
	}
	if !look.picture {
		return
	}
	if v != late && (!m.started || p.Timestamp != m.ts) {
		m.frame(at, p.Timestamp, s, l)
	}
	m.current += uint64(len(p.Payload))
	s.largest, l.largest = max(s.largest, m.current), max(l.largest, m.current)
	if look.key && p.Timestamp == m.ts && !m.counted {
		m.keyframe(at, s, l)
	}
}

// frame begins a frame: its first packet came in.
func (m *meter) frame(at time.Duration, ts uint32, s, l *tally) {
	step := int64(int32(ts - m.ts))
	if m.started && time.Duration(step).Abs() > maxJitterStep/time.Second*time.Duration(m.clockRate) {
		m.tsJumps++
		step = int64((at - m.at).Seconds() * float64(m.clockRate)) // go on as if it had not
	}
	if !m.started {
		step = 0
	} else {
		m.frameEnded(at)
	}
	if step < 0 {
		m.tsBack++
	}
	if m.burst > 0 && at-m.burst < heldBurst {
		m.jit.started = false // it says when the library let go of it, not when it came
	} else {
		m.jit.add(at, ts, m.clockRate)
	}
	m.started, m.ts, m.at, m.counted, m.current = true, ts, at, false, 0
	m.extTS += step
	m.frames++
	m.keyFrames++
	for _, t := range [...]*tally{s, l} {
		t.add(tally{frames: 1, first: at, last: at, firstTS: m.extTS, lastTS: m.extTS})
	}
}

// frameEnded counts the size of the frame that was coming in.
func (m *meter) frameEnded(at time.Duration) {
	if m.counted {
		m.keys.add(at, m.current)
		return
	}
	m.deltas.add(at, m.current)
}

func (m *meter) keyframe(at time.Duration, s, l *tally) {
	m.counted = true
	if m.keyAt > 0 {
		m.keyEvery, m.keyCount = at-m.keyAt, m.keyFrames
	}
	m.keyAt, m.keyFrames = max(at, 1), 0
	s.keyframes++
	l.keyframes++
}

func (m *meter) takeSPS(sps []byte) {
	if err := m.params.take(m.codec, sps); err != nil {
		m.badSPS++
	}
}

// report takes one RTCP packet. wall is our clock, which may be set meanwhile.
func (m *meter) report(now, wall time.Time, p rtcp.Packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.anyAt = now.Sub(m.began)
	sr, ok := p.(*rtcp.SenderReport)
	if !ok {
		return
	}
	m.clock.add(now.Sub(m.began), wall, sr.NTPTime)
}
