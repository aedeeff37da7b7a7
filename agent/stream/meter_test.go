package stream

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// source makes H.264 packets for a meter, by its own clock.
type source struct {
	m   *meter
	now time.Time
	seq uint16
	ts  uint32
	n   int
}

func newSource(firstSeq uint16, firstTS uint32) *source {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return &source{m: newMeter(H264, 90000, now), now: now, seq: firstSeq, ts: firstTS}
}

// frames sends n frames of 4 packets of 1000 bytes, 25 a second, a keyframe
// every 50; drop names packets that are lost on the way.
func (s *source) frames(n int, drop func(packet int) bool) {
	for range n {
		for i := range 4 {
			nal := []byte{0x41, 0x9a} // a slice
			if s.n%50 == 0 {
				nal = []byte{0x65, 0x88}
			}
			p := &rtp.Packet{Header: rtp.Header{SequenceNumber: s.seq, Timestamp: s.ts, Marker: i == 3}, Payload: append(nal, make([]byte, 998)...)}
			if drop == nil || !drop(s.n*4+i) {
				s.m.packet(s.now, p)
			}
			s.seq++
		}
		s.n++
		s.ts += 3600
		s.now = s.now.Add(40 * time.Millisecond)
	}
}

func TestMeterOnAGoodStream(t *testing.T) {
	// Both counters wrap on the way.
	s := newSource(65000, math.MaxUint32-100*3600)
	s.frames(25*30, nil)
	m := s.m.measure(s.now)
	if m.Frames != 750 || m.Packets != 3000 || m.Lost != 0 || m.TimeJumps != 0 || m.SeqJumps != 0 {
		t.Errorf("frames %d, packets %d, lost %d, jumps %d and %d", m.Frames, m.Packets, m.Lost, m.TimeJumps, m.SeqJumps)
	}
	if math.Abs(m.Short.FPS-25) > 0.01 || math.Abs(m.Long.FPS-25) > 0.01 {
		t.Errorf("%.2f and %.2f pictures a second, want 25", m.Short.FPS, m.Long.FPS)
	}
	if bps := m.Short.BitsPerS; bps < 790_000 || bps > 810_000 {
		t.Errorf("%d bits a second, want 800000", bps)
	}
	if m.KeyframeTime != 2*time.Second || m.KeyframeGOP != 50 {
		t.Errorf("a keyframe every %v or %d frames, want 2s or 50", m.KeyframeTime, m.KeyframeGOP)
	}
	if m.Short.Largest != 4000 {
		t.Errorf("largest frame %d bytes, want 4000", m.Short.Largest)
	}
	if m.Jitter > time.Microsecond {
		t.Errorf("jitter %v, want 0", m.Jitter)
	}
	if m.SinceFrame != 40*time.Millisecond {
		t.Errorf("%v since the newest frame, want 40ms", m.SinceFrame)
	}
}

func TestMeterCountsLoss(t *testing.T) {
	s := newSource(0, 0)
	s.frames(500, func(p int) bool { return p%50 == 7 })
	m := s.m.measure(s.now)
	if m.Lost != 40 {
		t.Errorf("%d lost, want 40", m.Lost)
	}
	if math.Abs(m.Short.LossRatio-0.02) > 0.002 {
		t.Errorf("loss %.4f, want 0.02", m.Short.LossRatio)
	}
}

func TestMeterSeesAJumpOfTheTimeStamp(t *testing.T) {
	s := newSource(0, 0)
	s.frames(250, nil)
	s.ts += 1 << 30
	s.frames(250, nil)
	m := s.m.measure(s.now)
	if m.TimeJumps != 1 {
		t.Errorf("%d jumps, want 1", m.TimeJumps)
	}
	if math.Abs(m.Long.FPS-25) > 0.1 {
		t.Errorf("%.2f pictures a second over the jump, want 25", m.Long.FPS)
	}
}

// TestMeterIgnoresWhatIsNoPicture: parameter sets and empty packets that go on
// while the picture has stopped must not look like a picture.
func TestMeterIgnoresWhatIsNoPicture(t *testing.T) {
	s := newSource(0, 0)
	s.frames(25, nil)
	for i := range 20 {
		s.now = s.now.Add(time.Second)
		s.ts += 90000
		s.seq++
		p := &rtp.Packet{Header: rtp.Header{SequenceNumber: s.seq, Timestamp: s.ts}}
		if i%2 == 0 {
			p.Payload = []byte{0x68, 0xce, 0x38, 0x80} // a picture parameter set
		}
		s.m.packet(s.now, p)
	}
	if m := s.m.measure(s.now); m.Frames != 25 || m.SinceFrame < 20*time.Second {
		t.Errorf("%d frames, newest %v ago; want 25, 20s ago", m.Frames, m.SinceFrame)
	}
}

func TestMeterDoesNotAllocate(t *testing.T) {
	s := newSource(0, 0)
	p := &rtp.Packet{Payload: append([]byte{0x41, 0x9a}, make([]byte, 998)...)}
	now := s.now
	if n := testing.AllocsPerRun(1000, func() {
		p.SequenceNumber++
		p.Timestamp += 900
		now = now.Add(time.Millisecond)
		s.m.packet(now, p)
	}); n > 0 {
		t.Errorf("%v allocations a packet, want 0", n)
	}
}

func BenchmarkPackets(b *testing.B) {
	s := newSource(0, 0)
	p := &rtp.Packet{Payload: append([]byte{0x41, 0x9a}, make([]byte, 1398)...)}
	b.ReportAllocs()
	b.SetBytes(int64(len(p.Payload)))
	for i := 0; b.Loop(); i++ {
		p.SequenceNumber++
		if i%15 == 0 { // 380 packets a second at 25 pictures, as measured of 1080p at 4 Mbit/s
			p.Timestamp += 3600
		}
		s.m.packet(s.now.Add(time.Duration(i)*2631*time.Microsecond), p)
	}
}
