package stream

import (
	"math"
	"time"

	"kentongan/agent/report"
)

// Measure is what is known of a session at a moment.
type Measure struct {
	Codec        Codec
	Size         Size
	Profile      string        // of the parameter set, as "main"; "" is not known
	Level        string        // as "4.1"
	DeclaredFPS  float64       // by the parameter set; 0 is not known
	Frames       uint64        // since the session began
	SinceFrame   time.Duration // since the newest frame began to come in; -1 when there was none
	KeyframeTime time.Duration // between the two newest keyframes; 0 is not known
	KeyframeGOP  uint64        // frames from one to the other
	SinceKey     uint64        // frames since the newest
	FrameP50     uint64        // bytes of frames that are no keyframes, over 5 to 10 min
	FrameP95     uint64
	KeyP50       uint64  // of keyframes
	RateCV       float64 // how much the bit rate varies: standard deviation by mean of 10 s, over 5 min; 0 is not known
	Jitter       time.Duration
	Packets      uint64
	Lost         uint64
	Reordered    uint64
	Duplicates   uint64
	SeqJumps     uint64 // the camera counted anew
	TimeJumps    uint64 // its time stamps jumped
	BackSteps    uint64 // frames that are not sent in the order of display
	SizeChanges  uint64 // of the parameter set
	BadSPS       uint64 // parameter sets that could not be read
	Reports      uint64 // RTCP sender reports
	ClockOffset  time.Duration
	ClockDrift   float64 // parts per million; see DriftKnown
	DriftKnown   bool
	ClockSteps   uint64
	Short, Long  Rates // over 10 s and over 5 min
}

// Size of a picture in pixels; 0 is not known.
type Size struct{ Width, Height int }

// Rates is what was measured over a window.
type Rates struct {
	Covered   time.Duration
	FPS       float64
	BitsPerS  int64
	Packets   uint64
	LossRatio float64 // 0 to 1
	Keyframes uint64
	Largest   uint64 // bytes of the largest frame
}

// measure reads the meter.
func (m *meter) measure(now time.Time) Measure {
	at := now.Sub(m.began)
	m.mu.Lock()
	defer m.mu.Unlock()
	out := Measure{
		Codec: m.codec, Size: m.params.size, Profile: profileName(m.codec, m.params.profile), Level: levelName(m.codec, m.params.level), DeclaredFPS: m.params.fps,
		Frames: m.frames, SinceFrame: -1,
		KeyframeTime: m.keyEvery, KeyframeGOP: m.keyCount, SinceKey: m.keyFrames,
		FrameP50: m.deltas.quantile(0.5), FrameP95: m.deltas.quantile(0.95), KeyP50: m.keys.quantile(0.5), RateCV: m.long.variation(at),
		Jitter:  time.Duration(m.jit.seconds * float64(time.Second)),
		Packets: m.seq.packets, Lost: m.seq.lost, Reordered: m.seq.reordered, Duplicates: m.seq.duplicates, SeqJumps: m.seq.jumps,
		TimeJumps: m.tsJumps, BackSteps: m.tsBack, SizeChanges: m.params.changes, BadSPS: m.badSPS,
		Reports: m.clock.reports, ClockOffset: m.clock.offset, ClockSteps: m.clock.steps,
		Short: m.short.rates(at, m.clockRate), Long: m.long.rates(at, m.clockRate),
	}
	if m.codec == MJPEG {
		out.Size = m.jpeg
	}
	if m.started {
		out.SinceFrame = at - m.at
	}
	out.ClockDrift, out.DriftKnown = m.clock.drift()
	return out
}

func (w *window) rates(now time.Duration, clockRate int) Rates {
	t, covered := w.sum(now)
	r := Rates{
		Covered: covered, Packets: t.packets, FPS: t.fps(now, covered, clockRate), Keyframes: t.keyframes, Largest: t.largest,
		BitsPerS: int64(rate(float64(t.bytes)*8, covered)),
	}
	if lost := max(t.lost, 0); lost > 0 {
		r.LossRatio = float64(lost) / float64(uint64(lost)+t.packets)
	}
	return r
}

// stats is a measure as it is reported.
func (m Measure) stats(name string) report.StreamStats {
	s := report.StreamStats{
		Name: name, WindowMS: m.Short.Covered.Milliseconds(),
		FPS: round(m.Short.FPS), BitsPerS: m.Short.BitsPerS,
		Packets: m.Packets, PacketsLost: m.Lost, SinceFrameMS: -1,
		LossRatio: math.Round(m.Short.LossRatio*1e5) / 1e5, JitterMS: round(m.Jitter.Seconds() * 1e3),
		KeyframeMS: m.KeyframeTime.Milliseconds(), GOP: m.KeyframeGOP, LargestB: m.Short.Largest,
		Reordered: m.Reordered, Duplicates: m.Duplicates, Jumps: m.SeqJumps + m.TimeJumps,
		BackSteps: m.BackSteps, Parameters: m.SizeChanges, ClockSteps: m.ClockSteps,
		FPS5m: round(m.Long.FPS), BitsPerS5m: m.Long.BitsPerS, LossRatio5: math.Round(m.Long.LossRatio*1e5) / 1e5,
		FrameP50: m.FrameP50, FrameP95: m.FrameP95, KeyP50: m.KeyP50, RateCV: round(m.RateCV),
		Profile: m.Profile, Level: m.Level, DeclaredFPS: round(m.DeclaredFPS),
	}
	if m.Reports > 0 {
		s.ClockOffsetMS = new(m.ClockOffset.Milliseconds())
	}
	if m.DriftKnown {
		s.ClockDriftPPM = new(math.Round(m.ClockDrift*10) / 10)
	}
	if m.SinceFrame >= 0 {
		s.SinceFrameMS = m.SinceFrame.Milliseconds()
	}
	return s
}

// round keeps two digits: more would be noise on the wire.
func round(f float64) float64 { return math.Round(f*100) / 100 }

// age is how long ago the newest frame began, and what came at all.
func (m *meter) age(now time.Time) (frames, packets uint64, age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frames, m.seq.packets, now.Sub(m.began) - m.at
}

// trickles tells whether packets of any kind came within the last d.
func (m *meter) trickles(now time.Time, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.anyAt > 0 && now.Sub(m.began)-m.anyAt <= d
}

func (m *meter) pictureSize() Size {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.codec == MJPEG {
		return m.jpeg
	}
	return m.params.size
}
