package stream

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// findings remembers what was found.
type findings struct{ all []Finding }

func (f *findings) add(one Finding) { f.all = append(f.all, one) }
func (f *findings) of(condition string) (out []Finding) { // in order
	for _, one := range f.all {
		if one.Condition == condition {
			out = append(out, one)
		}
	}
	return out
}

// good is what a healthy 1080p25 camera measures.
func good() Measure {
	return Measure{
		Codec: H264, Profile: "high", Size: Size{1920, 1080}, KeyframeGOP: 50, SinceKey: 10, Reports: 5,
		Short: Rates{Covered: 10 * time.Second, FPS: 25, BitsPerS: 4_000_000, Packets: 3800},
		Long:  Rates{Covered: 5 * time.Minute, FPS: 25, BitsPerS: 4_000_000, Packets: 114000},
	}
}

var contract = Expect{Codec: H264, Profile: "high", Width: 1920, Height: 1080, FPS: 25, Bitrate: 4_000_000, GOP: 50}

// TestRules gives a finder a fault for two minutes and then a good stream for
// three, and looks when each condition comes and goes.
func TestRules(t *testing.T) {
	type want struct {
		condition    string
		after, clear time.Duration // from the fault's begin; from its end
		cause        string
		detail       string
	}
	tests := map[string]struct {
		fault func(*sample)
		want  []want // nil: nothing is found
	}{
		"half the frames":   {func(s *sample) { s.m.Short.FPS = 12.5 }, []want{{CondFPS, time.Minute, 30 * time.Second, CauseCamera, "12.5 pictures a second, 25 are expected"}}},
		"twice the frames":  {func(s *sample) { s.m.Short.FPS = 50 }, []want{{CondFPS, time.Minute, 30 * time.Second, CauseCamera, "50.0 pictures"}}},
		"a few frames less": {func(s *sample) { s.m.Short.FPS = 21 }, nil},
		"few frames, board busy": {func(s *sample) { s.m.Short.FPS, s.starved = 10, true }, []want{
			{CondFPS, time.Minute, 30 * time.Second, CauseBoard, "short of processor time"}}},
		"few frames, packets lost": {func(s *sample) { s.m.Short.FPS, s.m.Short.LossRatio = 10, 0.08 }, []want{
			{CondFPS, time.Minute, 30 * time.Second, CauseNetwork, "8.0 % of the packets"},
			{CondLossy, 20 * time.Second, time.Minute, CauseNetwork, "8.0 %"}}},
		"a tenth of the bits":    {func(s *sample) { s.m.Long.BitsPerS = 400_000 }, []want{{CondBitrate, 0, 0, CauseCamera, "400 kbit/s over 5 min, 4000 kbit/s are expected"}}},
		"twice the bits":         {func(s *sample) { s.m.Long.BitsPerS = 8_000_000 }, []want{{CondBitrate, 0, 0, CauseCamera, "8000 kbit/s"}}},
		"the bits of a night":    {func(s *sample) { s.m.Long.BitsPerS = 1_300_000 }, nil},
		"bits of a short time":   {func(s *sample) { s.m.Long = Rates{Covered: time.Minute, BitsPerS: 1000} }, nil},
		"long GOP":               {func(s *sample) { s.m.KeyframeGOP = 250 }, []want{{CondGOP, time.Minute, time.Minute, CauseCamera, "a keyframe in 250 frames, one in 50"}}},
		"no keyframe any more":   {func(s *sample) { s.m.SinceKey = 1000 }, []want{{CondGOP, time.Minute, time.Minute, CauseCamera, "no keyframe for 1000 frames"}}},
		"another codec":          {func(s *sample) { s.m.Codec, s.m.Profile = H265, "main" }, []want{{CondCodec, 2 * time.Second, 2 * time.Second, CauseCamera, "sends H265 main, H264 high is expected"}}},
		"another profile":        {func(s *sample) { s.m.Profile = "baseline" }, []want{{CondCodec, 2 * time.Second, 2 * time.Second, CauseCamera, "sends H264 baseline"}}},
		"another size":           {func(s *sample) { s.m.Size = Size{640, 360} }, []want{{CondSize, 2 * time.Second, 2 * time.Second, CauseCamera, "640x360 pixels, 1920x1080"}}},
		"size not known yet":     {func(s *sample) { s.m.Size = Size{} }, nil},
		"loss":                   {func(s *sample) { s.m.Short.LossRatio = 0.02 }, []want{{CondLossy, 20 * time.Second, time.Minute, CauseNetwork, "2.0 % of the packets"}}},
		"loss over TCP":          {func(s *sample) { s.m.Short.LossRatio, s.tcp = 0.02, true }, []want{{CondLossy, 20 * time.Second, time.Minute, CauseNetwork, "over TCP"}}},
		"loss, board busy":       {func(s *sample) { s.m.Short.LossRatio, s.starved = 0.02, true }, []want{{CondLossy, 20 * time.Second, time.Minute, CauseBoard, "processor time"}}},
		"loss in our own socket": {func(s *sample) { s.m.Short.LossRatio, s.overflowed = 0.02, 70 }, []want{{CondLossy, 20 * time.Second, time.Minute, CauseBoard, "no room for 70"}}},
		"a little loss":          {func(s *sample) { s.m.Short.LossRatio = 0.009 }, nil},
		"loss of two packets":    {func(s *sample) { s.m.Short.LossRatio, s.m.Short.Packets = 0.5, 4 }, nil},
		"clock 5 s behind":       {func(s *sample) { s.m.ClockOffset = -5 * time.Second }, []want{{CondClock, time.Minute, time.Minute, CauseCamera, "5s behind ours"}}},
		"clock in another zone":  {func(s *sample) { s.m.ClockOffset = 7*time.Hour + 200*time.Millisecond }, []want{{CondClock, time.Minute, time.Minute, CauseCamera, "wrong time zone"}}},
		"clock of 1970":          {func(s *sample) { s.m.ClockOffset = -56 * 365 * 24 * time.Hour }, []want{{CondClock, time.Minute, time.Minute, CauseCamera, "it is not set"}}},
		"clock drifts":           {func(s *sample) { s.m.ClockDrift, s.m.DriftKnown = -350, true }, []want{{CondClock, time.Minute, time.Minute, CauseCamera, "gains -350 ppm"}}},
		"clock 1.8 s off":        {func(s *sample) { s.m.ClockOffset = 1800 * time.Millisecond }, nil},
		"our own clock is unset": {func(s *sample) { s.m.ClockOffset, s.clockKnown = -56*365*24*time.Hour, false }, nil},
		"no sender reports":      {func(s *sample) { s.m.ClockOffset, s.m.Reports = time.Hour, 0 }, nil},
	}
	const lead, lasts, after = 2 * time.Minute, 2 * time.Minute, 3 * time.Minute
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := &findings{}
			f := newFinder(contract, out.add)
			seen := map[string][]time.Duration{} // condition: when it came and went, from lead
			n := 0
			for at := time.Duration(0); at < lead+lasts+after; at += time.Second {
				m := good()
				s := sample{m: &m, clockKnown: true}
				if at >= lead && at < lead+lasts {
					tt.fault(&s)
				}
				f.measured(at, s)
				for ; n < len(out.all); n++ {
					if at >= lead {
						seen[out.all[n].Condition] = append(seen[out.all[n].Condition], at-lead)
					}
				}
			}
			for _, w := range tt.want {
				when, got := seen[w.condition], out.of(w.condition)
				delete(seen, w.condition)
				if !slices.Equal(when, []time.Duration{w.after, lasts + w.clear}) {
					t.Errorf("%s came and went at %v, want %v and %v", w.condition, when, w.after, lasts+w.clear)
					continue
				}
				if len(got) != 3 || got[0].Present || !got[1].Present || got[2].Present {
					t.Fatalf("%s: %+v, want absent, present, absent", w.condition, got)
				}
				if got[1].Cause != w.cause || !strings.Contains(got[1].Detail, w.detail) || got[1].Confidence <= 0 || got[1].Confidence > 1 {
					t.Errorf("%s: %+v, want cause %s and %q", w.condition, got[1], w.cause, w.detail)
				}
				if got[2].Cause != "" {
					t.Errorf("%s is absent with the cause %q", w.condition, got[2].Cause)
				}
			}
			if len(seen) > 0 {
				t.Errorf("found too: %v", seen)
			}
		})
	}
}

// TestNoContract: without an Expect nothing of it is found, good or bad.
func TestNoContract(t *testing.T) {
	out := &findings{}
	f := newFinder(Expect{}, out.add)
	for at := time.Duration(0); at < 10*time.Minute; at += time.Second {
		m := good()
		m.Short.FPS, m.KeyframeGOP = 1, 5000
		f.measured(at, sample{m: &m, clockKnown: true})
	}
	if got := out.of(CondLossy); len(got) != 1 || got[0].Present {
		t.Errorf("loss: %+v, want that there is none", got)
	}
	for _, one := range out.all {
		if one.Present || one.Condition != CondLossy && one.Condition != CondClock {
			t.Errorf("found %+v", one)
		}
	}
}

// TestFlicker: what is bad for half of the time is never found, and what is
// present does not end for a moment of good.
func TestFlicker(t *testing.T) {
	out := &findings{}
	f := newFinder(contract, out.add)
	bad := func(at time.Duration) bool {
		if at < 10*time.Minute {
			return at%time.Minute < 30*time.Second
		}
		return at%time.Minute > 20*time.Second
	}
	for at := time.Duration(0); at < 20*time.Minute; at += time.Second {
		m := good()
		if bad(at) || at > 12*time.Minute && at < 14*time.Minute {
			m.Short.FPS = 5
		}
		f.measured(at, sample{m: &m, clockKnown: true})
	}
	got := out.of(CondFPS)
	present := 0
	for _, one := range got {
		if one.Present {
			present++
		}
	}
	if present != 1 || !got[len(got)-1].Present {
		t.Errorf("found %d times, want once and for good: %+v", present, got)
	}
}

func TestExpectRefuses(t *testing.T) {
	for want, e := range map[string]Expect{
		"codec":           {Codec: "VP8"},
		"profile":         {Profile: "High"},
		"come together":   {Width: 1920},
		"can be negative": {FPS: -1},
	} {
		if err := e.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", e, err, want)
		}
	}
	if err := contract.check(); err != nil {
		t.Error(err)
	}
}
