package stream

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// Bounds of a parameter set that is parsed: real ones have 10 to 100 bytes,
// with scaling lists some 700, and no camera is wider than 16K.
const (
	maxSPSBytes  = 1024
	maxDimension = 16384
)

// parameters remembers the newest sequence parameter set, so that it is parsed
// when it changes only.
type parameters struct {
	raw     []byte
	size    Size
	profile int     // profile_idc
	level   int     // level_idc
	fps     float64 // declared; 0 when it is not
	changes uint64  // of the set, after the first
}

// take looks at a parameter set. An error leaves what was known.
func (p *parameters) take(c Codec, sps []byte) error {
	if bytes.Equal(sps, p.raw) {
		return nil
	}
	if len(sps) > maxSPSBytes {
		return fmt.Errorf("parameter set of %d bytes, more than %d", len(sps), maxSPSBytes)
	}
	n, err := parseSPS(c, sps)
	if err != nil {
		return err
	}
	if p.raw != nil {
		n.changes = p.changes + 1
	}
	n.raw = append(p.raw[:0], sps...) // the packet's bytes are not ours
	*p = n
	return nil
}

func parseSPS(c Codec, sps []byte) (parameters, error) {
	var p parameters
	switch c {
	case H264:
		var s h264.SPS
		if err := s.Unmarshal(sps); err != nil {
			return parameters{}, fmt.Errorf("parse H264 parameter set: %w", err)
		}
		p.size, p.profile = Size{s.Width(), s.Height()}, int(s.ProfileIdc)
		p.level = int(s.LevelIdc)
		if s.VUI != nil && s.VUI.TimingInfo != nil && s.VUI.TimingInfo.NumUnitsInTick > 0 {
			p.fps = s.FPS()
		}
	case H265:
		var s h265.SPS
		if err := s.Unmarshal(sps); err != nil {
			return parameters{}, fmt.Errorf("parse H265 parameter set: %w", err)
		}
		p.size, p.profile = Size{s.Width(), s.Height()}, int(s.ProfileTierLevel.GeneralProfileIdc)
		p.level = int(s.ProfileTierLevel.GeneralLevelIdc)
		if s.VUI != nil && s.VUI.TimingInfo != nil && s.VUI.TimingInfo.NumUnitsInTick > 0 {
			p.fps = s.FPS()
		}
	default:
		return parameters{}, fmt.Errorf("codec %s has no parameter sets", c)
	}
	if p.size.Width <= 0 || p.size.Height <= 0 || p.size.Width > maxDimension || p.size.Height > maxDimension {
		return parameters{}, fmt.Errorf("%s parameter set with the impossible size %dx%d", c, p.size.Width, p.size.Height)
	}
	return p, nil
}

// Names of profiles by profile_idc: ITU-T H.264, annex A.2, and H.265, A.3.
var (
	h264Profiles = map[int]string{66: "baseline", 77: "main", 88: "extended", 100: "high", 110: "high10", 122: "high422", 244: "high444"}
	h265Profiles = map[int]string{1: "main", 2: "main10", 3: "mainstill", 4: "rext"}
)

// profileName is "" when there is no name for it.
func profileName(c Codec, idc int) string {
	switch c {
	case H264:
		return h264Profiles[idc]
	case H265:
		return h265Profiles[idc]
	}
	return ""
}

// levelName writes a level as people do, "4.1": H.264 counts tenths, H.265
// thirtieths. "" is not known.
func levelName(c Codec, idc int) string {
	switch {
	case idc <= 0:
		return ""
	case c == H264:
		return fmt.Sprintf("%d.%d", idc/10, idc%10)
	case c == H265:
		return fmt.Sprintf("%d.%d", idc/30, idc%30/3)
	}
	return ""
}
