// Package clip holds the short film that the demo's H.264 camera shows.
// make-clip.sh draws it.
package clip

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
)

//go:embed street.h264
var street []byte

// FPS is the clip's pictures per second.
const FPS = 12

// H.264 NAL unit types (ITU-T H.264, table 7-1).
const (
	nalIDR       = 5
	nalSEI       = 6
	nalSPS       = 7
	nalPPS       = 8
	nalDelimiter = 9
)

// Picture is one access unit.
type Picture struct {
	NALs [][]byte // with SPS and PPS in front of a keyframe
	Key  bool
}

// Clip is a film whose end fits its beginning.
type Clip struct {
	SPS, PPS []byte
	Pictures []Picture
}

// Street returns the street at the gate: 640x360, 12 s, a keyframe every 2 s.
func Street() (Clip, error) { return parse(street) }

// parse reads an Annex B stream whose access units begin with a delimiter.
func parse(data []byte) (Clip, error) {
	var c Clip
	for _, nal := range split(data) {
		switch typ := nal[0] & 0x1f; typ {
		case nalDelimiter:
			c.Pictures = append(c.Pictures, Picture{})
			continue
		case nalSEI: // x264's settings, of no use to a reader
			continue
		case nalSPS:
			c.SPS = nal
		case nalPPS:
			c.PPS = nal
		}
		if len(c.Pictures) == 0 {
			return Clip{}, errors.New("clip: the first access unit has no delimiter; make it with make-clip.sh")
		}
		p := &c.Pictures[len(c.Pictures)-1]
		p.NALs = append(p.NALs, nal)
		p.Key = p.Key || nal[0]&0x1f == nalIDR
	}
	if len(c.Pictures) == 0 || c.SPS == nil || c.PPS == nil || !c.Pictures[0].Key {
		return Clip{}, errors.New("clip: does not begin with SPS, PPS and a keyframe; make it with make-clip.sh")
	}
	for i, p := range c.Pictures {
		if len(p.NALs) == 0 {
			return Clip{}, fmt.Errorf("clip: picture %d is empty", i)
		}
	}
	return c, nil
}

// split cuts an Annex B stream at its start codes.
func split(data []byte) [][]byte {
	var nals [][]byte
	for part := range bytes.SplitSeq(data, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 { // the zero before a start code, and padding
			nals = append(nals, part)
		}
	}
	return nals
}
