package camera

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/pion/rtp"

	"kentongan/cmd/kentongan-demo/internal/clip"
)

// street loops the clip.
type street struct {
	clip   clip.Clip
	format *format.H264
	enc    *rtph264.Encoder
	pos    int  // of the next picture
	frozen bool // the picture before was a repeated one
}

func newStreet() (*street, error) {
	c, err := clip.Street()
	if err != nil {
		return nil, err
	}
	s := &street{clip: c, format: &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: c.SPS, PPS: c.PPS}}
	if s.enc, err = s.format.CreateEncoder(); err != nil {
		return nil, fmt.Errorf("make RTP encoder for H264: %w", err)
	}
	return s, nil
}

func (s *street) media() *description.Media { return videoMedia(s.format) }
func (s *street) fps() int                  { return clip.FPS }

// next repeats the newest keyframe while frozen, and goes on at the one after
// it, since what lies between refers to pictures that nobody was shown.
func (s *street) next(frozen bool) ([]*rtp.Packet, error) {
	n := len(s.clip.Pictures)
	switch {
	case frozen:
		s.pos = (s.pos + n - 1) % n
		for !s.clip.Pictures[s.pos].Key {
			s.pos = (s.pos + n - 1) % n
		}
	case s.frozen:
		for !s.clip.Pictures[s.pos].Key {
			s.pos = (s.pos + 1) % n
		}
	}
	s.frozen = frozen
	picture := s.clip.Pictures[s.pos]
	s.pos = (s.pos + 1) % n
	packets, err := s.enc.Encode(picture.NALs)
	if err != nil {
		return nil, fmt.Errorf("packetize picture: %w", err)
	}
	return packets, nil
}
