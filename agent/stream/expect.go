package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Expect is what the configuration says of a stream. What is 0 or "" is not
// checked.
type Expect struct {
	Codec         Codec
	Profile       string // one of Profiles
	Width, Height int    // pixels; both or none
	FPS           float64
	Bitrate       int64 // bits per second
	GOP           int   // frames from one keyframe to the next
}

// Profiles that an Expect can name.
func Profiles() []string {
	return []string{"baseline", "main", "extended", "high", "high10", "high422", "high444", "main10", "mainstill", "rext"}
}

func (e Expect) check() error {
	switch {
	case e.Codec != "" && !slices.Contains([]Codec{H264, H265, MJPEG}, e.Codec):
		return fmt.Errorf("expect: codec %q: it can be H264, H265 or MJPEG", e.Codec)
	case e.Profile != "" && !slices.Contains(Profiles(), e.Profile):
		return fmt.Errorf("expect: profile %q: it can be %s", e.Profile, strings.Join(Profiles(), ", "))
	case (e.Width > 0) != (e.Height > 0) || e.Width < 0 || e.Height < 0:
		return fmt.Errorf("expect: size %dx%d: width and height come together", e.Width, e.Height)
	case e.FPS < 0 || e.Bitrate < 0 || e.GOP < 0:
		return fmt.Errorf("expect: fps %v, bitrate %d, gop %d: none can be negative", e.FPS, e.Bitrate, e.GOP)
	}
	return nil
}

// Thresholds of the contract. Frame rate, bit rate and keyframes: docs/
// explanation/streams.md, "What the configuration expects". The second of each
// pair is where it is good again; in between nothing changes.
const (
	fpsLow, fpsLowGood         = 0.8, 0.9 // of what is expected
	fpsHigh, fpsHighGood       = 1.5, 1.3
	bitrateLow, bitrateLowGood = 0.3, 0.35
	bitrateHigh, bitrateHiGood = 1.5, 1.4
	gopHigh, gopHighGood       = 2.0, 1.5

	fpsHold     = time.Minute
	fpsClear    = 30 * time.Second
	gopHold     = time.Minute
	settingHold = 2 * time.Second
	fullShort   = 8 * time.Second // of the 10 s window, so that it says something
	fullLong    = 280 * time.Second
)

// contractRules are those that an Expect brings.
var contractRules = []rule{
	{CondFPS, fpsHold, fpsClear, fpsRule},
	{CondBitrate, 0, 0, bitrateRule},
	{CondGOP, gopHold, gopHold, gopRule},
	{CondCodec, settingHold, settingHold, codecRule},
	{CondSize, settingHold, settingHold, sizeRule},
}

func fpsRule(s *sample) (v view) {
	want, got := s.expect.FPS, s.m.Short.FPS
	if want <= 0 || s.m.Short.Covered < fullShort {
		return v
	}
	ratio := got / want
	v = view{
		known: true, bad: ratio < fpsLow || ratio > fpsHigh, good: ratio >= fpsLowGood && ratio <= fpsHighGood,
		confidence: 0.9, cause: CauseCamera,
		detail: fmt.Sprintf("%.1f pictures a second, %g are expected", got, want),
	}
	switch {
	case ratio < fpsLow && s.starved:
		v.cause, v.detail = CauseBoard, v.detail+"; this board is short of processor time"
	case ratio < fpsLow && s.m.Short.LossRatio >= lossBad:
		v.cause, v.detail = CauseNetwork, fmt.Sprintf("%s; %.1f %% of the packets are lost", v.detail, 100*s.m.Short.LossRatio)
	}
	return v
}

func bitrateRule(s *sample) (v view) {
	want, got := s.expect.Bitrate, s.m.Long.BitsPerS
	if want <= 0 || s.m.Long.Covered < fullLong {
		return v
	}
	ratio := float64(got) / float64(want)
	return view{
		known: true, bad: ratio < bitrateLow || ratio > bitrateHigh, good: ratio >= bitrateLowGood && ratio <= bitrateHiGood,
		confidence: 0.9, cause: CauseCamera,
		detail: fmt.Sprintf("%s over 5 min, %s are expected", kilobits(got), kilobits(want)),
	}
}

func kilobits(bps int64) string { return fmt.Sprintf("%d kbit/s", (bps+500)/1000) }

func gopRule(s *sample) (v view) {
	if s.expect.GOP <= 0 || s.m.Codec == MJPEG {
		return v
	}
	newest := max(s.m.KeyframeGOP, s.m.SinceKey)
	ratio := float64(newest) / float64(s.expect.GOP)
	v = view{
		known: true, bad: ratio > gopHigh, good: ratio <= gopHighGood && s.m.KeyframeGOP > 0,
		confidence: 0.9, cause: CauseCamera,
		detail: fmt.Sprintf("a keyframe in %d frames, one in %d is expected", newest, s.expect.GOP),
	}
	if s.m.KeyframeGOP == 0 || s.m.SinceKey > s.m.KeyframeGOP {
		v.detail = fmt.Sprintf("no keyframe for %d frames, one in %d is expected", s.m.SinceKey, s.expect.GOP)
	}
	return v
}

func codecRule(s *sample) (v view) {
	e, m := s.expect, s.m
	got, want := string(m.Codec), string(e.Codec)
	profile := e.Profile != "" && m.Profile != ""
	if e.Codec == "" && !profile {
		return v
	}
	bad := e.Codec != "" && e.Codec != m.Codec
	if profile {
		bad = bad || e.Profile != m.Profile
		got, want = strings.TrimSpace(got+" "+m.Profile), strings.TrimSpace(want+" "+e.Profile)
	}
	return view{
		known: true, bad: bad, good: !bad, confidence: 1, cause: CauseCamera,
		detail: fmt.Sprintf("the camera sends %s, %s is expected", got, want),
	}
}

func sizeRule(s *sample) (v view) {
	want, got := Size{s.expect.Width, s.expect.Height}, s.m.Size
	if want == (Size{}) || got == (Size{}) {
		return v
	}
	return view{
		known: true, bad: got != want, good: got == want, confidence: 1, cause: CauseCamera,
		detail: fmt.Sprintf("the picture has %dx%d pixels, %dx%d are expected", got.Width, got.Height, want.Width, want.Height),
	}
}
