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
		if s.VUI != nil && s.VUI.TimingInfo != nil && s.VUI.TimingInfo.NumUnitsInTick > 0 {
			p.fps = s.FPS()
		}
	case H265:
		var s h265.SPS
		if err := s.Unmarshal(sps); err != nil {
			return parameters{}, fmt.Errorf("parse H265 parameter set: %w", err)
		}
		p.size, p.profile = Size{s.Width(), s.Height()}, int(s.ProfileTierLevel.GeneralProfileIdc)
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
